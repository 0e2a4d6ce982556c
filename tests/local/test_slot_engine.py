"""The slot engine keeps the contract, and reads no prompt twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tiny
from cachesaver.local import EngineFailedError, Params, Sizes, Stream, open_engine
from engines import LONG, EngineContract, by_hand, generated, ids, model, prompt, tick

LIKELIEST = Params(temperature=0, max_tokens=12, ignore_end=True)


class TestLlama(EngineContract):
    kind = "slot"
    family = "llama"

    def assert_left(self, still: Any, waiting: Stream) -> None:
        """The next one joins at once."""
        assert (still.stats().running, still.stats().waiting) == (4, 0)
        assert waiting.read()


class TestExperts(TestLlama):
    family = "mixtral"


class TestLearnedPositions(TestLlama):
    family = "gpt2"


def llama(**settings: Any) -> Any:
    return by_hand(open_engine(model("llama"), kind="slot", sizes=Sizes(**settings)))


def test_a_long_prompt_is_read_in_pieces_between_the_steps_of_the_others() -> None:
    engine = llama(chunk=10)
    (running,) = engine.submit(prompt(9), 1, LONG)
    tick(engine, 2)
    before = engine.stats().steps
    (joining,) = engine.submit(prompt(95, 4), 1, LIKELIEST)

    tick(engine, 9)

    assert engine.stats().steps == before + 9
    assert len(running.read()) == 3 + 9
    assert engine.stats().running == 1
    tick(engine, 12)
    assert ids(joining) == generated("llama", prompt(95, 4), 12)


def test_equal_prompts_are_read_once_whoever_asks() -> None:
    engine = llama()
    for _ in range(3):
        engine.submit(prompt(), 2, LIKELIEST)

    tick(engine)

    assert engine.stats().prompt_tokens == 23
    assert engine.stats().running == 6


def test_a_prompt_read_before_is_not_read_again() -> None:
    engine = llama()
    first = engine.submit(prompt(), 1, LIKELIEST)[0]
    tick(engine, 15)

    again = engine.submit(prompt(), 1, LIKELIEST)[0]
    tick(engine, 15)

    assert ids(again) == ids(first)
    assert (first.cached, again.cached) == (0, 23)
    assert (engine.stats().prompt_tokens, engine.stats().reused_tokens) == (23, 23)


@pytest.mark.parametrize("kept", [0, 1000])
def test_a_beginning_read_before_changes_nothing_but_the_work(kept: int) -> None:
    """Given conversations that grow and fork, then answers are those of `generate`, kept or not."""
    engine = llama(kept=kept, chunk=8)
    talks = [prompt(30)[:20], prompt(30), prompt(30)[:12] + prompt(9, 5), prompt(30)[:5]]
    streams = []
    for talk in talks:
        streams += engine.submit(talk, 1, LIKELIEST)
        tick(engine, 20)

    assert [ids(each) for each in streams] == [generated("llama", talk, 12) for talk in talks]
    assert [each.cached for each in streams] == ([0, 20, 12, 4] if kept else [0] * 4)
    assert engine.stats().prompt_tokens == sum(map(len, talks)) - sum(
        each.cached for each in streams
    )


def test_more_samples_than_slots_wait_their_turn() -> None:
    engine = llama(rows=3)
    streams = engine.submit(prompt(), 8, Params(max_tokens=4, ignore_end=True))

    tick(engine)
    assert (engine.stats().running, engine.stats().waiting) == (3, 5)
    tick(engine, 12)

    assert [len(ids(each)) for each in streams] == [4] * 8
    assert engine.stats().prompt_tokens == 23


def test_the_first_to_come_are_the_first_to_go() -> None:
    """Given a stream of equal prompts that never ends, then another one still gets its turn."""
    engine = llama(rows=1)
    short = Params(max_tokens=2, ignore_end=True)
    engine.submit(prompt(), 2, short)
    (other,) = engine.submit(prompt(9), 1, short)

    for _ in range(8):
        tick(engine)
        engine.submit(prompt(), 1, short)

    assert other.finish == "length"


def test_a_sample_that_loses_its_place_goes_on_where_it_was() -> None:
    """Given room for one long answer, when four grow, then all become what they would have been."""
    wanted = Params(seed=3, max_tokens=100, ignore_end=True, frequency_penalty=0.2)
    roomy, tight = llama(), llama(cells=260, chunk=64)
    expected = roomy.submit(prompt(), 4, wanted)
    tick(roomy, 110)

    streams = tight.submit(prompt(), 4, wanted)
    tick(tight, 500)

    assert tight.stats().set_back > 0
    assert [ids(each) for each in streams] == [ids(each) for each in expected]
    assert max(each.cached for each in streams) <= 23


def test_the_youngest_loses_its_place_and_is_the_next_to_be_read() -> None:
    """Given three that grow, and two that were read together, then the third is before the last."""
    engine = llama(cells=150, rows=3, kept=0)
    wanted = Params(seed=3, max_tokens=100, ignore_end=True)
    streams = [engine.submit(prompt(15, at), 1, wanted)[0] for at in range(5)]

    while not engine.stats().set_back:
        tick(engine)

    assert [row.stream for row in engine.running] == streams[:2]
    assert [row.stream for prompt in engine.reading for row in prompt.rows] == [streams[3]]
    assert [row.stream for row in engine.queue] == [streams[2], streams[4]]


def test_no_more_cells_are_used_than_there_are() -> None:
    engine = llama(cells=260)
    engine.submit(prompt(), 9, Params(seed=3, max_tokens=100, ignore_end=True))

    for _ in range(300):
        tick(engine)
        assert engine.stats().cells_used <= 260


def test_a_sample_that_fits_alone_with_no_headroom_runs() -> None:
    engine = llama(cells=30)

    (stream,) = engine.submit(prompt(25), 1, Params(max_tokens=5, ignore_end=True))
    tick(engine, 8)

    assert len(ids(stream)) == 5


def test_a_first_token_that_ends_takes_no_slot() -> None:
    engine = llama()
    streams = engine.submit(prompt(), 3, Params(max_tokens=1))

    tick(engine)

    assert [len(ids(each)) for each in streams] == [1, 1, 1]
    assert engine.stats().steps == 0


def test_a_sample_without_numbers_leaves_none_to_the_next_in_its_slot() -> None:
    """Given a sample that a word's broken weights end, then the next one in its slot is whole."""
    broken = tiny.model("llama")
    with torch.no_grad():
        broken.get_input_embeddings().weight[7] = torch.nan
    engine = by_hand(open_engine(broken, kind="slot", sizes=Sizes(kept=0)))
    (first,) = engine.submit(prompt(20), 1, Params(logit_bias={7: 100.0}, max_tokens=5))
    tick(engine, 2)
    with pytest.raises(EngineFailedError):
        ids(first)

    (second,) = engine.submit(prompt(18, 2), 1, LIKELIEST)
    tick(engine, 15)

    assert ids(second) == generated("llama", prompt(18, 2), 12)
