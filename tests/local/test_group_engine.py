"""The group engine keeps the contract, on a model with a window and on one with recurrent layers."""

from __future__ import annotations

from typing import Any

from cachesaver.local import Params, Stream
from engines import LONG, EngineContract, prompt, tick


class TestWindow(EngineContract):
    kind = "group"
    family = "mistral-window"

    def assert_left(self, still: Any, waiting: Stream) -> None:
        """Others join when all are over."""
        assert still.stats().running == 3

    def test_equal_prompts_of_different_requests_run_together(self, still: Any) -> None:
        still.submit(prompt(), 1, LONG)
        still.submit(prompt(9), 1, LONG)
        still.submit(prompt(), 2, LONG)

        tick(still)

        assert (still.stats().running, still.stats().waiting) == (3, 1)
        assert still.stats().prompt_tokens == 23

    def test_more_samples_than_places_take_turns(self, still: Any) -> None:
        streams = still.submit(prompt(), 6, Params(max_tokens=3, ignore_end=True))

        tick(still, 6)

        assert [each.finish for each in streams] == ["length"] * 6


class TestConvolution(TestWindow):
    family = "lfm2"


class TestRecurrent(TestWindow):
    family = "qwen3_next"
