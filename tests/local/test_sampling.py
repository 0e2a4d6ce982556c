"""A draw depends on its own row alone, and is distributed as the model says."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesaver.local import Params, Token
from cachesaver.local.guides import Guide
from cachesaver.local.noise import sample_key
from cachesaver.local.sampling import Draw, Sampler

CPU = torch.device("cpu")
WIDTH = 40


def draw(
    params: Params, *, seed: int = 0, index: int = 0, position: int = 0, guide: Guide | None = None
) -> Draw:
    return Draw(
        params=params,
        key=sample_key(seed, index),
        prompt=[1, 2],
        answer=[3] * position,
        guide=guide,
    )


def drawn(draws: list[Draw], logits: torch.Tensor) -> list[Token | None]:
    return Sampler(draws, vocabulary=logits.shape[1], device=CPU).draw(logits)


def ids(tokens: list[Token | None]) -> list[int]:
    return [token.id for token in tokens if token is not None]


params = st.builds(
    Params,
    temperature=st.sampled_from([0, 0.1, 0.7, 1, 2]),
    top_k=st.sampled_from([0, 1, 5, 100]),
    top_p=st.sampled_from([1, 0.9, 0.2]),
    min_p=st.sampled_from([0, 0.05, 0.5]),
    presence_penalty=st.sampled_from([0, 1.5]),
    frequency_penalty=st.sampled_from([0, -0.5]),
    repetition_penalty=st.sampled_from([1, 1.2]),
    logit_bias=st.sampled_from([{}, {3: 5}, {0: -100, 7: 1.5}]),
    logprobs=st.sampled_from([None, 0, 3]),
)
rows = st.lists(
    st.builds(
        draw, params, seed=st.integers(-9, 9), index=st.integers(0, 9), position=st.integers(0, 3)
    ),
    min_size=1,
    max_size=8,
)


def logits_for(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((count, WIDTH), generator=torch.Generator().manual_seed(seed)) * 3


@settings(deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_neighbours_and_order_change_nothing(draws: list[Draw], random: Any) -> None:
    logits = logits_for(len(draws))
    order = list(range(len(draws)))
    random.shuffle(order)

    together = drawn(draws, logits)
    alone = [drawn([each], logits[at : at + 1])[0] for at, each in enumerate(draws)]
    shuffled = drawn([draws[at] for at in order], logits[order])

    assert ids(together) == ids(alone)
    assert ids(shuffled) == [ids(together)[at] for at in order]
    for one, other in zip(together, alone, strict=True):
        assert one is not None
        assert other is not None
        assert one.logprob == pytest.approx(other.logprob, abs=1e-5)
        assert [id_ for id_, _ in one.top] == [id_ for id_, _ in other.top]


def test_step_after_step_is_each_step_alone() -> None:
    """Given a sampler that goes on, then its positions and counts are those of a new one."""
    settings_ = Params(presence_penalty=1, frequency_penalty=0.5)
    going = Sampler([draw(settings_, seed=4)], vocabulary=WIDTH, device=CPU)
    answer: list[int] = []

    for step in range(8):
        anew = Draw(params=settings_, key=sample_key(4, 0), prompt=[1, 2], answer=tuple(answer))
        logits = logits_for(1, seed=step)
        (expected,) = ids(drawn([anew], logits))
        answer += ids(going.draw(logits))
        assert answer[-1] == expected


def chi_square(counts: Counter[int], shares: list[float], total: int) -> float:
    return sum(
        (counts[at] - total * share) ** 2 / (total * share)
        for at, share in enumerate(shares)
        if share
    )


@pytest.mark.parametrize("vary", ["seed", "index", "position"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_distribution_is_the_softmax_of_the_logits(vary: str, temperature: float) -> None:
    """Given 20,000 draws that differ in one thing, then chi-square is below its 99.99 % point."""
    total = 20_000
    shares = torch.tensor([0.3, 0.2, 0.2, 0.1, 0.1, 0.06, 0.03, 0.01])
    logits = shares.log()
    expected = (logits / temperature).softmax(dim=-1).tolist()
    heat = Params(temperature=temperature)
    draws = [
        Draw(
            params=heat,
            key=sample_key(at if vary == "seed" else 7, at if vary == "index" else 0),
            prompt=(),
            answer=range(at if vary == "position" else 0),
        )
        for at in range(total)
    ]

    counts = Counter(ids(drawn(draws, logits.expand(total, -1))))

    assert chi_square(counts, expected, total) < 29.88  # 7 degrees of freedom


def test_neighbouring_indices_are_independent() -> None:
    """Given pairs of samples 2i and 2i+1 of four equal tokens, then all sixteen pairs are as frequent."""
    total = 16_000
    draws = [draw(Params(), seed=11, index=at) for at in range(2 * total)]

    tokens = ids(drawn(draws, torch.zeros((2 * total, 4))))

    pairs = Counter(4 * a + b for a, b in zip(tokens[::2], tokens[1::2], strict=True))
    assert chi_square(pairs, [1 / 16] * 16, total) < 44.26  # 15 degrees of freedom, 99.99 %


def test_what_is_filtered_is_never_drawn() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, 3.0]]).expand(500, -1)

    tokens = ids(
        drawn([draw(Params(top_k=2, temperature=2), seed=at) for at in range(500)], logits)
    )

    assert set(tokens) == {2, 3}


def test_small_noise_on_the_logits_seldom_changes_a_token() -> None:
    """Given noise the size of bfloat16's on logits of 32,000 tokens, then one in 50 changes at most."""
    total, width = 200, 32_000
    logits = torch.randn((total, width), generator=torch.Generator().manual_seed(1)) * 3
    draws = [draw(Params(), seed=1, index=at) for at in range(total)]

    exact = ids(drawn(draws, logits))
    rounded = ids(drawn(draws, logits.bfloat16()))

    assert sum(a != b for a, b in zip(exact, rounded, strict=True)) <= total / 50


