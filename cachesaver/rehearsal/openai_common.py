"""What all of OpenAI's endpoints share: error bodies, headers, model cards.

https://platform.openai.com/docs/guides/error-codes, and error bodies as recorded in public cassettes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.rehearsal.reading import listed, mapped
from cachesaver.rehearsal.values import RejectedError, Take, Tool, digest

__all__ = ["EPOCH", "OpenAIApi", "model_card", "read_tools", "sse"]

EPOCH = 1_760_000_000
"""Where the clock of the rehearsal stands: answers do not depend on when they were asked for."""

_ERROR_TYPES = MappingProxyType(
    {
        **dict.fromkeys((400, 401, 403, 404, 409, 413, 422), "invalid_request_error"),
        429: "requests",
    }
)


def sse(event: Mapping[str, Any], *, name: str = "", end: bytes = b"\n") -> bytes:
    """Return *event* as one server-sent event, lines ended by *end*."""
    head = b"event: %s%s" % (name.encode(), end) if name else b""
    return b"%sdata: %s%s%s" % (head, orjson.dumps(event), end, end)


def model_card(model: str) -> dict[str, Any]:
    """Return what `/v1/models` says of *model*."""
    return {"id": model, "object": "model", "created": EPOCH, "owned_by": "rehearsal"}


def obfuscation(take: Take, step: int) -> str:
    """Return the random padding OpenAI adds to stream events: it is not content."""
    noise = digest(take.question, take.ordinal, step)
    return noise[: 1 + int(noise[-1], 16)]


def read_tools(declared: object) -> tuple[Tool, ...]:
    """Return the function tools in *declared*, in chat's nested form or the flat one of responses."""
    functions = (
        {**tool, **mapped(tool.get("function"))}
        for tool in map(mapped, listed(declared))
        if tool.get("type") == "function"
    )
    return tuple(
        Tool(
            name=str(function.get("name")),
            description=str(function.get("description") or ""),
            parameters=mapped(function.get("parameters")),
        )
        for function in functions
    )


def read_choice(choice: object, tools: tuple[Tool, ...]) -> tuple[tuple[Tool, ...], str | None]:
    """Return the tools that may be called under `tool_choice`, and which must be."""
    if choice == "none":
        return (), None
    if choice == "required":
        return tools, "*"
    named = {**mapped(choice), **mapped(mapped(choice).get("function"))}.get("name")
    return tools, named if isinstance(named, str) else None


class OpenAIApi:
    """The half of `Api` that does not depend on the endpoint."""

    content_type = "application/json"
    event_stream = "text/event-stream; charset=utf-8"
    pretty = True
    overloaded = 503

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"error": {...}}`."""
        return {
            "error": {
                "message": error.message,
                "type": _ERROR_TYPES.get(error.status, "server_error"),
                "param": error.param,
                "code": error.code,
            }
        }

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return a data event with an `error`; the SDK raises on it."""
        return sse(self.error(error))

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what OpenAI sends beside the body."""
        return {
            "x-request-id": f"req_{digest('openai', serial)[:32]}",
            "openai-organization": "rehearsal",
            "openai-version": "2020-10-01",
            "openai-processing-ms": "7",
        }


def interleaved(takes: tuple[Take, ...]) -> Iterator[tuple[int, int, str]]:
    """Iterate step, index of the sample and piece of text, as parallel decoding emits them."""
    for step in range(max((len(take.pieces) for take in takes), default=0)):
        for index, take in enumerate(takes):
            if step < len(take.pieces):
                yield step + 1, index, take.pieces[step]
