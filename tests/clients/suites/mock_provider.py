"""A provider that fits an SDK's own models: `python mock_provider.py openai` prints its address and serves.

The suites of generated SDKs want a server made from the API's description, which does not come with
the release. This one reads the routes out of the SDK: each `self._post("/path", cast_to=Model)` in its
resources is a route, and its answer is the least that the JSON schema of *Model* allows. Whether the
request is a good one it does not ask. It runs in the SDK's environment, beside starlette and uvicorn.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import json
import pkgutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType, NoneType
from typing import Any, Union, cast, get_args, get_origin

import uvicorn
from pydantic import TypeAdapter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

_CALLS = {
    "_get": "GET",
    "_post": "POST",
    "_put": "PUT",
    "_patch": "PATCH",
    "_delete": "DELETE",
    "_get_api_list": "GET",
}
"""What a resource calls to send, and the method that goes out."""

_STRINGS = {"date-time": "2019-12-27T18:11:19.117Z", "date": "2019-12-27"}
"""By the format that a JSON schema asks of a string."""

_LEAST: Mapping[str, Any] = {"integer": 0, "number": 0, "boolean": True, "null": None}

_DEEP = 12
"""From this depth on, a union is answered with its last variant: some unions hold themselves."""

_STREAMS = (b'"stream":true', b'"stream": true', b'name="stream"\r\n\r\ntrue')
"""How a body asks for events, as JSON and as a form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one route gives back.

    Attributes:
        whole: The type of its answer: of a model, a page, a union, `str`, `None` or of bytes.
        event: The type of an event of its stream; None: it has none.
        query: What the route's own query says, such as `beta=true`; empty: nothing.
    """

    whole: Any
    event: Any = None
    query: str = ""


def answers(package: str) -> dict[tuple[str, str], list[Answer]]:
    """Return what the resources of *package* expect, by method and path, the most particular first."""
    found: dict[tuple[str, str], list[Answer]] = {}
    for module in _modules(importlib.import_module(f"{package}.resources")):
        for call, returned in _calls(module):
            method = _method(call)
            path, _, query = _template(call.args[0]).partition("?")
            answer = _answer(call, returned, vars(module), query)
            if path.startswith("/") and answer:
                found.setdefault((method, path), []).append(answer)
    for each in found.values():
        each.sort(key=lambda answer: (not answer.query, answer.event is None))
    return found


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def _calls(module: ModuleType) -> Iterator[tuple[ast.Call, ast.expr | None]]:
    """Yield what the blocking resources of *module* send, and what the method promises to return."""
    with open(str(module.__file__), encoding="utf-8") as source:  # noqa: PTH123  # a script's own file
        classes = [node for node in ast.parse(source.read()).body if isinstance(node, ast.ClassDef)]
    methods = (
        method
        for each in classes
        for method in each.body
        if isinstance(method, ast.FunctionDef) and not each.name.startswith("Async")
    )
    for method in methods:
        for node in ast.walk(method):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), args=[_, *_]) if name in _CALLS:
                    yield node, method.returns
                case _:
                    pass


def _method(call: ast.Call) -> str:
    for keyword in call.keywords:
        match keyword:
            case ast.keyword(arg="method", value=ast.Constant(value=str(method))):
                return method.upper()
            case _:
                pass
    return _CALLS[call.func.attr]  # type: ignore[attr-defined]  # _calls has looked


def _template(path: ast.expr) -> str:
    """Return the path as a template of starlette's; empty where it is not to be read from the source."""
    match path:
        case ast.Constant(value=str(text)):
            return text
        case ast.Call(args=[ast.Constant(value=str(text)), *_]):
            return text
        case _:
            return ""


def _answer(
    call: ast.Call, returned: ast.expr | None, names: dict[str, Any], query: str
) -> Answer | None:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for whole in (given.get("page"), given.get("cast_to"), returned):
        with contextlib.suppress(NameError, AttributeError, TypeError):  # made as the method runs
            if whole is not None and (kind := _first(_evaluated(whole, names))):
                stream = given.get("stream_cls")
                events = get_args(_evaluated(stream, names)) if stream is not None else ()
                return Answer(whole=kind, event=next(iter(events), None), query=query)
    return None


def _first(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Union else kind


def _evaluated(expression: ast.expr, names: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(expression), "<sdk>", "eval"), names)  # noqa: S307  # the SDK's


@functools.cache
def least(kind: Any) -> Any:
    """Return the least value that fits the type *kind*, ready for JSON."""
    schema = TypeAdapter(kind).json_schema()
    return _least(schema, schema.get("$defs", {}), 0)


def _least(schema: Mapping[str, Any], named: Mapping[str, Any], depth: int) -> Any:
    if "$ref" in schema:
        return _least(named[schema["$ref"].rpartition("/")[2]], named, depth + 1)
    for variants in (schema.get("anyOf"), schema.get("oneOf"), schema.get("allOf")):
        if variants:
            return _least(variants[-1 if depth > _DEEP else 0], named, depth + 1)
    if "const" in schema or "enum" in schema:
        return schema.get("const", next(iter(schema.get("enum", [None]))))
    match schema.get("type"):
        case "object" | None:
            fields = schema.get("properties", {})
            return {f: _least(fields[f], named, depth + 1) for f in schema.get("required", ())}
        case "array":
            return [_least(schema["items"], named, depth + 1)] if schema.get("items") else []
        case "string":
            return _STRINGS.get(schema.get("format", ""), "string")
        case kind:
            return _LEAST[kind]


def _both(one: Any, other: Any) -> Any:
    """Return what fits where *one* or *other* is wanted: some routes are in an SDK twice."""
    if isinstance(one, dict) and isinstance(other, dict):
        first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        alike = {name: _both(first[name], second[name]) for name in first.keys() & second.keys()}
        return {**second, **first, **alike}
    if isinstance(one, list) and isinstance(other, list) and one and other:
        return [_both(one[0], other[0])]
    return cast("Any", one)


def response(told: Sequence[Answer], *, streams: bool) -> Response:
    """Return what fits all of *told*, as events if *streams* and the first has any."""
    answer = told[0]
    if streams and answer.event is not None:
        event = least(answer.event)
        name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
        return Response(f"{name}data: {json.dumps(event)}\n\n", media_type="text/event-stream")
    if answer.whole in (None, NoneType):
        return Response(status_code=204)
    if answer.whole is str:
        return Response("string", media_type="text/plain")
    if "Binary" in getattr(answer.whole, "__name__", ""):
        return Response(b"\0\1\2", media_type="application/octet-stream")
    wholes = (least(each.whole) for each in told)
    return JSONResponse(functools.reduce(_both, wholes))


def application(package: str) -> Starlette:
    """Return a server of every route of *package*."""
    found = answers(package)

    def route(method: str, path: str) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            streams = any(mark in body for mark in _STREAMS)
            told = [each for each in found[method, path] if each.query in str(request.url.query)]
            alike = [each for each in told if each.query == told[0].query]
            return response(alike or found[method, path], streams=streams)

        return Route(path, endpoint, methods=[method])

    particular = sorted(found, key=lambda each: [part[:1] == "{" for part in each[1].split("/")])
    return Starlette(routes=[route(*each) for each in particular])


def main() -> None:
    """Serve the SDK that is named until killed; the address is the only line on standard output."""
    door = socket.create_server(("127.0.0.1", 0))
    door.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # for what it accepts; else 40 ms an answer
    app = application(sys.argv[1])
    print(f"http://127.0.0.1:{door.getsockname()[1]}", flush=True)  # noqa: T201
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[door])


if __name__ == "__main__":
    main()