def test_log_probabilities_are_the_models_own() -> None:
    """Given penalties, bias, temperature and filters, then the report is of the raw logits."""
    changed = Params(temperature=0.3, top_k=1, logit_bias={5: 100}, logprobs=3)
    logits = logits_for(2)
    expected = logits.log_softmax(dim=-1)

    first, second = drawn([draw(changed), draw(Params())], logits)

    assert first is not None
    assert first.id == 5
    assert first.logprob == pytest.approx(expected[0, 5].item())
    assert [id_ for id_, _ in first.top] == expected[0].topk(3).indices.tolist()
    assert [chance for _, chance in first.top] == pytest.approx(expected[0].topk(3).values.tolist())
    assert second is not None
    assert (second.logprob, second.top) == (None, ())


def test_logprobs_of_zero_report_the_token_alone() -> None:
    (token,) = drawn([draw(Params(logprobs=0))], logits_for(1))

    assert token is not None
    assert token.logprob is not None
    assert token.top == ()


def test_the_logits_are_left_as_they_were() -> None:
    logits = logits_for(1)
    before = logits.clone()

    drawn([draw(Params(top_k=2, logit_bias={1: 3}, repetition_penalty=2))], logits)

    assert torch.equal(logits, before)


@pytest.mark.parametrize("heat", [1e-3, 1e-40, 5e-324])
def test_next_to_no_temperature_takes_the_likeliest(heat: float) -> None:
    logits = logits_for(1) * 1000

    tokens = ids(drawn([draw(Params(temperature=heat))], logits))

    assert tokens == logits.argmax(dim=-1).tolist()


@pytest.mark.parametrize("heat", [0.0, 1.0])
def test_a_row_without_numbers_gets_no_token(heat: float) -> None:
    logits = logits_for(2)
    logits[0, 3] = math.nan

    first, second = drawn([draw(Params(temperature=heat)), draw(Params(temperature=heat))], logits)

    assert first is None
    assert second is not None


class Only:
    """A guide that allows some tokens."""

    def __init__(self, *tokens: int) -> None:
        self.mask = torch.zeros(WIDTH, dtype=torch.bool)
        self.mask[list(tokens)] = True

    def allowed(self) -> torch.Tensor | None:
        return self.mask

    def accept(self, token: int) -> bool:
        return False


def test_a_guide_masks_its_own_row() -> None:
    draws = [draw(Params(temperature=heat), guide=Only(9)) for heat in (0.0, 1.0)]

    tokens = drawn([*draws, draw(Params(temperature=0))], logits_for(3))

    assert ids(tokens)[:2] == [9, 9]
    assert ids(tokens)[2] == int(logits_for(3)[2].argmax())
