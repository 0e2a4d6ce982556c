"""What every engine of cachesaver.local must do, as tests to inherit, and how to drive one by hand."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import tiny
from cachesaver.local import (
    Engine,
    EngineClosedError,
    EngineFailedError,
    EngineFullError,
    ParameterError,
    Params,
    PromptTooLongError,
    Sizes,
    Stream,
    open_engine,
)

LONG = Params(max_tokens=200, ignore_end=True, seed=1)


__all__ = ["LONG", "EngineContract", "by_hand", "generated", "ids", "model", "prompt", "tick"]


@functools.cache
def model(family: str) -> Any:
    return tiny.model(family)


def prompt(length: int = 23, seed: int = 1) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    tokens: list[int] = torch.randint(3, tiny.VOCABULARY, (length,), generator=generator).tolist()
    return tokens


def generated(family: str, tokens: list[int], count: int) -> list[int]:
    """Return what transformers' own `generate` says, taking the likeliest token each time."""
    given = torch.tensor([tokens])
    answer = model(family).generate(
        given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    said: list[int] = answer[0, len(tokens) :].tolist()
    return said


class _NoThread:
    ident = 0

    def join(self) -> None:
        """Nothing runs."""


def by_hand(engine: Any) -> Any:
    """Return *engine*, which takes turns by `tick` from now on; nothing was submitted yet."""
    engine._thread = _NoThread()
    return engine


def tick(engine: Any, times: int = 1) -> None:
    """Let *engine* take a turn."""
    with torch.inference_mode():
        for _ in range(times):
            engine.tick()


def ids(stream: Stream) -> list[int]:
    """Return the token ids of *stream*, to its end."""
    return [token.id for token in stream]


class EngineContract:
    """Proves an engine, given a model that it runs."""

    kind = ""
    family = ""

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        made = open_engine(model(self.family), kind=self.kind, sizes=Sizes(chunk=7))  # type: ignore[arg-type]
        yield made
        made.close()

    @pytest.fixture
    def still(self) -> Any:
        """Return an engine that waits to be told to take a turn."""
        return by_hand(open_engine(model(self.family), kind=self.kind, sizes=Sizes(rows=4)))  # type: ignore[arg-type]

    def test_a_seeded_sample_is_the_same_alone_and_among_fifteen(self, engine: Engine) -> None:
        wanted = Params(temperature=0.9, seed=42, max_tokens=20, ignore_end=True)
        alone = ids(engine.submit(prompt(), 1, wanted)[0])

        others = Params(max_tokens=25, ignore_end=True)
        crowd = [engine.submit(prompt(9 + at, at), 1, others)[0] for at in range(15)]
        among = ids(engine.submit(prompt(), 1, wanted)[0])

        assert among == alone
        assert [len(ids(each)) for each in crowd] == [25] * 15
        assert len(set(alone)) > 5

    def test_the_order_of_arrival_changes_nothing(self, engine: Engine) -> None:
        asks = [(prompt(5 + at, at), Params(seed=at, max_tokens=9, top_p=0.9)) for at in range(8)]

        def answers(order: list[int]) -> dict[int, list[int]]:
            streams = {at: engine.submit(asks[at][0], 1, asks[at][1])[0] for at in order}
            return {at: ids(stream) for at, stream in streams.items()}

        order = list(range(8))
        first = answers(order)
        random.Random(3).shuffle(order)  # noqa: S311  # no secret

        assert answers(order) == first

    def test_n_samples_are_n_requests_with_offsets(self, engine: Engine) -> None:
        wanted = Params(seed=6, max_tokens=12, presence_penalty=0.5, top_k=50)

        together = [ids(each) for each in engine.submit(prompt(), 4, wanted)]
        apart = [engine.submit(prompt(), 1, wanted, first_index=at)[0] for at in (3, 1, 0, 2)]
        answers = {each.index: ids(each) for each in apart}

        assert together == [answers[at] for at in range(4)]
        assert len(set(map(tuple, together))) == 4

    def test_later_samples_are_those_that_more_at_once_would_have_been(
        self, engine: Engine
    ) -> None:
        wanted = Params(seed=6, max_tokens=8)

        eight = [ids(each) for each in engine.submit(prompt(), 8, wanted)]
        four = [ids(each) for each in engine.submit(prompt(), 4, wanted, first_index=4)]

        assert four == eight[4:]

    def test_without_a_seed_one_is_drawn_that_replays_the_sample(self, engine: Engine) -> None:
        first, other = engine.submit(prompt(), 2, Params(max_tokens=12))
        (third,) = engine.submit(prompt(), 1, Params(max_tokens=12))

        again = engine.submit(prompt(), 1, Params(max_tokens=12, seed=other.seed), first_index=1)[0]

        assert first.seed == other.seed != third.seed
        assert ids(again) == ids(other)

    def test_an_end_token_ends_and_is_handed_over(self, engine: Engine) -> None:
        likeliest = ids(
            engine.submit(prompt(), 1, Params(temperature=0, max_tokens=6, ignore_end=True))[0]
        )
        stop = Params(
            temperature=0, max_tokens=6, ignore_end=True, stop_ids=frozenset({likeliest[3]})
        )

        (stream,) = engine.submit(prompt(), 1, stop)

        assert ids(stream) == likeliest[: likeliest.index(likeliest[3]) + 1]
        assert stream.finish == "stop"

    def test_the_models_own_end_token_ends_unless_it_is_ignored(self, engine: Engine) -> None:
        bias = {2: 100.0}  # eos_token_id

        (ended,) = engine.submit(prompt(), 1, Params(logit_bias=bias, max_tokens=3))
        (ignored,) = engine.submit(
            prompt(), 1, Params(logit_bias=bias, max_tokens=3, ignore_end=True)
        )

        assert (ids(ended), ended.finish) == ([2], "stop")
        assert (ids(ignored), ignored.finish) == ([2, 2, 2], "length")

    def test_an_answer_without_a_limit_ends_where_the_context_does(self) -> None:
        engine = open_engine(model(self.family), kind=self.kind, sizes=Sizes(context=30))  # type: ignore[arg-type]

        (stream,) = engine.submit(prompt(23), 1, Params(ignore_end=True))

        assert len(ids(stream)) == 7
        assert stream.finish == "length"
        engine.close()

    def test_a_prompt_too_long_is_refused_and_the_engine_lives_on(self) -> None:
        engine = open_engine(model(self.family), kind=self.kind, sizes=Sizes(context=30))  # type: ignore[arg-type]

        for tokens, answer in ((30, None), (31, None), (23, 8), (500, 1)):
            with pytest.raises(PromptTooLongError) as raised:
                engine.submit(prompt(tokens), 1, Params(max_tokens=answer))
            assert raised.value.room == 30

        assert len(ids(engine.submit(prompt(23), 1, Params(max_tokens=7, ignore_end=True))[0])) == 7
        engine.close()

    @pytest.mark.parametrize(
        ("name", "ask"),
        [
            ("token_ids", {"token_ids": []}),
            ("token_ids", {"token_ids": [tiny.VOCABULARY]}),
            ("token_ids", {"token_ids": [-1]}),
            ("token_ids", {"token_ids": ["a"]}),
            ("token_ids", {"token_ids": [True]}),
            ("n", {"n": 0}),
            ("n", {"n": 1.0}),
            ("first_index", {"first_index": -1}),
            ("logit_bias", {"params": Params(logit_bias={tiny.VOCABULARY: 1})}),
        ],
    )
    def test_what_is_out_of_bounds_is_refused(
        self, engine: Engine, name: str, ask: dict[str, Any]
    ) -> None:
        whole: dict[str, Any] = {"token_ids": [5], "n": 1, "params": LONG, **ask}
        with pytest.raises(ParameterError, match=name) as raised:
            engine.submit(**whole)

        assert raised.value.parameter == name

    def test_a_cancelled_sample_is_out_within_a_step(self, still: Any) -> None:
        """Given a full batch, and one that waits, when one is cancelled, then its place is free."""
        streams = still.submit(prompt(), 4, LONG)
        tick(still, 3)
        (waiting,) = still.submit(prompt(), 1, LONG)
        tick(still)
        assert (still.stats().running, still.stats().waiting) == (4, 1)

        still.cancel(streams[1:2])
        tick(still)

        assert streams[1].finish == "cancelled"
        assert still.stats().cancelled == 1
        self.assert_left(still, waiting)

    def assert_left(self, still: Any, waiting: Stream) -> None:
        """Assert that a place is free, or taken by the next."""
        raise NotImplementedError

    def test_cancelling_one_changes_nothing_for_the_others(self, still: Any) -> None:
        wanted = Params(seed=6, max_tokens=15, ignore_end=True)
        streams = still.submit(prompt(), 4, wanted)
        tick(still, 5)
        still.cancel(streams[:1])
        tick(still, 5)
        still.cancel(streams[2:3])
        tick(still, 10)

        left = [ids(streams[1]), ids(streams[3])]
        again = still.submit(prompt(), 4, wanted)
        tick(still, 25)

        assert left == [ids(again[1]), ids(again[3])]
        assert len(ids(streams[0])) < len(ids(streams[2])) < 15

    def test_waiting_and_being_read_can_be_cancelled_too(self, still: Any) -> None:
        streams = still.submit(prompt(200), 2, LONG) + still.submit(prompt(9), 1, LONG)

        still.cancel(streams)
        tick(still)

        assert [each.finish for each in streams] == ["cancelled"] * 3
        assert still.stats().prompt_tokens == 0

    def test_those_left_over_of_a_prompt_can_be_cancelled(self, still: Any) -> None:
        """Given more samples than places, when those without one are cancelled, then they end at once."""
        streams = still.submit(prompt(), 6, LONG)
        tick(still)

        still.cancel(streams[4:])
        tick(still)

        assert [each.finish for each in streams] == [None] * 4 + ["cancelled"] * 2
        assert (still.stats().running, still.stats().waiting) == (4, 0)

    def test_a_model_that_raises_ends_its_samples_and_the_engine_lives_on(
        self, still: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = Params(max_tokens=5, seed=1, ignore_end=True)
        broken = still.submit(prompt(), 2, wanted)
        tick(still)
        with monkeypatch.context() as patch:
            patch.setattr(still.decoder, "model", broken_model)
            tick(still)

        for stream in broken:
            with pytest.raises(EngineFailedError, match="ZeroDivisionError") as raised:
                ids(stream)
            assert isinstance(raised.value.__cause__, ZeroDivisionError)
        (whole,) = still.submit(prompt(), 1, wanted)
        tick(still, 9)
        assert len(ids(whole)) == 5
        assert (still.stats().failed, still.stats().finished, still.stats().cancelled) == (2, 1, 0)
        assert (still.stats().running, still.stats().waiting) == (0, 0)

    def test_a_prompt_that_breaks_the_model_leaves_those_that_run(
        self, still: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = open_engine(model(self.family), kind=self.kind)  # type: ignore[arg-type]
        (expected,) = whole.submit(prompt(), 1, Params(max_tokens=9, seed=1, ignore_end=True))
        running = still.submit(prompt(), 1, Params(max_tokens=9, seed=1, ignore_end=True))[0]
        tick(still, 2)
        (broken,) = still.submit(prompt(40, 8), 1, LONG)
        real = still.decoder.model

        def picky(**given: Any) -> Any:
            return 1 / 0 if given["input_ids"].shape[1] > 1 else real(**given)

        with monkeypatch.context() as patch:
            patch.setattr(still.decoder, "model", picky)
            tick(still, 12)

        with pytest.raises(EngineFailedError):
            ids(broken)
        assert ids(running) == ids(expected)
        whole.close()

    def test_a_guide_chooses_and_ends(self, engine: Engine) -> None:
        streams = engine.submit(prompt(), 2, LONG, guide=Countdown)

        assert [ids(each) for each in streams] == [[100, 101, 102], [110, 111, 112]]
        assert [each.finish for each in streams] == ["stop", "stop"]

    def test_a_guide_that_raises_ends_its_sample_alone(self, engine: Engine) -> None:
        limited = Params(max_tokens=6, seed=3, ignore_end=True)
        (expected,) = engine.submit(prompt(), 1, limited, first_index=2)

        streams = engine.submit(prompt(), 3, limited, guide=Broken)

        for stream in streams[:2]:
            with pytest.raises(EngineFailedError, match="KeyError"):
                ids(stream)
        assert ids(streams[2]) == ids(expected)

    def test_closing_ends_what_runs_and_refuses_what_comes(self, engine: Engine) -> None:
        streams = engine.submit(prompt(), 3, LONG)
        streams[0].read()

        engine.close()
        engine.close()

        for stream in streams:
            with pytest.raises(EngineClosedError, match="before the answer ended"):
                ids(stream)
        with pytest.raises(EngineClosedError, match="was closed"):
            engine.submit(prompt(), 1, LONG)

    def test_an_engine_that_did_nothing_can_be_closed(self, engine: Engine) -> None:
        engine.close()

    def test_the_counts_add_up(self, still: Any) -> None:
        streams = still.submit(prompt(), 3, Params(max_tokens=4, ignore_end=True))
        before = still.stats()
        tick(still, 6)
        after = still.stats()

        assert (before.waiting, before.running, before.answer_tokens) == (3, 0, 0)
        assert [len(ids(each)) for each in streams] == [4, 4, 4]
        assert (after.engine, after.finished, after.answer_tokens) == (self.kind, 3, 12)
        assert (after.prompt_tokens, after.steps) == (23, 3)
        assert (after.waiting, after.running, after.cells_used) == (0, 0, 0)
        assert (still.context, still.vocabulary) == (512, tiny.VOCABULARY)

    def test_so_many_may_wait_and_no_more(self) -> None:
        """Given two places and room for three to wait, then the fourth in the queue is refused."""
        sizes = Sizes(rows=2, waiting=3)
        full = by_hand(open_engine(model(self.family), kind=self.kind, sizes=sizes))  # type: ignore[arg-type]
        short = Params(max_tokens=3, ignore_end=True)
        full.submit(prompt(), 4, short)
        tick(full)
        full.submit(prompt(9), 3, short)

        with pytest.raises(EngineFullError, match="--max-waiting") as raised:
            full.submit(prompt(), 1, short)
        assert (raised.value.waiting, raised.value.most) == (7, 5)
        (one,) = full.submit(prompt(5), 1, short, more=True)

        tick(full)
        with pytest.raises(EngineFullError):
            full.submit(prompt(), 1, short)
        tick(full, 30)
        assert len(ids(one)) == 3
        assert full.stats().finished == 8
        assert len(full.submit(prompt(), 9, short)) == 9

    def test_who_leaves_makes_room_for_another(self) -> None:
        sizes = Sizes(rows=1, waiting=0)
        full = by_hand(open_engine(model(self.family), kind=self.kind, sizes=sizes))  # type: ignore[arg-type]
        streams = full.submit(prompt(), 2, LONG)
        tick(full)
        with pytest.raises(EngineFullError):
            full.submit(prompt(), 1, LONG)

        full.cancel(streams)
        tick(full)

        assert full.stats().waiting == full.stats().running == 0
        assert full.submit(prompt(), 1, LONG)

    def test_many_at_once_are_as_the_model_says(self, engine: Engine) -> None:
        prompts = [prompt(5 + 3 * at, at) for at in range(6)]
        likeliest = Params(temperature=0, max_tokens=12, ignore_end=True)

        streams = [engine.submit(each, 2, likeliest) for each in prompts]

        for tokens, pair in zip(prompts, streams, strict=True):
            assert [ids(each) for each in pair] == [generated(self.family, tokens, 12)] * 2


def broken_model(**_: Any) -> float:
    return 1 / 0


class Countdown:
    """Says three tokens that follow each other, from where its index says."""

    def __init__(self, index: int) -> None:
        self.next = 100 + 10 * index
        self.last = self.next + 2

    def allowed(self) -> torch.Tensor | None:
        mask = torch.zeros(tiny.VOCABULARY, dtype=torch.bool)
        mask[self.next] = True
        return mask

    def accept(self, token: int) -> bool:
        self.next = token + 1
        return token == self.last


class Broken:
    """Raises when asked (index 0), when told (1), or not at all."""

    def __init__(self, index: int) -> None:
        self.index = index

    def allowed(self) -> torch.Tensor | None:
        if self.index == 0:
            raise KeyError("grammar")
        return None

    def accept(self, token: int) -> bool:
        if self.index == 1:
            raise KeyError("grammar")
        return False
