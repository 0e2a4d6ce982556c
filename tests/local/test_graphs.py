"""Steps by graphs are the steps that they were recorded from, whatever the batch has become since."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import tiny
from cachesaver.local import EngineFailedError, GraphsChoice, Params, Sizes, Stream, open_engine
from cachesaver.local.attending import Layers
from cachesaver.local.decoder import Decoder
from cachesaver.local.graphs import Graphs, count_rows, open_graphs, rung
from cachesaver.local.prefill import Prefill
from cachesaver.local.static_slots import StaticSlots
from cachesaver.local.trial import why_not_graphs
from engines import LONG, EngineContract, by_hand, generated, ids, model, prompt, tick
from tape import TapeRecorder

LIKELIEST = Params(temperature=0, max_tokens=40, ignore_end=True)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> TapeRecorder:
    """Let every engine that is opened record with this."""
    made = TapeRecorder()
    monkeypatch.setattr("cachesaver.local.choosing.find_recorder", lambda _: made)
    return made


def engine(family: str = "llama", **settings: Any) -> Any:
    settings = {"cells": 4096, **settings}
    return by_hand(open_engine(model(family), kind="slot", graphs="auto", sizes=Sizes(**settings)))


# Sizes.


@given(st.integers(1, 1 << 20), st.sampled_from([1, 4, 64]), st.sampled_from([2, 4, 8]))
def test_a_rung_is_little_more(number: int, finest: int, parts: int) -> None:
    found = rung(number, finest=finest, parts=parts)

    assert number <= found < number + max(finest, number / parts)
    assert rung(found, finest=finest, parts=parts) == found


def test_rungs_are_few() -> None:
    rows = sorted({count_rows(number) for number in range(1, 129)})
    lengths = {rung(number, finest=64, parts=8) for number in range(1, 4097)}

    assert rows == [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]
    assert len(lengths) == 8 + 3 * 8


# The law.


@pytest.mark.usefixtures("recorder")
class TestGraphed(EngineContract):
    """An engine whose steps are graphs keeps the contract of all engines."""

    kind = "slot"
    family = "llama"

    def assert_left(self, still: Any, waiting: Stream) -> None:
        """The next one joins at once."""
        assert (still.stats().running, still.stats().waiting) == (4, 0)
        assert waiting.read()


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_each_family_says_what_generate_says(family: str, recorder: TapeRecorder) -> None:
    """Given texts that come one by one and outgrow a rung, then most steps are graphs, and none shows."""
    graphed = engine(family)
    texts = [prompt(5 + 11 * at, at) for at in range(5)]
    streams = []
    for text in texts:
        streams += graphed.submit(text, 1, LIKELIEST)
        tick(graphed, 3)
    tick(graphed, 50)

    assert [ids(each) for each in streams] == [generated(family, text, 40) for text in texts]
    stats = graphed.stats()
    assert stats.graphs >= 2
    assert stats.graph_steps > stats.steps / 2
    assert recorder.replays == stats.graph_steps + 3  # of its trial


def test_seeded_samples_are_those_without_graphs(recorder: TapeRecorder) -> None:
    """Given penalties, filters and seeds, then samples are those of an engine that records nothing."""
    wanted = [
        Params(seed=1, max_tokens=60, ignore_end=True, temperature=0.7, top_p=0.8),
        Params(seed=2, max_tokens=50, ignore_end=True, frequency_penalty=0.4, logprobs=3),
        Params(seed=3, max_tokens=70, ignore_end=True, top_k=9, repetition_penalty=1.2),
    ]
    graphed = engine()
    plain = by_hand(open_engine(model("llama"), graphs="off", sizes=Sizes(cells=4096)))
    drawn = []
    for each in (graphed, plain):
        streams = [
            stream
            for at, params in enumerate(wanted)
            for stream in each.submit(prompt(9 + at), 3, params)
        ]
        tick(each, 80)
        drawn.append([ids(stream) for stream in streams])

    assert drawn[0] == drawn[1]
    assert recorder.replays > 40
    assert plain.stats().graphs == plain.stats().graph_steps == 0


def test_alone_or_among_others_in_any_order_a_sample_is_the_same(recorder: TapeRecorder) -> None:
    wanted = Params(seed=7, max_tokens=30, ignore_end=True)
    alone = engine()
    (expected,) = alone.submit(prompt(), 1, wanted)
    tick(alone, 40)
    answer = ids(expected)

    for before in range(1, 5):
        crowd = engine()
        crowd.submit(prompt(60, 9), before, LONG)
        tick(crowd, before)
        (among,) = crowd.submit(prompt(), 1, wanted)
        tick(crowd, 2)
        crowd.submit(prompt(30, 4), 8 - before, LONG)
        tick(crowd, 40)
        assert ids(among) == answer
    assert recorder.replays > 100


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("seed", range(3))
def test_any_coming_and_going_gives_what_it_gives_without_graphs(seed: int) -> None:
    """Given little memory, and samples that come and are cancelled at any time, then all are the same."""
    dice = random.Random(seed)  # noqa: S311  # no secret
    sizes = Sizes(cells=[400, 700, 1500][seed], rows=[6, 3, 7][seed], chunk=dice.choice([8, 512]))
    asks = [
        (
            dice.randint(0, 15),
            prompt(dice.randint(3, 90), seed * 50 + at),
            dice.randint(1, 3),
            Params(seed=at, max_tokens=dice.randint(2, 50), temperature=at % 2, ignore_end=True),
        )
        for at in range(8)
    ]
    cancelled = dice.randint(5, 30)

    def drawn(graphs: GraphsChoice) -> tuple[list[list[int]], int]:
        made = by_hand(open_engine(model("llama"), sizes=sizes, graphs=graphs))
        streams = list[Stream]()
        for time in range(400):
            for begins, tokens, n, params in asks:
                if begins == time:
                    streams += made.submit(tokens, n, params)
            if time == cancelled:
                made.cancel(streams[-1:])
            tick(made)
        assert made.stats().failed == 0
        return [ids(stream) for stream in streams], made.stats().graph_steps

    (graphed, steps), (plain, none) = drawn("auto"), drawn("off")

    assert graphed == plain
    assert steps > 50
    assert none == 0


# What is not in use.


def test_what_is_hidden_or_nobodys_shows_nowhere(recorder: TapeRecorder) -> None:
    """Given slots that are not in use full of no numbers as far as any was written, and hidden cells of
    great ones, before each step, then samples are what they are without.
    """
    wanted = Params(seed=7, max_tokens=50, ignore_end=True)

    def answers(*, spoil: bool) -> list[list[int]]:
        spoiled = engine(rows=16)
        recorder.before = (lambda: poison(spoiled._slots)) if spoil else None
        streams = []
        for at in range(4):
            if spoil and at:
                poison(spoiled._slots)
            streams += spoiled.submit(prompt(5 + 20 * at, at), 1 + at % 2, wanted)
            tick(spoiled, 9)
        spoiled.cancel(streams[1:2])
        tick(spoiled, 60)
        return [ids(stream) for stream in streams]

    assert answers(spoil=True) == answers(spoil=False)


def poison(slots: StaticSlots) -> None:
    with torch.inference_mode():
        for layer in slots.layers:
            for each in (layer.own_keys, layer.own_values):
                each[len(slots.lengths) :, :, : slots.written] = torch.nan
                for row, length in enumerate(slots.lengths):
                    each[row, :, length + 1 :] = 1e9


# The step ahead.


def test_the_next_step_is_begun_before_a_token_is_handed_over(recorder: TapeRecorder) -> None:
    """Given an engine under way, when a token is handed over, then the next was asked for."""
    graphed = engine()
    (stream,) = graphed.submit(prompt(20), 1, LIKELIEST)
    tick(graphed, 4)
    seen = list[tuple[int, int]]()
    real = graphed.deliver

    def deliver(rows: Any, tokens: Any) -> Any:
        seen.append((graphed.stats().steps, recorder.tapes[-1].replays))
        return real(rows, tokens)

    graphed.deliver = deliver
    tick(graphed, 50)

    first = seen[0][1] - seen[0][0]
    assert [replays - steps for steps, replays in seen[:-1]] == [first] * (len(seen) - 1)
    assert seen[-1][1] - seen[-1][0] == first - 1  # nothing comes after the last
    assert ids(stream) == generated("llama", prompt(20), 40)


@pytest.mark.usefixtures("recorder")
def test_who_ends_by_a_stop_token_takes_a_step_in_vain_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given samples that end at any time, others that join, and one that is set back, then each says what
    it says alone.
    """
    monkeypatch.setattr("cachesaver.local.graphs._WARM", 1)
    graphed = engine(cells=700, rows=5)
    texts = [prompt(12 + 7 * at, at) for at in range(9)]
    wanted = [generated("llama", text, 40) for text in texts]
    streams = []
    for at, text in enumerate(texts):
        ends = frozenset({wanted[at][5 * at % 37]})
        params = Params(temperature=0, max_tokens=40, ignore_end=True, stop_ids=ends)
        streams += graphed.submit(text, 1 + at % 2, params)
        tick(graphed, 1 + 3 * (at % 3))
    tick(graphed, 300)

    owners = [at for at in range(9) for _ in range(1 + at % 2)]
    for at, stream in zip(owners, streams, strict=True):
        last = wanted[at].index(wanted[at][5 * at % 37])
        assert ids(stream) == wanted[at][: last + 1]
    assert graphed.stats().running == graphed.stats().failed == 0


