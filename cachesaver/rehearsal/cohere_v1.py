"""Cohere's chat, version 1: https://docs.cohere.com/v1/reference/chat and …/v1/docs/streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.cohere import CohereApi, counted
from cachesaver.rehearsal.reading import integer, listed, mapped, number, required, without
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    Tool,
    dumps,
)

__all__ = ["ChatV1Api"]

_DEFAULT_MODEL = "command-a-03-2025"

_ROLES = MappingProxyType(
    {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}
)

_REASONS = MappingProxyType(
    {
        Finish.STOP: "COMPLETE",
        Finish.LENGTH: "MAX_TOKENS",
        Finish.CALLS: "COMPLETE",
        Finish.SEQUENCE: "STOP_SEQUENCE",
    }
)

_TYPES = MappingProxyType(
    {
        # https://docs.cohere.com/v1/docs/parameter-types-in-tool-use: Python's names
        "str": "string",
        "int": "integer",
        "float": "number",
        "bool": "boolean",
        "list": "array",
        "dict": "object",
    }
)


class ChatV1Api(CohereApi):
    """`POST …/v1/chat`: one answer a request, a stream of one JSON object a line."""

    event_stream = "application/stream+json"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        if not isinstance(body.get("message"), str):
            raise RejectedError(400, "invalid request: message must be a text")
        format_ = mapped(body.get("response_format"))
        return Ask(
            endpoint="cohere.chat_v1",
            model=str(body.get("model") or _DEFAULT_MODEL),
            prompt=Prompt(
                messages=_messages(body),
                tools=tuple(map(_tool, map(mapped, listed(body.get("tools"))))),
                schema=mapped(format_.get("schema"))
                if format_.get("type") == "json_object"
                else None,
                temperature=number(body, "temperature", 0.3, 1.0),
            ),
            shape=without(body, ("stream",)),
            stream=body.get("stream") is True,
            limit=integer(body, "max_tokens"),
            stops=tuple(s for s in listed(body.get("stop_sequences")) if isinstance(s, str) and s),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return an answer."""
        (take,) = takes
        names = " and ".join(call.name for call in take.calls)
        text = f"I will use {names}." if names else take.text
        calls = [{"name": c.name, "parameters": dict(c.arguments)} for c in take.calls]
        called = {"tool_calls": calls} if calls else {}
        history = [
            *listed(ask.body.get("chat_history")),
            {"role": "USER", "message": ask.body["message"]},
            {"role": "CHATBOT", "message": text, **called},
        ]
        return {
            "response_id": take.id("re-"),
            "text": text,
            "generation_id": take.id("ge-"),
            "chat_history": history,
            "finish_reason": _REASONS[take.finish],
            "meta": {"api_version": {"version": "1"}, **counted(ask, take)},
            **_cited(ask, take),
            **called,
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate events from `stream-start` to `stream-end`, which holds the whole answer."""
        (take,) = takes
        whole = self.whole(ask, takes)
        for step, kind, told in _events(take, whole):
            yield Frame(body=_line(kind, told), step=step)
        ended = {"response": whole, "finish_reason": whole["finish_reason"]}
        yield Frame(body=_line("stream-end", ended), step=take.tokens)

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return a `stream-end` that says so."""
        return _line("stream-end", {"response": {"text": ""}, "finish_reason": "ERROR"})


def _messages(body: Mapping[str, Any]) -> tuple[Message, ...]:
    preamble = body.get("preamble")
    first = [Message(role="system", text=preamble)] if isinstance(preamble, str) else []
    turns = [_turn(mapped(turn)) for turn in listed(body.get("chat_history"))]
    results = [Message(role="tool", text=dumps(r)) for r in listed(body.get("tool_results"))]
    last = [Message(role="user", text=body["message"])] if body["message"] or not results else []
    return (*first, *turns, *last, *results)


def _turn(turn: Mapping[str, Any]) -> Message:
    role = _ROLES.get(str(turn.get("role")))
    if role is None:
        raise RejectedError(400, "invalid request: each turn must have a valid role")
    return Message(role=role, text=str(turn.get("message") or ""))


def _tool(tool: Mapping[str, Any]) -> Tool:
    defined = {
        name: mapped(each) for name, each in mapped(tool.get("parameter_definitions")).items()
    }
    properties = {
        name: {"type": _TYPES.get(str(each.get("type")), "string")}
        for name, each in defined.items()
    }
    needed = [name for name, each in defined.items() if each.get("required")]
    return Tool(
        name=required(tool, "name", str),
        description=str(tool.get("description") or ""),
        parameters={"type": "object", "properties": properties, "required": needed},
    )


def _cited(ask: Ask, take: Take) -> dict[str, Any]:
    documents, words = listed(ask.body.get("documents")), take.text.split()
    if not documents or not words:
        return {}
    numbered = [{"id": f"doc_{n}", **mapped(each)} for n, each in enumerate(documents)]
    ends = [(0, words[0]), (len(take.text) - len(words[-1]), words[-1])]
    return {
        "citations": [
            {"start": at, "end": at + len(word), "text": word, "document_ids": ["doc_0"]}
            for at, word in ends
        ],
        "documents": numbered,
    }


def _events(take: Take, whole: Mapping[str, Any]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    yield 0, "stream-start", {"generation_id": whole["generation_id"]}
    if documents := whole.get("documents"):
        yield 0, "search-results", {"documents": documents}
    if calls := whole.get("tool_calls"):
        yield 0, "tool-calls-chunk", {"text": whole["text"]}
        for index, call in enumerate(calls):
            named = {"index": index, "name": call["name"]}
            yield 0, "tool-calls-chunk", {"tool_call_delta": named}
            for piece in take.call_pieces[index]:
                added = {"index": index, "parameters": piece}
                yield 0, "tool-calls-chunk", {"tool_call_delta": added}
        yield take.tokens, "tool-calls-generation", {"text": whole["text"], "tool_calls": calls}
    else:
        for step, piece in enumerate(take.pieces, 1):
            yield step, "text-generation", {"text": piece}
    for citation in listed(whole.get("citations")):
        yield take.tokens, "citation-generation", {"citations": [citation]}


def _line(kind: str, told: Mapping[str, Any]) -> bytes:
    event = {"is_finished": kind == "stream-end", "event_type": kind, **told}
    return dumps(event).encode() + b"\n"
