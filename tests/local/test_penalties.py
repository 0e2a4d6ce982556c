"""What was said before, and biases, change logits as they say."""

from __future__ import annotations

import pytest
import torch

from cachesaver.local import Params
from cachesaver.local.penalties import Bias, Penalties

CPU = torch.device("cpu")


def penalised(
    params: list[Params], prompts: list[list[int]], answers: list[list[int]], *drawn: list[int]
) -> torch.Tensor:
    """Return logits that were 2, 2, -2, 2 in each row."""
    penalties = Penalties(params, prompts, answers, vocabulary=4, device=CPU)
    for tokens in drawn:
        penalties.count(torch.tensor(tokens))
    logits = torch.tensor([[2.0, 2.0, -2.0, 2.0]]).repeat(len(params), 1)
    penalties.apply(logits)
    return logits


def test_presence_counts_once_and_only_in_the_answer() -> None:
    logits = penalised([Params(presence_penalty=0.5)], [[0]], [[1, 1]])

    assert logits.tolist() == [[2, 1.5, -2, 2]]


def test_frequency_counts_each_time_and_only_in_the_answer() -> None:
    logits = penalised([Params(frequency_penalty=0.5)], [[0]], [[1, 1, 2]])

    assert logits.tolist() == [[2, 1, -2.5, 2]]


def test_repetition_counts_the_prompt_too_and_weakens_both_signs() -> None:
    logits = penalised([Params(repetition_penalty=2.0)], [[0]], [[2]])

    assert logits.tolist() == [[1, 2, -4, 2]]


@pytest.mark.parametrize(
    "params",
    [Params(presence_penalty=0.3, frequency_penalty=1.1, repetition_penalty=1.3), Params()],
)
def test_counting_as_it_goes_is_counting_anew(params: Params) -> None:
    """Given rows beside it that have none, then what is drawn counts as if it had been there before."""
    rows = [Params(), params, Params()]

    going = penalised(rows, [[0]] * 3, [[], [1], []], [3, 1, 3], [3, 2, 3])
    anew = penalised(rows, [[0]] * 3, [[], [1, 1, 2], []])

    assert torch.equal(going, anew)


def test_a_bias_is_added_in_its_row() -> None:
    logits = torch.zeros((3, 4))

    Bias([Params(), Params(logit_bias={1: -100, 3: 2.5}), Params(logit_bias={0: 1})], CPU).apply(
        logits
    )

    assert logits.tolist() == [[0, 0, 0, 0], [0, -100, 0, 2.5], [1, 0, 0, 0]]
