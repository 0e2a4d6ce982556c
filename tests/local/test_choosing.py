"""A model gets the engine that can run it, or the one that was asked for, or a reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tiny
from cachesaver.local import Sizes, UnsupportedModelError, open_engine
from cachesaver.local.choosing import affordable_cells, why_not_slots
from cachesaver.local.decoder import Decoder


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
