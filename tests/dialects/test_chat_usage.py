from __future__ import annotations

from typing import Any

import pytest

from cachesaver.dialects.chat_usage import told_last, usage_in_last, usage_taken_out

USAGE = {"prompt_tokens": 3, "completion_tokens": 4}


@pytest.mark.parametrize(
    ("chunk", "taken"),
    [
        ({"a": 1}, {"a": 1}),
        ({"x_groq": None}, {"x_groq": None}),
        ({"x_groq": {"id": "r"}}, {"x_groq": {"id": "r"}}),
        ({"x_groq": {"id": "r", "usage": USAGE}}, {"x_groq": {"id": "r"}, "usage": USAGE}),
        (
            {"x_groq": {"usage": USAGE}, "usage": {"prompt_tokens": 5}},
            {"usage": {"prompt_tokens": 5}},
        ),
        ({"x_groq": {"usage": USAGE}, "usage": None}, {"usage": USAGE}),
        # Of a compound model: test_code_interpreter.yaml of langchain_groq.
        (
            {"x_groq": {"usage": USAGE, "usage_breakdown": {"models": []}}},
            {"usage": USAGE, "usage_breakdown": {"models": []}},
        ),
    ],
)
def test_groqs_usage_goes_where_everybodys_is(chunk: Any, taken: Any) -> None:
    assert usage_taken_out(chunk) == taken


@pytest.mark.parametrize(
    ("answer", "unasked", "last"),
    [
        ({}, True, {}),
        ({"usage": None, "x_groq": {}}, True, {}),
        ({"usage": USAGE}, False, {}),
        ({"usage": USAGE}, True, {"usage": USAGE}),
        ({"usage": USAGE, "x_groq": {"id": "r"}}, False, {"x_groq": {"id": "r", "usage": USAGE}}),
        ({"usage": USAGE, "x_groq": None}, True, {"usage": USAGE}),
    ],
)
def test_the_last_chunk_tells_it_where_it_does_live(answer: Any, unasked: Any, last: Any) -> None:
    assert usage_in_last(answer, unasked=unasked) == last


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_only_the_last_chunk_is_another(count: int) -> None:
    chunks: list[dict[str, object]] = [{"n": n} for n in range(count)]

    told = list(told_last(iter(chunks), {"usage": 1}))

    assert told == [{**c, **({"usage": 1} if c is chunks[-1] else {})} for c in chunks]
