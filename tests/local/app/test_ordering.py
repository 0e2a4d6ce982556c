from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import local_words
from cachesaver.local.app.chat_ask import Drawing
from cachesaver.local.app.ordering import FIRST_INDEX, Order, first_index_of, params_of, place
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.served import Served
from cachesaver.local.errors import ParameterError, PromptTooLongError
from cachesaver.local.params import Params

POOL = ThreadPoolExecutor(1)


def ask(**fields: Any) -> Drawing:
    return Drawing(model="m", **fields)


def test_what_is_not_said_is_openais_default() -> None:
    params = params_of(ask(seed=1), max_tokens=None, logprobs=None)

    assert params == Params(seed=1)


def test_everything_said_is_handed_on() -> None:
    params = params_of(
        ask(
            temperature=0.0,
            top_p=0.5,
            top_k=-1,
            min_p=0.1,
            repetition_penalty=1.5,
            seed=3,
            logit_bias={"5": -1.0},
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            ignore_eos=True,
        ),
        max_tokens=7,
        logprobs=2,
    )

    assert params == Params(
        max_tokens=7,
        temperature=0.0,
        top_p=0.5,
        min_p=0.1,
        repetition_penalty=1.5,
        seed=3,
        logprobs=2,
        logit_bias={5: -1.0},
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        ignore_end=True,
    )


def test_top_p_of_nothing_is_the_likeliest() -> None:
    assert 0 < params_of(ask(top_p=0.0), max_tokens=None, logprobs=None).top_p < 1e-6


def test_seeds_are_drawn_and_small_enough_for_any_reader() -> None:
    seeds = {params_of(ask(), max_tokens=None, logprobs=None).seed for _ in range(20)}

    assert len(seeds) == 20
    assert all(seed is not None and 0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize(("said", "index"), [("0", 0), ("17", 17), (str(2**62), 2**62)])
def test_the_first_index_is_read(said: str, index: int) -> None:
    assert first_index_of({FIRST_INDEX: said}) == index
    assert first_index_of({}) == 0


@pytest.mark.parametrize("said", ["", "-1", "1.0", "a", "²", str(2**62 + 1), "9" * 5000])
def test_what_is_no_index_is_refused(said: str) -> None:
    with pytest.raises(Refusal, match=FIRST_INDEX):
        first_index_of({FIRST_INDEX: said})


class Choosy(local_words.Script):
    """Takes short prompts only."""

    def submit(self, token_ids: Any, n: int, params: Params, **more: Any) -> Any:
        if len(token_ids) > 3:
            raise PromptTooLongError(prompt=len(token_ids), answer=1, room=3)
        if not token_ids:
            raise ParameterError("token_ids", "token_ids is empty")
        return super().submit(token_ids, n, params, **more)


def order(*prompts: list[int], **fields: Any) -> Order:
    return Order(prompts=prompts, n=2, params=Params(seed=1), param="prompt", **fields)


def served(engine: Any) -> Served:
    return Served(name="m", tongue=local_words.tongue(), engine=engine)


def test_each_prompt_has_its_samples() -> None:
    job = place(served(Choosy()), order([1], [2], first_index=4), POOL)

    assert [stream.index for stream in job.streams] == [4, 5, 4, 5]
    assert job.usage.prompt == 2


@pytest.mark.parametrize("bad", [[1, 2, 3, 4], []])
def test_of_several_prompts_all_are_drawn_or_none(bad: list[int]) -> None:
    engine = Choosy()

    with pytest.raises(Refusal) as raised:
        place(served(engine), order([1], bad), POOL)

    assert (raised.value.status, raised.value.param) == (400, "prompt")
    assert len(engine.cancelled) == 2


def test_of_several_prompts_only_the_first_waits_for_room() -> None:
    """Given a limit on those who wait, then a request with many prompts is not refused for its own."""

    class Full(local_words.Script):
        def __init__(self) -> None:
            super().__init__()
            self.more: list[bool] = []

        def submit(self, *given: Any, **named: Any) -> Any:
            self.more.append(named["more"])
            return super().submit(*given, **named)

    engine = Full()

    place(served(engine), order([1], [2], [3]), POOL)

    assert engine.more == [False, True, True]
