"""Engines on models of every family, against `generate` and each other."""

from __future__ import annotations

import pytest

import tiny
from cachesaver.local import Params, Sizes, open_engine
from engines import generated, ids, model, prompt


@pytest.mark.parametrize("family", sorted(tiny.FAMILIES))
def test_the_likeliest_tokens_are_those_of_generate(family: str) -> None:
    """Given any family, then its engine says token by token what `generate` says, and goes on varying."""
    engine = open_engine(model(family), sizes=Sizes(chunk=9))
    expected = generated(family, prompt(), 30)

    streams = engine.submit(prompt(), 3, Params(temperature=0, max_tokens=30, ignore_end=True))

    assert [ids(each) for each in streams] == [expected] * 3
    assert len(set(expected)) > 5
    engine.close()


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_both_engines_draw_the_same(family: str) -> None:
    wanted = Params(seed=9, temperature=1.1, top_p=0.95, max_tokens=20, ignore_end=True)
    answers = []
    for kind in ("slot", "group"):
        engine = open_engine(model(family), kind=kind)
        answers.append([ids(each) for each in engine.submit(prompt(), 3, wanted)])
        engine.close()

    assert answers[0] == answers[1]
