"""A prompt read in pieces, or from another's beginning, is as if read at once; few are kept."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from cachesaver.local import prefill
from cachesaver.local.decoder import Decoder
from cachesaver.local.prefill import Prefill, Prefixes, read_together
from engines import prompt


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(tiny.model())


def read(prefill: Prefill, decoder: Decoder, chunk: int = 100) -> Prefill:
    with torch.inference_mode():
        while prefill.logits is None:
            prefill.advance(decoder, chunk)
    return prefill


def assert_alike(one: Prefill, other: Prefill) -> None:
    assert one.logits is not None
    assert other.logits is not None
    assert torch.allclose(one.logits, other.logits, atol=1e-4)
    for ours, theirs in zip(one.states, other.states, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.shape == b.shape
            assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 22, 23])
def test_pieces_make_the_whole(decoder: Decoder, chunk: int) -> None:
    tokens = tuple(prompt())

    assert_alike(read(Prefill(tokens), decoder, chunk), read(Prefill(tokens), decoder))


@pytest.mark.parametrize("cached", [1, 11, 22])
def test_a_beginning_makes_the_whole_and_is_left_as_it_was(decoder: Decoder, cached: int) -> None:
    tokens = tuple(prompt())
    other = read(Prefill(tokens[:cached] + tuple(prompt(9, 5))), decoder)
    before = other.states[0][0].clone()

    begun = read(Prefill(tokens, begun=other.states, cached=cached), decoder)

    assert_alike(begun, read(Prefill(tokens), decoder))
    assert torch.equal(other.states[0][0], before)


def kept(decoder: Decoder, room: int, *prompts: tuple[int, ...]) -> Prefixes:
    prefixes = Prefixes(room)
    for tokens in prompts:
        prefixes.keep(read(Prefill(tokens), decoder))
    return prefixes


def test_the_longest_beginning_is_taken(decoder: Decoder) -> None:
    prefixes = kept(decoder, 99, (5, 6, 9), (5, 6, 7, 8, 9), (8, 8))

    assert prefixes.open((5, 6, 7, 8, 3)).cached == 4
    assert prefixes.open((5, 6, 3)).cached == 2
    assert prefixes.open((3, 5)).cached == 0
    assert Prefixes(9).open((3, 5)).cached == 0


def test_the_last_token_is_read_unless_all_was(decoder: Decoder) -> None:
    prefixes = kept(decoder, 99, (5, 6, 7))

    shorter, equal = prefixes.open((5, 6)), prefixes.open((5, 6, 7))

    assert (shorter.cached, shorter.logits) == (1, None)
    assert equal.cached == 3
    assert equal.logits is not None


def test_the_oldest_use_is_forgotten_first(decoder: Decoder) -> None:
    prefixes = kept(decoder, 6, (5, 6), (7, 8), (9, 9))
    prefixes.open((5, 6))
    prefixes.open((9, 1))

    prefixes.keep(read(Prefill((3, 3)), decoder))

    assert prefixes.size == 6
    assert [prefixes.open((first, 0)).cached for first in (5, 7, 9, 3)] == [1, 0, 1, 1]


def test_a_beginning_that_was_of_use_is_kept_longer(decoder: Decoder) -> None:
    prefixes = kept(decoder, 4, (5, 6), (7, 8))
    prefixes.open((5, 1))

    prefixes.keep(read(Prefill((3, 3)), decoder))

    assert [prefixes.open((first, 0)).cached for first in (5, 7)] == [1, 0]


def test_of_those_with_one_beginning_the_one_of_the_oldest_use_is_taken(decoder: Decoder) -> None:
    prefixes = kept(decoder, 4, (5, 6), (5, 7))
    prefixes.open((5, 6))
    prefixes.open((5, 1))  # takes (5, 7), which is kept longer by that

    prefixes.keep(read(Prefill((3, 3)), decoder))

    assert [prefixes.open(tokens).cached for tokens in ((5, 6), (5, 7))] == [1, 2]


def test_what_is_longer_than_all_room_is_not_kept(decoder: Decoder) -> None:
    prefixes = kept(decoder, 2, (5, 6), (7, 8, 9))

    assert prefixes.size == 2
    assert prefixes.open((5, 1)).cached == 1


Act: TypeAlias = tuple[Literal["open", "keep"], tuple[int, ...]]
ACTS = st.lists(
    st.tuples(
        st.sampled_from(["open", "keep"]),
        st.lists(st.integers(0, 2), min_size=1, max_size=6).map(tuple),
    ),
    max_size=80,
)


class Plain:
    """What `Prefixes` is, as its definition has it: each prompt is compared with all."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.kept: list[tuple[int, ...]] = []

    def open(self, tokens: tuple[int, ...]) -> tuple[int, bool]:
        """Return how many were cached, and whether nothing is left to read."""
        if tokens in self.kept:
            self._use(tokens)
            return len(tokens), True
        shared = [common(tokens, each) for each in self.kept]
        cached = min(max(shared, default=0), len(tokens) - 1)
        if cached:
            self._use(self.kept[shared.index(max(shared))])
        return cached, False

    def keep(self, tokens: tuple[int, ...]) -> None:
        if len(tokens) <= self.room and tokens not in self.kept:
            self.kept.append(tokens)
        while sum(map(len, self.kept)) > self.room:
            del self.kept[0]

    def _use(self, tokens: tuple[int, ...]) -> None:
        self.kept.remove(tokens)
        self.kept.append(tokens)


def common(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    return max(at for at in range(min(len(one), len(other)) + 1) if one[:at] == other[:at])


@given(st.integers(1, 40), ACTS)
@settings(max_examples=300)
def test_what_is_found_and_forgotten_is_what_comparing_with_all_gives(
    room: int, acts: list[Act]
) -> None:
    prefixes, plain = Prefixes(room), Plain(room)
    kept: dict[tuple[int, ...], Prefill] = {}

    for act, tokens in acts:
        if act == "keep":
            plain.keep(tokens)
            kept[tokens] = kept[tokens] if tokens in kept else Prefill(tokens)
            prefixes.keep(kept[tokens])
        else:
            opened = prefixes.open(tokens)
            assert (opened.cached, opened is kept.get(tokens)) == plain.open(tokens)
        assert prefixes.size == sum(map(len, plain.kept))


def test_few_of_thousands_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given thousands of prompts that begin alike, when one comes, then it is not held against each."""
    system = tuple(range(50))
    prefixes = Prefixes(4000 * 52)
    for at in range(4000):
        prefixes.keep(Prefill((*system, at, at)))
    compared: list[tuple[int, ...]] = []

    def counting(ours: tuple[int, ...], theirs: tuple[int, ...]) -> int:
        compared.append(theirs)
        return common(ours, theirs)

    monkeypatch.setattr(prefill, "count_shared", counting)

    assert prefixes.open((*system, 2000, 7)).cached == 51
    assert len(compared) <= 2


def test_what_is_kept_holds_nothing_of_those_it_was_read_with(decoder: Decoder) -> None:
    """Given prompts that were read together, when each is kept, then its logits are no part of more."""
    together = [Prefill(tuple(prompt(20, at))) for at in range(4)]
    with torch.inference_mode():
        read_together(decoder, together)
        wanted = [each.logits.clone() for each in together if each.logits is not None]
        for each in together:
            Prefixes(100).keep(each)

    for each, logits in zip(together, wanted, strict=True):
        assert each.logits is not None
        assert torch.equal(each.logits, logits)
        assert each.logits.untyped_storage().nbytes() == logits.nbytes