def test_where_a_token_must_be_looked_at_nothing_is_begun_ahead(recorder: TapeRecorder) -> None:
    """Given reports, or penalties, or a filter, then no step is begun before that."""
    for params in (
        Params(temperature=0, max_tokens=20, ignore_end=True, logprobs=1),
        Params(temperature=1, seed=1, max_tokens=20, ignore_end=True, top_p=0.9),
        Params(temperature=0, max_tokens=20, ignore_end=True, frequency_penalty=0.5),
    ):
        graphed = engine()
        graphed.submit(prompt(20), 1, params)
        tick(graphed, 10)
        stats = graphed.stats()
        assert stats.graph_steps == stats.steps - 2 > 5
    assert recorder.replays > 15


def test_a_step_that_nobody_is_left_for_is_no_step(recorder: TapeRecorder) -> None:
    """Given samples that end by a stop token while a step is begun, when others come, then it is gone."""
    graphed = engine()
    wanted = generated("llama", prompt(20), 12)
    ends = frozenset({wanted[9]})
    last = wanted.index(wanted[9])
    params = Params(temperature=0, max_tokens=40, ignore_end=True, stop_ids=ends)
    for count in range(1, 4):
        (stream,) = graphed.submit(prompt(20), 1, params)
        tick(graphed, last)
        assert ids(stream) == wanted[: last + 1]
        assert graphed.stats().steps == count * last
    assert recorder.replays > last


