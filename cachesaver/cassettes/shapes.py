"""The shape of an answer, which two samples of one question share: what a program relies on. Pure.

Texts and numbers are not part of it; status, finish reasons, tool calls and the names and types of
the members of a body are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from cachesaver.exchange import Response

__all__ = ["Shape", "differences", "shape_of"]

_FINISH: Final = frozenset(
    {
        "finish_reason",  # OpenAI, Mistral, Cohere
        "stop_reason",  # Anthropic, Bedrock's Claude
        "stopReason",  # Bedrock's Converse
        "finishReason",  # Gemini
        "done_reason",  # Ollama
    }
)
"""Members whose value says why the answer ended."""

_ARGUMENTS: Final = (
    "arguments",  # OpenAI, Mistral, Cohere, Ollama: an object, or its text
    "input",  # Anthropic, Bedrock
    "args",  # Gemini
)
"""Members beside `name` that hold what a tool is called with."""

_LONGEST: Final = 300
"""Lines of a comparison at the most."""


Types = Mapping[str, frozenset[str]]
"""What occurs at each path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is compared.

    Attributes:
        status: Of the response.
        kind: The content type.
        finish: Why it ended, each reason once, sorted.
        tools: Types by path of the arguments of each tool that was called, by its name.
        members: Types by path of the body, such as `choices[].message.content`: `{"string"}`.
    """

    status: int
    kind: str = ""
    finish: tuple[str, ...] = ()
    tools: Mapping[str, Types] = field(default_factory=dict[str, "Types"])
    members: Types = field(default_factory=dict[str, frozenset[str]])


def shape_of(response: Response, whole: Callable[[Response], Response]) -> Shape:
    """Return the shape of *response*, of which *whole* makes the unstreamed form."""
    assembled = whole(response)
    try:
        body: object = json.loads(assembled.body)
    except ValueError:
        return Shape(status=response.status, kind=response.content_type)
    tools: dict[str, Mapping[str, frozenset[str]]] = {}
    for name, arguments in _calls(body):
        tools[name] = _merged(tools.get(name, {}), _types(arguments, ""))
    hidden = tools and _hidden(body)
    return Shape(
        status=response.status,
        kind=assembled.content_type,
        finish=tuple(sorted(set(_reasons(body)))),
        tools=tools,
        members=_types(hidden or body, ""),
    )


def differences(recorded: Shape, live: Shape) -> list[str]:
    """Return what *live* has otherwise than *recorded*, a line each; empty: they are alike."""
    pairs = (
        ("status", recorded.status, live.status),
        ("content type", recorded.kind, live.kind),
        ("finish reason", _listed(recorded.finish), _listed(live.finish)),
        ("tools called", _listed(recorded.tools), _listed(live.tools)),
    )
    found = [f"{what}: {before} -> {now}" for what, before, now in pairs if before != now]
    for name in sorted(recorded.tools.keys() & live.tools.keys()):
        found += _compared(f"arguments of {name}: ", recorded.tools[name], live.tools[name])
    if recorded.status == live.status:
        found += _compared("", recorded.members, live.members)
    return found[:_LONGEST]


def _compared(
    where: str, recorded: Mapping[str, frozenset[str]], live: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    for path in sorted(recorded.keys() | live.keys()):
        before, now = recorded.get(path), live.get(path)
        if before == now or _is_inside_empty(path, recorded, live):
            continue
        if now is None:
            yield f"{where}{path} is gone (it was {_listed(before or ())})"
        elif before is None:
            yield f"{where}{path} is new ({_listed(now)})"
        else:
            yield f"{where}{path}: {_listed(before)} -> {_listed(now)}"


def _is_inside_empty(path: str, *shapes: Mapping[str, frozenset[str]]) -> bool:
    """Tell whether *path* lies in a list that is empty in one of *shapes*: it says nothing then."""
    lists = [path[: place + 2] for place in range(len(path)) if path.startswith("[]", place)]
    return any(each[:-2] in shape and each not in shape for each in lists for shape in shapes)


def _listed(values: Iterable[str]) -> str:
    return " or ".join(sorted(values)) or "none"


def _types(value: object, path: str) -> dict[str, frozenset[str]]:
    """Return the types that occur at each path in *value*; those of a list's items are one."""
    found: dict[str, frozenset[str]] = {path: frozenset({_type(value)})} if path else {}
    if isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            found = _merged(found, _types(item, f"{path}.{name}" if path else name))
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            found = _merged(found, _types(item, f"{path}[]"))
    return found


def _merged(
    one: Mapping[str, frozenset[str]], other: Mapping[str, frozenset[str]]
) -> dict[str, frozenset[str]]:
    return {
        path: one.get(path, frozenset()) | other.get(path, frozenset())
        for path in one.keys() | other.keys()
    }


def _type(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "object"


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        yield members
        for item in members.values():
            yield from _objects(item)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _objects(item)


def _reasons(body: object) -> Iterator[str]:
    for members in _objects(body):
        yield from (str(members[name]) for name in _FINISH & members.keys() if members[name])


def _calls(body: object) -> Iterator[tuple[str, object]]:
    """Iterate the tools that were called: name and arguments."""
    for members in _objects(body):
        name = members.get("name")
        for key in _ARGUMENTS:
            if isinstance(name, str) and key in members:
                yield name, _read(members[key])


def _read(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        return cast("object", json.loads(arguments or "{}"))
    except ValueError:
        return arguments


def _hidden(value: object) -> object:
    """Return *value* without the arguments of tools: they are compared by the tool's name."""
    if isinstance(value, list):
        return [_hidden(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    members = cast("dict[str, object]", value)
    is_call = isinstance(members.get("name"), str)
    return {
        name: None if is_call and name in _ARGUMENTS else _hidden(item)
        for name, item in members.items()
    }
