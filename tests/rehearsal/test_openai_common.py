"""What OpenAI's endpoints share."""

from __future__ import annotations

import pytest

from cachesaver.rehearsal.openai_common import (
    OpenAIApi,
    interleaved,
    obfuscation,
    read_choice,
    read_tools,
    sse,
)
from cachesaver.rehearsal.values import Finish, RejectedError, Take, Tool

TOOL = Tool(name="t", description="d", parameters={"type": "object"})


def take(text: str, ordinal: int = 0) -> Take:
    return Take(question="q", ordinal=ordinal, text=text, finish=Finish.STOP)


def test_events_are_framed_with_and_without_a_name() -> None:
    assert sse({"a": 1}) == b'data: {"a":1}\n\n'
    assert sse({"a": 1}, name="n", end=b"\r\n") == b'event: n\r\ndata: {"a":1}\r\n\r\n'


def test_tools_are_read_in_both_forms() -> None:
    function = {"name": "t", "description": "d", "parameters": {"type": "object"}}

    assert read_tools([{"type": "function", "function": function}]) == (TOOL,)
    assert read_tools([{"type": "function", **function}, {"type": "web_search"}]) == (TOOL,)
    assert read_tools(None) == ()


@pytest.mark.parametrize(
    ("choice", "allowed", "forced"),
    [
        (None, (TOOL,), None),
        ("auto", (TOOL,), None),
        ("none", (), None),
        ("required", (TOOL,), "*"),
        ({"type": "function", "name": "t"}, (TOOL,), "t"),
        ({"type": "function", "function": {"name": "t"}}, (TOOL,), "t"),
        ({"type": "file_search"}, (TOOL,), None),
    ],
)
def test_choices(choice: object, allowed: tuple[Tool, ...], forced: str | None) -> None:
    assert read_choice(choice, (TOOL,)) == (allowed, forced)


def test_samples_are_spoken_side_by_side() -> None:
    assert list(interleaved((take("a b c"), take("x")))) == [
        (1, 0, "a"),
        (1, 1, "x"),
        (2, 0, " b"),
        (3, 0, " c"),
    ]
    assert list(interleaved(())) == []


def test_padding_varies_and_repeats_itself() -> None:
    padding = [obfuscation(take(""), step) for step in range(40)]

    assert padding == [obfuscation(take(""), step) for step in range(40)]
    assert {len(each) for each in padding} <= set(range(1, 17))
    assert len(set(padding)) > 30


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (429, "requests"),
        (500, "server_error"),
        (599, "server_error"),
    ],
)
def test_errors_have_a_type(status: int, kind: str) -> None:
    body = OpenAIApi().error(RejectedError(status, "m", "p", "c"))

    assert body == {"error": {"message": "m", "type": kind, "param": "p", "code": "c"}}
