"""The engine over transformers' continuous batching draws as every engine does, and does not die."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

import tiny
from cachesaver.local import (
    Engine,
    EngineFailedError,
    Kind,
    Params,
    PromptTooLongError,
    Sizes,
    Stream,
    UnsupportedModelError,
    open_engine,
)
from engines import LONG, EngineContract, by_hand, generated, ids, prompt, tick

RUNS = {
    *("llama", "llama-eager", "qwen2", "qwen3", "mistral", "mistral-window", "gemma"),
    *("mixtral", "qwen3_moe"),
}
"""Families that are known to run so; of others it is only asked that they are right or refused."""


def paged(family: str = "llama", **settings: Any) -> Any:
    sizes = Sizes(**{"cells": 4096, **settings})
    return by_hand(open_engine(tiny.model(family), kind="cb", sizes=sizes))


class TestBatchEngine(EngineContract):
    kind = "cb"
    family = "llama"

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        """Return an engine with a model of its own: `generate` goes wrong on one that is used so."""
        made = open_engine(tiny.model(), kind="cb", sizes=Sizes(chunk=7, cells=4096))
        yield made
        made.close()

    def assert_left(self, still: Any, waiting: Stream) -> None:
        assert (still.stats().running, still.stats().waiting) == (4, 0)

    def test_the_counts_add_up(self, still: Any) -> None:
        """Given three samples at once, each reads the prompt: blocks are shared with who comes later."""
        streams = still.submit(prompt(), 3, Params(max_tokens=4, ignore_end=True))
        tick(still, 6)
        after = still.stats()

        assert [len(ids(each)) for each in streams] == [4, 4, 4]
        assert (after.engine, after.finished, after.answer_tokens) == ("cb", 3, 12)
        assert (after.prompt_tokens, after.steps) == (3 * 23, 4)
        assert (after.waiting, after.running, after.cells_used) == (0, 0, 0)

    def test_a_prompt_that_breaks_the_model_leaves_those_that_run(
        self, still: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Not so here: prompts are read among those that run, and the step is everybody's."""
        running = still.submit(prompt(), 2, LONG)
        tick(still, 2)
        (broken,) = still.submit(prompt(40, 8), 1, LONG)
        with monkeypatch.context() as patch:
            patch.setattr(still.decoder, "model", lambda **_: 1 / 0)
            tick(still)

        for stream in (*running, broken):
            with pytest.raises(EngineFailedError):
                ids(stream)
        assert (still.stats().running, still.stats().waiting) == (0, 0)


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_it_is_as_the_model_says_or_refuses(family: str) -> None:
    """Given any family, then each token is that of `generate`, or the model is refused for a reason."""
    try:
        engine = open_engine(tiny.model(family), kind="cb", sizes=Sizes(chunk=16, cells=4096))
    except UnsupportedModelError:
        assert family not in RUNS
        return
    prompts = [prompt(5 + 9 * at, at) for at in range(5)]
    likeliest = Params(temperature=0, max_tokens=12, ignore_end=True)

    streams = [engine.submit(each, 2, likeliest) for each in prompts]

    for tokens, pair in zip(prompts, streams, strict=True):
        assert [ids(each) for each in pair] == [generated(family, tokens, 12)] * 2
    engine.close()


def test_samples_are_those_of_the_slot_engine() -> None:
    """Given settings of all kinds together, then each sample is what it is in slots."""
    settings = [
        Params(seed=1, max_tokens=15, temperature=1.3, ignore_end=True, logprobs=2),
        Params(seed=2, max_tokens=15, top_p=0.8, frequency_penalty=0.7),
        Params(seed=3, max_tokens=15, logit_bias={70: 3.0}, repetition_penalty=1.2),
        Params(temperature=0, max_tokens=15),
    ]
    answers = list[Any]()
    kinds: tuple[Kind, ...] = ("slot", "cb")
    for kind in kinds:
        engine = open_engine(tiny.model(), kind=kind, sizes=Sizes(cells=4096))
        asked = [engine.submit(prompt(9 + at, at), 3, each) for at, each in enumerate(settings)]
        answers.append([[*each] for streams in asked for each in streams])
        engine.close()

    slot, batch = answers
    assert [[token.id for token in each] for each in batch] == [
        [token.id for token in each] for each in slot
    ]
    for one, other in zip(slot[0], batch[0], strict=True):
        assert other.logprob == pytest.approx(one.logprob, abs=1e-3)
        assert [token for token, _ in other.top] == [token for token, _ in one.top]


def test_more_than_memory_holds_waits_for_it() -> None:
    """Given room for one long answer, when four are wanted, then all become what they would have been."""
    wanted = Params(seed=3, max_tokens=100, ignore_end=True, frequency_penalty=0.2)
    roomy, tight = paged(), paged(cells=16 * 14)
    expected = roomy.submit(prompt(), 4, wanted)
    tick(roomy, 110)

    streams = tight.submit(prompt(), 4, wanted)
    tick(tight, 3)
    assert (tight.stats().running, tight.stats().waiting) == (1, 3)
    tick(tight, 450)

    assert [ids(each) for each in streams] == [ids(each) for each in expected]


@pytest.mark.parametrize("cells", [16 * 3, 16 * 5, 16 * 9 + 5])
def test_what_fits_alone_runs_and_what_never_fits_is_refused(cells: int) -> None:
    """Given little memory, then the longest text that is taken ends well, beside others like it."""
    engine = paged(cells=cells, chunk=7)
    half = engine.context // 2
    full = Params(max_tokens=engine.context - half, seed=1, ignore_end=True)

    streams = [engine.submit(prompt(half, at), 1, full)[0] for at in range(3)]
    with pytest.raises(PromptTooLongError):
        engine.submit(prompt(half), 1, Params(max_tokens=engine.context - half + 1))
    tick(engine, 3 * engine.context + 20)

    assert [len(ids(each)) for each in streams] == [engine.context - half] * 3
    assert engine.stats().failed == 0


def test_a_beginning_that_was_read_is_not_read_again() -> None:
    engine = paged()
    short = Params(max_tokens=3, ignore_end=True)
    (first,) = engine.submit(prompt(40), 1, short)
    tick(engine, 9)
    (again,) = engine.submit([*prompt(40), *prompt(10, 9)], 1, short)
    tick(engine, 9)

    assert (first.cached, again.cached) == (0, 32)
    assert engine.stats().prompt_tokens == 40 + 50 - 32
    assert engine.stats().reused_tokens == 32


def test_it_is_never_chosen_by_itself() -> None:
    assert open_engine(tiny.model()).stats().engine == "slot"
    assert open_engine(tiny.model("mistral-window")).stats().engine == "group"


def test_a_release_that_batches_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cachesaver.local.paged", None)
    monkeypatch.delitem(sys.modules, "cachesaver.local.batch_engine", raising=False)

    with pytest.raises(UnsupportedModelError, match=r"5\.24 is known to fit"):
        open_engine(tiny.model(), kind="cb")


def test_a_batch_that_answers_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cachesaver.local.choosing.batch_agrees", lambda *_, **__: False)

    with pytest.raises(UnsupportedModelError, match="cannot run LlamaForCausalLM"):
        open_engine(tiny.model(), kind="cb")
