"""What is shape and what is not, in the forms of several providers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.cassettes.shapes import Shape, differences, shape_of
from cachesaver.exchange import Response


def shape(body: object, status: int = 200) -> Shape:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(
        status=status, headers=(("content-type", "application/json"),), chunks=(text,)
    )
    return shape_of(response, lambda response: response)


def chat(content: object = "Hi", finish: str = "stop", **more: object) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"id": "x", "choices": [{"finish_reason": finish, "message": message}]}


def calling(name: str, arguments: str) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
    return chat(None, "tool_calls", tool_calls=[call])


ALIKE: list[tuple[object, object]] = [
    (chat("Hi"), chat("Hello there, how are you?")),
    ({"n": 1}, {"n": 1.5}),
    ({"list": []}, {"list": [{"a": 1}]}),
    ({"list": [{"a": []}]}, {"list": [{"a": [{"b": 1}]}, {"a": []}]}),
    (calling("f", '{"a": 1}'), calling("f", '{"a": 22}')),
]


@pytest.mark.parametrize(("recorded", "live"), ALIKE)
def test_what_samples_of_one_question_differ_in_is_no_difference(
    recorded: object, live: object
) -> None:
    assert differences(shape(recorded), shape(live)) == []
    assert differences(shape(live), shape(recorded)) == []


OTHERWISE: list[tuple[object, object, list[str]]] = [
    (chat(), chat(finish="length"), ["finish reason: stop -> length"]),
    (chat(), chat(None), ["choices[].message.content: string -> null"]),
    (chat(), chat(refusal="no"), ["choices[].message.refusal is new (string)"]),
    (chat(refusal="no"), chat(), ["choices[].message.refusal is gone (it was string)"]),
    ([{"a": 1}], [{"a": 1}, {"a": "b"}], ["[].a: number -> number or string"]),
    (
        calling("f", '{"a": 1, "b": []}'),
        calling("f", '{"a": "1", "c": true}'),
        [
            "arguments of f: a: number -> string",
            "arguments of f: b is gone (it was list)",
            "arguments of f: c is new (boolean)",
        ],
    ),
    (calling("f", "{}"), calling("g", "{}"), ["tools called: f -> g"]),
    (
        calling("f", '{"a": 1}'),
        calling("f", '{"a": '),
        ["arguments of f: a is gone (it was number)"],
    ),
    (
        {
            "content": [{"type": "tool_use", "name": "f", "input": {"a": 1}}],
            "stop_reason": "tool_use",
        },
        {
            "content": [{"type": "tool_use", "name": "f", "input": {"a": None}}],
            "stop_reason": "end",
        },
        ["finish reason: tool_use -> end", "arguments of f: a: number -> null"],
    ),
    (
        {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}], "finishReason": "STOP"},
        {"parts": [{"functionCall": {"name": "f", "args": {"b": 1}}}], "finishReason": "STOP"},
        ["arguments of f: a is gone (it was number)", "arguments of f: b is new (number)"],
    ),
]


@pytest.mark.parametrize(("recorded", "live", "told"), OTHERWISE)
def test_what_a_program_relies_on_is_told(recorded: object, live: object, told: list[str]) -> None:
    assert differences(shape(recorded), shape(live)) == told


def test_of_an_error_no_more_is_told_than_its_status() -> None:
    assert differences(shape(chat()), shape({"error": {"message": "no"}}, 429)) == [
        "status: 200 -> 429",
        "finish reason: stop -> none",
    ]


def test_what_is_no_json_has_its_kind() -> None:
    assert shape(b"\xff") == Shape(status=200, kind="application/json")