@pytest.mark.usefixtures("recorder")
def test_nobody_is_set_back_for_a_step_that_was_begun() -> None:
    """Given memory for just what all four samples come to, then each keeps its place to the end."""
    graphed = engine(cells=4 * 62, rows=4)
    wanted = Params(temperature=0, max_tokens=43, ignore_end=True)
    streams = graphed.submit(prompt(20), 4, wanted)

    tick(graphed, 60)

    assert [ids(each) for each in streams] == [generated("llama", prompt(20), 43)] * 4
    assert graphed.stats().set_back == 0


@pytest.mark.usefixtures("recorder")
def test_a_token_that_was_drawn_is_handed_over_though_the_next_step_fails() -> None:
    """Given two samples, of which one has just its last token on its way, then only the other one fails."""
    graphed = engine()
    (long,) = graphed.submit(prompt(20), 1, LIKELIEST)
    (short,) = graphed.submit(
        prompt(20, 5), 1, Params(temperature=0, max_tokens=10, ignore_end=True)
    )
    while len(graphed.running) < 2 or len(graphed.running[1].answer) < 9:
        tick(graphed)
    assert graphed._ahead is not None

    graphed._graphs.step = lambda _: 1 / 0
    tick(graphed)

    assert ids(short) == generated("llama", prompt(20, 5), 10)
    with pytest.raises(EngineFailedError, match="ZeroDivisionError"):
        ids(long)
    assert (graphed.stats().finished, graphed.stats().failed) == (1, 1)
    assert graphed._ahead is None


# How many, and of what.


