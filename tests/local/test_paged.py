"""Texts grow together in transformers' batch, by tokens that are told to it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import tiny
from cachesaver.local.paged import PagedBatch


def batch(**settings: int) -> PagedBatch:
    return PagedBatch(tiny.model(), **{"rows": 4, "cells": 256, "chunk": 8, **settings})


def test_texts_are_read_in_pieces_and_asked_for_their_next_token_when_read() -> None:
    """Given five tokens and twelve, eight a step, then one is asked for first, and both afterwards."""
    model, ours, asked = tiny.model(), batch(), list[list[str]]()

    def always_seven(names: list[str], logits: Tensor) -> Tensor:
        asked.append(names)
        assert logits.shape == (len(names), tiny.VOCABULARY)
        return torch.full((len(names),), 7)

    ours.choose = always_seven
    ours.add("short", [5] * 5)
    ours.add("long", [6] * 12)

    read = [ours.step(model) for _ in range(3)]

    assert read[0] == {"short": 5, "long": 3}
    assert asked[0] == ["short"]
    assert sorted(asked[-1]) == ["long", "short"]
    ours.remove(["short", "long", "never there"])
    assert ours.step(model) == {}


def test_what_is_left_to_nobody_is_an_error_and_a_reset_begins_anew() -> None:
    model, ours = tiny.model(), batch()
    ours.add("a", [5, 6])
    with pytest.raises(NotImplementedError):
        ours.step(model)

    ours.reset()

    assert ours.step(model) == {}


def test_a_text_takes_the_blocks_that_it_fills_and_one() -> None:
    ours = batch(cells=160)

    assert ours.room == 9 * 16
    assert [ours.count_blocks(each) for each in (1, 16, 17, ours.room)] == [2, 2, 3, ours.blocks]
