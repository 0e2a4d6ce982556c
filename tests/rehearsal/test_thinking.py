from __future__ import annotations

from typing import Any

import pytest

from cachesaver.rehearsal.thinking import STYLES, thinking_deltas, thinking_message
from cachesaver.rehearsal.values import Finish, Take

TAKE = Take(question="a" * 64, ordinal=0, text="yes", finish=Finish.STOP)
MESSAGE: Any = {"role": "assistant", "content": "yes"}
THOUGHT = "Thinking of aaaaaaaa#0 first."


def test_nothing_is_told_to_who_does_not_ask() -> None:
    assert thinking_message(MESSAGE, TAKE, {"prompt_mode": None}) == MESSAGE
    assert thinking_deltas(TAKE, {}) == []


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("thinking", {"reasoning_content": THOUGHT}),
        ("reasoning_format", {"reasoning": THOUGHT}),
        (
            "reasoning",
            {
                "reasoning": THOUGHT,
                "reasoning_details": [
                    {"type": "reasoning.text", "text": THOUGHT, "format": "unknown", "index": 0}
                ],
            },
        ),
        (
            "prompt_mode",
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
                    {"type": "text", "text": "yes"},
                ]
            },
        ),
    ],
)
def test_each_provider_has_its_place_for_a_thought(field: str, told: Any) -> None:
    assert thinking_message(MESSAGE, TAKE, {field: "x"}) == {**MESSAGE, **told}
    assert len(thinking_deltas(TAKE, {field: "x"})) > 3


def test_all_styles_are_tested() -> None:
    assert set(STYLES) == {"thinking", "reasoning_format", "reasoning", "prompt_mode"}


def test_a_thought_before_a_call_stands_alone() -> None:
    told = thinking_message({"role": "assistant", "content": None}, TAKE, {"prompt_mode": "x"})

    assert [part["type"] for part in told["content"]] == ["thinking"]