def test_one_graph_for_each_size_after_two_steps_without(recorder: TapeRecorder) -> None:
    graphed = engine()
    trial = len(recorder.tapes), recorder.warmed
    graphed.submit(prompt(20), 3, LONG)
    tick(graphed, 40)

    assert graphed.stats().graphs == len(recorder.tapes) - trial[0] == 1
    assert recorder.warmed - trial[1] == 2
    assert graphed.stats().graph_steps == recorder.tapes[-1].replays == 39  # and one ahead

    graphed.submit(prompt(20, 2), 1, LONG)  # four rows: the same rung
    tick(graphed, 3)
    assert graphed.stats().graphs == 1
    tick(graphed, 10)  # the longest is longer than 64
    assert graphed.stats().graphs == 2


def test_nothing_that_a_graph_reads_is_ever_moved(recorder: TapeRecorder) -> None:
    """Given a text that outgrows its slot, so that slots are laid out anew, then memory is where it was."""
    graphed = engine(cells=1024, rows=8)
    recorder.where = lambda: graphed._graphs.tensors
    streams = graphed.submit(prompt(100), 2, LIKELIEST)

    tick(graphed, 50)

    assert [ids(each) for each in streams] == [generated("llama", prompt(100), 40)] * 2
    assert {size.slot for size in graphed._graphs._held} == {128, 256}


def test_a_layout_that_comes_back_finds_its_graphs(recorder: TapeRecorder) -> None:
    graphed = engine(cells=1024, rows=8)
    for length in (20, 200, 20):
        (stream,) = graphed.submit(prompt(length), 1, LIKELIEST)
        tick(graphed, 50)
        assert ids(stream) == generated("llama", prompt(length), 40)

    assert [tape.replays for tape in recorder.tapes[-2:]] == [2 * 39 - 2, 39 - 2]


def test_rows_for_all_of_the_memory(recorder: TapeRecorder) -> None:
    """Given memory for five of six samples, whose number is on no rung, then none is written beside it."""
    graphed = engine(cells=5 * 64 + 7, rows=6)
    streams = graphed.submit(prompt(), 6, LIKELIEST)

    tick(graphed, 120)

    assert [ids(each) for each in streams] == [generated("llama", prompt(), 40)] * 6
    assert recorder.replays > 20


def test_in_passing_a_larger_graph_does(recorder: TapeRecorder) -> None:
    """Given a graph of eight rows, then fewer rows take it, until they have stayed for a while."""
    graphed = engine(cells=4096, rows=16)
    many = graphed.submit(prompt(20), 7, Params(temperature=0, max_tokens=20, ignore_end=True))
    (longer,) = graphed.submit(prompt(20), 1, LIKELIEST)
    tick(graphed, 19)
    assert (graphed.stats().running, graphed.stats().graphs) == (1, 1)
    warmed = recorder.warmed

    tick(graphed, 8)  # one row, by the graph of eight
    assert (recorder.warmed, graphed.stats().graphs) == (warmed, 1)
    tick(graphed, 3)
    assert (recorder.warmed, graphed.stats().graphs) == (warmed + 2, 2)

    tick(graphed, 20)
    wanted = generated("llama", prompt(20), 40)
    assert [ids(each) for each in many] == [wanted[:20]] * 7
    assert ids(longer) == wanted


