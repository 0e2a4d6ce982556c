"""The randomness: SplitMix64, of the right distribution, and the same whoever asks for it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.local.noise import bits, gumbel, sample_key

GAMMA = 0x9E3779B97F4A7C15
WORD = 2**64 - 1

seeds = st.integers(-(2**63), 2**63 - 1)
places = st.integers(0, 2**40)


class Generator:
    """SplitMix64 as in the paper: a state that each output moves on."""

    def __init__(self, state: int) -> None:
        self.state = state & WORD

    def next(self) -> int:
        self.state = (self.state + GAMMA) & WORD
        value = self.state
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
        return value ^ (value >> 31)


def test_the_reference_gives_the_known_outputs_for_seed_1234567() -> None:
    """https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64 lists them."""
    generator = Generator(1234567)

    assert [generator.next() for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def expected(seed: int, index: int, position: int, tokens: int) -> list[int]:
    """Nest four generators, each started by an output of the one before it."""
    state = 0
    for word in (seed, index, position):
        state = Generator(state + word * GAMMA).next()
    generator = Generator(state)
    return [generator.next() >> 1 for _ in range(tokens)]


@given(seeds, places, places)
def test_the_bits_are_those_of_nested_generators(seed: int, index: int, position: int) -> None:
    key = torch.tensor([sample_key(seed, index)])

    found = bits(key, torch.tensor([position]), 5)

    assert found.tolist() == [expected(seed, index, position, 5)]


@given(st.lists(st.tuples(seeds, places, places), min_size=1, max_size=6))
def test_a_row_does_not_depend_on_the_others(rows: list[tuple[int, int, int]]) -> None:
    keys = torch.tensor([sample_key(seed, index) for seed, index, _ in rows])
    positions = torch.tensor([position for _, _, position in rows])

    together = gumbel(keys, positions, 33)
    alone = [gumbel(keys[at : at + 1], positions[at : at + 1], 33) for at in range(len(rows))]

    assert torch.equal(together, torch.cat(alone))


def test_seed_index_position_and_token_all_count() -> None:
    many = {
        bits(torch.tensor([sample_key(seed, index)]), torch.tensor([position]), 7)[0, token].item()
        for seed in range(-3, 4)
        for index in range(5)
        for position in range(5)
        for token in range(7)
    }

    assert len(many) == 7 * 5 * 5 * 7


def test_the_noise_is_gumbels() -> None:
    """Given a million, then mean, variance and three quantiles are right within five deviations."""
    keys = torch.tensor([sample_key(5, index) for index in range(1000)])

    noise = gumbel(keys, torch.zeros(1000, dtype=torch.long), 1000).double().flatten()

    assert abs(noise.mean().item() - 0.5772157) < 5 * 1.283 / 1000
    assert abs(noise.var().item() - math.pi**2 / 6) < 5 * 4.1 / 1000
    for share in (0.001, 0.5, 0.999):
        below = (noise <= -math.log(-math.log(share))).double().mean().item()
        assert abs(below - share) < 5 * math.sqrt(share * (1 - share)) / 1000


@pytest.mark.parametrize("extreme", [0, 2**63 - 1])
def test_the_extremes_are_numbers(extreme: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given all bits alike, then the noise is finite: a token that is alone can always be drawn."""
    monkeypatch.setattr("cachesaver.local.noise.bits", lambda *_: torch.tensor([[extreme]]))

    noise = gumbel(torch.zeros(1), torch.zeros(1), 1)

    assert torch.isfinite(noise).all()
