"""A model gets the engine that can run it, or the one that was asked for, or a reason."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

import tiny
from cachesaver.local import Sizes, UnsupportedModelError, open_engine
from cachesaver.local.choosing import affordable_cells, graph_room, why_not_slots
from cachesaver.local.decoder import Decoder
from tape import TapeRecorder


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_each_family_gets_its_engine(family: str) -> None:
    engine = open_engine(tiny.model(family))

    assert engine.stats().engine == ("slot" if family in tiny.SLOT_FAMILIES else "group")


def test_a_group_can_be_asked_for() -> None:
    assert open_engine(tiny.model(), kind="group").stats().engine == "group"


@pytest.mark.parametrize(
    ("family", "reason"),
    [("mistral-window", r"\(DynamicSlidingWindowLayer\)"), ("bloom", "takes no position_ids")],
)
def test_slots_asked_for_in_vain_say_why(family: str, reason: str) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        open_engine(tiny.model(family), kind="slot")


def test_an_attention_without_masks_per_row_gets_a_group() -> None:
    model = tiny.model()
    model.config._attn_implementation = "flash_attention_2"

    assert "attn_implementation='sdpa'" in (why_not_slots(Decoder(model)) or "")


def test_a_model_that_answers_otherwise_in_slots_gets_a_group(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cachesaver.local.choosing.slots_agree", lambda *_, **__: False)

    assert open_engine(tiny.model()).stats().engine == "group"
    with pytest.raises(UnsupportedModelError, match="other logits than read at once"):
        open_engine(tiny.model(), kind="slot")


def test_a_model_that_no_engine_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(decoder: Decoder) -> bool:
        raise AttributeError("no such cache")

    monkeypatch.setattr("cachesaver.local.choosing.group_agrees", broken)

    with pytest.raises(UnsupportedModelError, match=r"LlamaForCausalLM.* raise AttributeError"):
        open_engine(tiny.model(), kind="group")


def test_layers_that_transformers_cannot_cache_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strange:
        def __init__(self, **_: Any) -> None:
            raise KeyError("dream_attention")

    monkeypatch.setattr("cachesaver.local.choosing.DynamicCache", Strange)

    with pytest.raises(UnsupportedModelError, match="dream_attention"):
        open_engine(tiny.model())


def test_sizes_are_what_was_asked_for() -> None:
    engine = open_engine(tiny.model(), sizes=Sizes(cells=100))

    assert (engine.context, engine.stats().cells) == (100, 100)


@pytest.mark.parametrize(("free", "cells"), [(10_000_000, 6_000), (2_000_000, 800), (1_000, 1)])
def test_a_gpu_has_cells_for_most_of_its_free_memory(
    free: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a token of 1,000 bytes and texts of 512, six tenths are used, or four if texts are long."""
    decoder = Decoder(tiny.model())
    decoder.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10 * free))
    monkeypatch.setattr("cachesaver.local.choosing.count_bytes", lambda _: 1_000)

    assert affordable_cells(decoder) == cells


def test_what_graphs_may_take_is_promised_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a GPU, when steps are graphs, then a sixteenth of its memory is kept for them, or 2 GiB."""
    decoder = Decoder(tiny.model())
    decoder.device = torch.device("cuda")
    free = 16_000_000
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10 * free))
    monkeypatch.setattr("cachesaver.local.choosing.count_bytes", lambda _: 1_000)

    room = graph_room(decoder)

    assert room == 1_000_000
    assert affordable_cells(decoder, less=room) == 9_000
    free = 1 << 40
    assert graph_room(decoder) == 2 << 30


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name.startswith("cachesaver")]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> TapeRecorder:
    made = TapeRecorder()
    monkeypatch.setattr("cachesaver.local.choosing.find_recorder", lambda _: made)
    caplog.set_level(logging.INFO)
    return made


def test_where_steps_can_be_graphs_they_are(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    open_engine(tiny.model(), sizes=Sizes(cells=100), graphs="auto")

    assert recorder.replays == 3
    assert logged(caplog) == []


def test_there_are_no_graphs_where_they_are_off(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    open_engine(tiny.model(), graphs="off")
    open_engine(tiny.model("gemma2"), graphs="off")

    assert recorder.warmed == 0
    assert logged(caplog) == []


@pytest.mark.parametrize("family", sorted(tiny.GROUP_FAMILIES))
def test_a_family_without_graphs_says_why(
    family: str, recorder: TapeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(tiny.model(family), graphs="auto")

    (said,) = logged(caplog)
    assert "are no graphs: it is drawn from by groups: it" in said
    assert engine.stats().engine == "group"
    assert recorder.warmed == 0


def test_a_model_that_cannot_be_recorded_says_why_and_runs(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.failing = RuntimeError("operation not permitted when stream is capturing")

    engine = open_engine(tiny.model(), graphs="auto")

    (said,) = logged(caplog)
    assert said.startswith(
        "steps of LlamaForCausalLM are no graphs: recording a step raised Runtime"
    )
    assert said.endswith(": operation not permitted when stream is capturing")
    assert engine.stats().engine == "slot"


def test_pieces_without_memory_are_no_obstacle(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("cachesaver.local.choosing.find_pieces", full)

    open_engine(tiny.model(), graphs="auto", sizes=Sizes(cells=100))

    assert logged(caplog) == [
        "steps of LlamaForCausalLM have no compiled pieces: to make them raised OutOfMemoryError"
    ]
    assert recorder.replays == 3


def test_a_trial_without_memory_is_no_obstacle(
    recorder: TapeRecorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("cachesaver.local.choosing.why_not_graphs", full)

    engine = open_engine(tiny.model(), graphs="auto")

    assert "raise OutOfMemoryError" in logged(caplog)[0]
    assert engine.stats().engine == "slot"
    assert recorder.warmed == 0