def test_a_much_larger_graph_does_not(
    recorder: TapeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachesaver.local.graphs._LARGER", 4)
    graphed = engine(cells=4096, rows=16)
    graphed.submit(prompt(20), 7, Params(temperature=0, max_tokens=20, ignore_end=True))
    graphed.submit(prompt(20), 1, LIKELIEST)
    tick(graphed, 19)
    warmed = recorder.warmed

    tick(graphed, 2)

    assert recorder.warmed == warmed + 2


@dataclass
class Room:
    """Graphs of a model, for one row of a few cells after another."""

    recorder: TapeRecorder
    graphs: Graphs
    slots: StaticSlots

    def draw(self, length: int) -> None:
        """Take steps of a text of *length* until there is a graph for it."""
        prefill = Prefill(tuple(prompt(length)))
        prefill.advance(self.graphs._decoder, length)
        self.slots.seat(prefill.states, 1)
        for _ in range(3):
            self.graphs.step([5])
        self.slots.remove([0])

    @property
    def visible(self) -> list[int]:
        return [size.visible for size in self.graphs._held]


@pytest.fixture
def room(recorder: TapeRecorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("cachesaver.local.graphs._PASSING", 0)
    decoder = by_hand(open_engine(model("llama"))).decoder
    with torch.inference_mode():
        slots, graphs = open_graphs(
            decoder, recorder, rows=1, cells=512, counts=Counter[str](), room=1000
        )
        yield Room(recorder, graphs, slots)


def test_of_too_many_graphs_those_used_last_are_held(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cachesaver.local.graphs._MOST", 2)

    for length in (10, 100, 10, 150):
        room.draw(length)

    assert room.visible == [64, 192]
    warmed = room.recorder.warmed
    room.draw(100)
    assert room.recorder.warmed == warmed + 2
    assert room.visible == [192, 128]


def test_graphs_take_no_more_memory_than_they_may(room: Room) -> None:
    room.recorder.nbytes = 400
    for length in (10, 100, 150):
        room.draw(length)
    assert room.visible == [128, 192]

    room.recorder.nbytes = 5000
    room.draw(10)

    assert room.visible == [64]


# Where no layer reads more than each row's own text.


@pytest.fixture
def own(recorder: TapeRecorder, monkeypatch: pytest.MonkeyPatch) -> TapeRecorder:
    """Let every model say that its layers read no more than that, as with our kernel on CUDA."""

    @contextmanager
    def saying(*_: Any) -> Generator[Layers]:
        layers = Layers()
        layers.own = 2
        yield layers

    monkeypatch.setattr("cachesaver.local.graphs.attending", saying)
    return recorder


def test_the_whole_batch_is_recorded_before_there_is_one(own: TapeRecorder) -> None:
    """Given an engine that was opened, then the first step is a graph's, for any text."""
    graphed = engine(rows=8)
    assert graphed.stats().graphs == 1
    warmed = own.warmed

    streams = graphed.submit(prompt(90), 2, LIKELIEST)
    streams += graphed.submit(prompt(7), 1, LIKELIEST)
    tick(graphed, 50)

    assert [ids(each) for each in streams[:2]] == [generated("llama", prompt(90), 40)] * 2
    assert ids(streams[2]) == generated("llama", prompt(7), 40)
    stats = graphed.stats()
    assert (own.warmed, stats.graphs) == (warmed, 1)
    assert stats.graph_steps == stats.steps > 38


def test_a_size_that_stays_gets_its_own_in_the_end(own: TapeRecorder) -> None:
    graphed = engine(rows=8)
    (stream,) = graphed.submit(prompt(20), 1, Params(temperature=0, max_tokens=90, ignore_end=True))
    tick(graphed, 64)
    assert graphed.stats().graphs == 1

    tick(graphed, 30)

    assert [(size.rows, size.visible) for size in graphed._graphs._held] == [(8, 512), (1, 512)]
    assert graphed.stats().graph_steps == graphed.stats().steps - 2
    assert ids(stream) == generated("llama", prompt(20), 90)


def test_no_memory_for_the_whole_batch_is_said_and_stops_nothing(
    own: TapeRecorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Graphs._work

    def work(self: Graphs, size: Any) -> None:
        if size.rows == 8 and not self._slots.lengths:
            raise torch.OutOfMemoryError("no room")
        real(self, size)

    monkeypatch.setattr(Graphs, "_work", work)

    with caplog.at_level(logging.WARNING):
        graphed = engine(rows=8)
        (stream,) = graphed.submit(prompt(20), 1, LIKELIEST)
        tick(graphed, 50)

    assert ids(stream) == generated("llama", prompt(20), 40)
    assert [each.getMessage() for each in caplog.records] == [
        "steps are no graphs from now on: a step of the whole batch raised OutOfMemoryError: no room"
    ]
    assert own.warmed > 0


@pytest.mark.usefixtures("own")
def test_less_memory_than_samples_is_enough() -> None:
    """Given memory for fewer tokens than there may be samples, then there are as many slots as tokens."""
    graphed = engine(cells=20, rows=64)

    (stream,) = graphed.submit(prompt(8), 1, Params(temperature=0, max_tokens=5, ignore_end=True))
    tick(graphed, 10)

    assert ids(stream) == generated("llama", prompt(8), 5)


def test_what_cannot_be_recorded_is_not_tried_before_there_is_a_batch(
    own: TapeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model whose first step after its trial waits for the device, then nothing is recorded."""
    trial = engine(rows=8)
    decoder = trial.decoder
    _, graphs = open_graphs(decoder, own, rows=8, cells=512, counts=Counter[str]())
    tapes = len(own.tapes)
    real = decoder.model

    def waits(**named: Any) -> Any:
        named["input_ids"].nonzero()
        return real(**named)

    monkeypatch.setattr(decoder, "model", waits)

    with torch.inference_mode():
        graphs.prepare()

    assert (graphs.reason or "").startswith("a step cannot be recorded: aten::")
    assert len(own.tapes) == tapes
    assert not graphs._held


def test_a_trial_has_a_graph_done_again(own: TapeRecorder) -> None:
    """Given a model that reads its tokens behind torch's back, then a recording of them is found out."""
    decoder = Decoder(tiny.model())
    real = decoder.model

    def sly(**given: Any) -> Any:
        given["input_ids"] = torch.from_numpy(given["input_ids"].numpy().copy())
        return real(**given)

    decoder.model = sly

    with torch.inference_mode():
        reason = why_not_graphs(decoder, own)

    assert "other logits" in (reason or "")
    assert own.replays > 1


def test_where_a_layer_reads_all_nothing_is_recorded_before(recorder: TapeRecorder) -> None:
    assert engine(rows=8).stats().graphs == 0
    assert recorder.replays == 3  # of its trial


# What cannot be recorded.


def test_a_recording_that_fails_is_said_once_and_stops_nothing(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    graphed = engine()
    streams = graphed.submit(prompt(), 2, LIKELIEST)
    tick(graphed, 15)
    recorder.failing = torch.OutOfMemoryError("no memory for a graph")

    with caplog.at_level(logging.WARNING):
        streams += graphed.submit(prompt(30), 3, LIKELIEST)
        tick(graphed, 60)

    assert [ids(each) for each in streams[:2]] == [generated("llama", prompt(), 40)] * 2
    assert [ids(each) for each in streams[2:]] == [generated("llama", prompt(30), 40)] * 3
    assert [each.getMessage() for each in caplog.records] == [
        "steps are no graphs from now on: recording a step raised OutOfMemoryError: no memory for a graph"
    ]
    assert not graphed._graphs._held
    assert graphed.stats().failed == 0


def test_a_model_that_raises_ends_its_samples_and_graphs_go_on(recorder: TapeRecorder) -> None:
    graphed = engine()
    (broken,) = graphed.submit(prompt(), 1, LIKELIEST)
    real = graphed.decoder.model
    graphed.decoder.model = lambda **named: (
        real(**named) if named["input_ids"].shape[1] > 1 else 1 / 0
    )
    tick(graphed, 2)
    graphed.decoder.model = real

    assert broken.has_ended
    (whole,) = graphed.submit(prompt(), 1, LIKELIEST)
    tick(graphed, 50)
    assert ids(whole) == generated("llama", prompt(), 40)
    assert graphed.stats().graph_steps > 30


def test_recording_is_for_the_engines_own_thread(recorder: TapeRecorder) -> None:
    graphed = open_engine(model("llama"), kind="slot", graphs="auto", sizes=Sizes(cells=4096))
    recorder.threads.clear()

    ids(graphed.submit(prompt(), 1, LIKELIEST)[0])
    (thread,) = recorder.threads
    graphed.close()

    assert thread not in (0, threading.get_ident())
    assert graphed.stats().graphs > 0


def test_logits_are_those_of_the_model(recorder: TapeRecorder, room: Room) -> None:
    """Given a model that gives more logits than it has words, then each of ours is its own."""
    decoder = room.graphs._decoder
    texts = [tuple(prompt(9 + at, at)) for at in range(3)]
    slots, graphs = open_graphs(decoder, recorder, rows=3, cells=512, counts=Counter[str]())
    for text in texts:
        prefill = Prefill(text)
        prefill.advance(decoder, len(text))
        slots.seat(prefill.states, 1)

    for token in range(40, 45):
        found = graphs.step([token] * 3)
        texts = [(*text, token) for text in texts]

        wanted = torch.cat([at_once(decoder, text) for text in texts])
        assert found.shape == (3, tiny.VOCABULARY)
        assert torch.allclose(found, wanted, atol=1e-3)
    assert recorder.tapes[-1].replays == 3


def at_once(decoder: Any, text: tuple[int, ...]) -> Tensor:
    prefill = Prefill(text)
    prefill.advance(decoder, len(text))
    assert prefill.logits is not None
    return prefill.logits
