"""A guide is any object with two methods; what it is asked and told is what was drawn."""

from __future__ import annotations

import torch

import tiny
from cachesaver.local import Guide, Params, open_engine
from engines import ids, model, prompt


class Witness:
    """Allows everything, by a mask or without one, and notes what it is told."""

    def __init__(self, *, by_mask: bool) -> None:
        self.mask = torch.ones(tiny.VOCABULARY, dtype=torch.bool) if by_mask else None
        self.asked = 0
        self.told: list[int] = []

    def allowed(self) -> torch.Tensor | None:
        self.asked += 1
        return self.mask

    def accept(self, token: int) -> bool:
        self.told.append(token)
        return False


def test_a_guide_that_allows_all_changes_nothing_and_hears_all() -> None:
    """Given a guide per sample, then each is made from its index, asked per token and told each."""
    engine = open_engine(model("llama"))
    wanted = Params(seed=4, max_tokens=10, ignore_end=True)
    expected = [ids(each) for each in engine.submit(prompt(), 2, wanted, first_index=5)]
    guides: dict[int, Witness] = {}

    def guide(index: int) -> Guide:
        return guides.setdefault(index, Witness(by_mask=index == 5))

    streams = engine.submit(prompt(), 2, wanted, first_index=5, guide=guide)

    assert [ids(each) for each in streams] == expected
    assert [guides[5].told, guides[6].told] == expected
    assert [guides[5].asked, guides[6].asked] == [10, 10]
    engine.close()
