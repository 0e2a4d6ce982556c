"""Gemini: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote

import orjson

from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import integer, listed, mapped, number, pick, required, without
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    Tool,
    digest,
    dumps,
)

__all__ = ["CountApi", "GenerateApi", "StreamApi"]

_BURST = 8
"""Tokens in one chunk of a stream."""

_FINISH_REASONS = MappingProxyType(
    {
        Finish.STOP: "STOP",
        Finish.SEQUENCE: "STOP",
        Finish.LENGTH: "MAX_TOKENS",
        Finish.CALLS: "STOP",
    }
)

_STATUSES = MappingProxyType(
    {
        # https://cloud.google.com/apis/design/errors#error_model
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        409: "ABORTED",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
)

# Protocol buffers read either spelling of a field; the SDK sends both.
_PARAMETERS = ("parametersJsonSchema", "parameters_json_schema", "parameters")

_NO_IDS = re.compile(r"gemini-[12]\b")
"""Models whose calls have no id: recorded exchanges of gemini-2.0 and 2.5; 3.1 and 3.5 give ids."""

_ROLES = MappingProxyType({"model": "assistant", "function": "tool"})


class GeminiApi:
    """What whole, streamed and counted share."""

    content_type = "application/json"
    event_stream = "text/event-stream"
    pretty = True
    overloaded = 503

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; the model stands in *path*."""
        return _read(path, body, stream=False)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `GenerateContentResponse` with all candidates."""
        candidates = [
            _candidate(index, _parts(take, ask), _FINISH_REASONS[take.finish])
            for index, take in enumerate(takes)
        ]
        return _response(ask, takes, candidates, sum(take.tokens for take in takes))

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate CRLF-framed events, each a response with a part of one candidate."""
        for step, response in _chunks(ask, takes):
            yield Frame(body=sse(response, end=b"\r\n"), step=step)

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"error": {...}}`."""
        status = _STATUSES.get(error.status, "UNKNOWN")
        return {"error": {"code": error.status, "message": error.message, "status": status}}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an event that holds an error body."""
        return sse(self.error(error), end=b"\r\n")

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what Google sends beside the body."""
        return {"server": "scaffolding on HTTPServer2", "vary": "Origin, X-Origin, Referer"}


class GenerateApi(GeminiApi):
    """`POST …/models/{model}:generateContent`."""


class StreamApi(GeminiApi):
    """`POST …/models/{model}:streamGenerateContent?alt=sse`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        return _read(path, body, stream=True)


class ArrayStreamApi(StreamApi):
    """`POST …/models/{model}:streamGenerateContent` without `alt=sse`: one JSON array, in pieces."""

    event_stream = "application/json; charset=UTF-8"

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the array's elements."""
        lead, step = b"[", 0
        for step, response in _chunks(ask, takes):
            yield Frame(body=lead + orjson.dumps(response, option=orjson.OPT_INDENT_2), step=step)
            lead = b"\n,\r\n"
        yield Frame(body=b"\n]\n", step=step)

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an array element that holds an error body, and the array's end."""
        return b"\n,\r\n" + orjson.dumps(self.error(error), option=orjson.OPT_INDENT_2) + b"\n]\n"


class CountApi(GeminiApi):
    """`POST …/models/{model}:countTokens`: a number, always the same."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be counted."""
        inner = mapped(body.get("generateContentRequest")) or body
        return _read(path, inner, stream=False, endpoint="gemini.count_tokens", count=0)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the count."""
        tokens = ask.prompt.tokens
        details = [{"modality": "TEXT", "tokenCount": tokens}]
        return {"totalTokens": tokens, "promptTokensDetails": details}


def _read(
    path: str,
    body: Mapping[str, Any],
    *,
    stream: bool,
    endpoint: str = "gemini.generate",
    count: int | None = None,
) -> Ask:
    config = mapped(pick(body, "generationConfig", "generation_config"))
    tools, forced = _tools(body)
    model = re.search(r"models/([^/:]+):", unquote(path))
    return Ask(
        endpoint=endpoint,
        model=model[1] if model else "",
        prompt=Prompt(
            messages=_messages(body),
            tools=tools,
            forced=forced,
            schema=_schema(config),
            temperature=number(config, "temperature", 1.0, 2.0),
        ),
        shape={
            **without(body, ("labels",)),
            "generationConfig": without(config, ("candidateCount",)),
        },
        count=(integer(config, "candidateCount", 1, 8) or 1) if count is None else count,
        stream=stream,
        billed=count,
        limit=integer(config, "maxOutputTokens"),
        stops=tuple(s for s in listed(config.get("stopSequences")) if isinstance(s, str) and s),
        body=body,
    )


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    system = mapped(pick(body, "systemInstruction", "system_instruction"))
    turns = tuple(map(_message, map(mapped, required(body, "contents", list))))
    return (_message({**system, "role": "system"}), *turns) if system else turns


def _message(content: Mapping[str, Any]) -> Message:
    parts = [mapped(part) for part in listed(content.get("parts"))]
    if not parts:
        raise RejectedError(400, "* contents.parts: must not be empty.", "contents")
    role = str(content.get("role") or "user")
    calls = {"functionCall", "functionResponse"}
    said = [
        part["text"] if "text" in part else dumps(part)
        for part in parts
        if {"text", *calls} & {*part}
    ]
    answered = any("functionResponse" in part for part in parts)
    return Message(
        role="tool" if answered else _ROLES.get(role, role),
        text="\n".join(map(str, said)),
        attachments=len(parts) - len(said),
    )


def _tools(body: Mapping[str, Any]) -> tuple[tuple[Tool, ...], str | None]:
    declared = [
        mapped(function)
        for tool in map(mapped, listed(body.get("tools")))
        for function in listed(pick(tool, "functionDeclarations", "function_declarations"))
    ]
    tools = tuple(
        Tool(
            name=str(function.get("name")),
            description=str(function.get("description") or ""),
            parameters=mapped(pick(function, *_PARAMETERS)),
        )
        for function in declared
    )
    config = mapped(pick(body, "toolConfig", "tool_config"))
    calling = mapped(pick(config, "functionCallingConfig", "function_calling_config"))
    mode = calling.get("mode")
    if mode == "NONE":
        return (), None
    allowed = listed(pick(calling, "allowedFunctionNames", "allowed_function_names"))
    return tools, (str(allowed[0]) if allowed else "*") if mode == "ANY" else None


def _schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if config.get("responseMimeType") != "application/json":
        return None
    return mapped(pick(config, "responseJsonSchema", "_responseJsonSchema", "responseSchema"))


def _parts(take: Take, ask: Ask) -> list[dict[str, Any]]:
    calls = [_function_call(take, place, ask) for place in range(len(take.calls))]
    return [{"text": take.text}, *calls] if take.text or not calls else calls


def _function_call(take: Take, place: int, ask: Ask) -> dict[str, Any]:
    call = take.calls[place]
    named = {} if _NO_IDS.match(ask.model) else {"id": take.id("", "call", place)[:8]}
    return {"functionCall": {**named, "name": call.name, "args": dict(call.arguments)}}


def _candidate(index: int, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    ended = {} if finish is None else {"finishReason": finish}
    return {"content": {"parts": parts, "role": "model"}, **ended, "index": index}


def _response(
    ask: Ask, takes: tuple[Take, ...], candidates: list[dict[str, Any]], said: int
) -> dict[str, Any]:
    asked = ask.prompt.tokens
    return {
        "candidates": candidates,
        "usageMetadata": {
            "promptTokenCount": asked,
            "candidatesTokenCount": said,
            "totalTokenCount": asked + said,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked}],
            "serviceTier": "standard",
        },
        "modelVersion": ask.model,
        "responseId": digest(takes[0].question, takes[0].ordinal, len(takes))[:22],
    }


def _chunks(ask: Ask, takes: tuple[Take, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    said = [0] * len(takes)
    for step, index, parts, finish in _bursts(ask, takes):
        said[index] = takes[index].tokens if finish else min(step, takes[index].tokens)
        yield step, _response(ask, takes, [_candidate(index, parts, finish)], sum(said))


def _bursts(
    ask: Ask, takes: tuple[Take, ...]
) -> Iterator[tuple[int, int, list[dict[str, Any]], str | None]]:
    longest = max(len(take.pieces) for take in takes)
    for start in range(0, longest or 1, _BURST):
        for index, take in enumerate(takes):
            pieces = take.pieces[start : start + _BURST]
            last = start + _BURST >= len(take.pieces)
            finish = _FINISH_REASONS[take.finish] if last and not take.calls else None
            if pieces or (start == 0 and not take.calls):
                yield start + len(pieces), index, [{"text": "".join(pieces)}], finish
    for index, take in enumerate(takes):
        for place in range(len(take.calls)):
            last = place == len(take.calls) - 1
            finish = _FINISH_REASONS[take.finish] if last else None
            yield take.tokens, index, [_function_call(take, place, ask)], finish
