"""Cohere's chat, version 2: https://docs.cohere.com/reference/chat and …/v2/docs/streaming."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.openai_common import read_tools, sse
from cachesaver.rehearsal.reading import (
    integer,
    listed,
    mapped,
    number,
    pick,
    required,
    texts,
    without,
)
from cachesaver.rehearsal.tokens import split_tokens
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
    dumps,
)

__all__ = ["ChatApi", "CohereApi", "counted"]

_ROLES = frozenset({"user", "assistant", "system", "tool"})

_REASONS = MappingProxyType(
    {
        Finish.STOP: "COMPLETE",
        Finish.LENGTH: "MAX_TOKENS",
        Finish.CALLS: "TOOL_CALL",
        Finish.SEQUENCE: "STOP_SEQUENCE",
    }
)

_PREAMBLE = 400
"""Tokens of instructions of Cohere's own, which are read and not billed."""

_Step = tuple[int, dict[str, Any]]


class CohereApi:
    """The half of `Api` that does not depend on the endpoint."""

    content_type = "application/json"
    event_stream = "text/event-stream"
    pretty = False
    overloaded = 503

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"id": ..., "message": ...}`."""
        return {"id": digest("cohere", error.message)[:32], "message": error.message}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return a `message-end` that says so."""
        nothing: dict[str, Any] = {}
        ended = {"finish_reason": "ERROR", "usage": nothing, "error": error.message}
        return sse({"type": "message-end", "delta": ended}, name="message-end")

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what Cohere sends beside the body."""
        return {"x-debug-trace-id": digest("cohere trace", serial)[:32]}


class ChatApi(CohereApi):
    """`POST …/v2/chat`: one answer a request."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        tools = () if body.get("tool_choice") == "NONE" else read_tools(body.get("tools"))
        return Ask(
            endpoint="cohere.chat",
            model=required(body, "model", str),
            prompt=Prompt(
                messages=tuple(map(_message, map(mapped, required(body, "messages", list)))),
                tools=tools,
                forced="*" if body.get("tool_choice") == "REQUIRED" else None,
                schema=_schema(mapped(body.get("response_format"))),
                temperature=number(body, "temperature", 0.3, 1.0),
            ),
            shape=without(body, ("stream", "priority")),
            stream=body.get("stream") is True,
            limit=integer(body, "max_tokens"),
            stops=tuple(s for s in listed(body.get("stop_sequences")) if isinstance(s, str) and s),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return an answer."""
        (take,) = takes
        said = _Said(ask, take)
        message = {
            "role": "assistant",
            "tool_plan": said.plan,
            "content": said.content,
            "tool_calls": said.calls,
            "citations": said.citations,
        }
        whole = {
            "id": take.id("co-"),
            "message": {name: value for name, value in message.items() if value},
            "finish_reason": _REASONS[take.finish],
            "usage": _usage(ask, take),
        }
        return {**whole, "logprobs": said.logprobs} if said.logprobs else whole

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate named events from `message-start` to `message-end`, and `[DONE]`."""
        (take,) = takes
        for step, event in _events(ask, take):
            yield Frame(body=sse(event, name=event["type"]), step=step)
        yield Frame(body=b"data: [DONE]\n\n", step=take.tokens)


class _Said:
    """What the sample *take* comes to as a message."""

    def __init__(self, ask: Ask, take: Take) -> None:
        names = " and ".join(call.name for call in take.calls)
        self.plan = f"I will use {names}." if names else ""
        thinks = mapped(ask.body.get("thinking")).get("type") == "enabled"
        thought = [{"type": "thinking", "thinking": f"Sample {take.tag}."}] if thinks else []
        self.content: list[dict[str, Any]] = [*thought]
        if not take.calls:
            self.content += [{"type": "text", "text": take.text}]
        self.calls = [
            {
                "id": take.id(f"{call.name}_", place),
                "type": "function",
                "function": {"name": call.name, "arguments": dumps(call.arguments)},
            }
            for place, call in enumerate(take.calls)
        ]
        self.citations = _citations(ask, take, len(self.content) - 1)
        wants = ask.body.get("logprobs") is True
        self.logprobs = [_logprob(take, piece) for piece in self.pieces()] if wants else []

    def pieces(self) -> list[str]:
        """The text of all content, token by token."""
        return [piece for block in self.content for piece in split_tokens(block[block["type"]])]


def counted(ask: Ask, take: Take) -> dict[str, Any]:
    """Return what is billed and what was read and said, as both versions tell it."""
    return {
        "billed_units": {"input_tokens": ask.prompt_tokens, "output_tokens": take.tokens},
        "tokens": {"input_tokens": ask.prompt_tokens + _PREAMBLE, "output_tokens": take.tokens},
    }


def _usage(ask: Ask, take: Take) -> dict[str, Any]:
    return {**counted(ask, take), "cached_tokens": 0}


def _message(turn: Mapping[str, Any]) -> Message:
    role = turn.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise RejectedError(400, "invalid request: each message must have a valid role")
    said = texts(role, turn.get("content"))
    calls = "".join(map(dumps, listed(turn.get("tool_calls"))))
    return Message(role=role, text=said.text + calls, attachments=said.attachments)


def _schema(format_: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if format_.get("type") != "json_object":
        return None
    return mapped(pick(format_, "json_schema", "schema"))


def _citations(ask: Ask, take: Take, block: int) -> list[dict[str, Any]]:
    """Two citations of the first document: of the first word, and of the last."""
    documents = listed(ask.body.get("documents"))
    words = take.text.split()
    if not documents or not words or take.calls:
        return []
    shown = {"id": "doc:0", **mapped(mapped(documents[0]).get("data"))}
    source = {"type": "document", "id": "doc:0", "document": shown}
    ends = [(0, words[0]), (len(take.text) - len(words[-1]), words[-1])]
    return [
        {
            "start": start,
            "end": start + len(word),
            "text": word,
            "sources": [source],
            "type": "TEXT_CONTENT",
            "content_index": block,
        }
        for start, word in ends
    ]


def _logprob(take: Take, piece: str) -> dict[str, Any]:
    noise = int(digest(take.question, take.ordinal, piece)[:4], 16)
    return {"text": piece, "token_ids": [noise], "logprobs": [-noise / 1000]}


def _events(ask: Ask, take: Take) -> Iterator[_Step]:
    said = _Said(ask, take)
    empty: dict[str, Any] = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    opening = {"message": {"role": "assistant", **empty}}
    yield 0, {"type": "message-start", "id": take.id("co-"), "delta": opening}
    for piece in split_tokens(said.plan):
        yield 0, _delta("tool-plan-delta", None, tool_plan=piece)
    yield from _content_events(said)
    yield from _call_events(take, said)
    ended = {"finish_reason": _REASONS[take.finish], "usage": _usage(ask, take)}
    yield take.tokens, {"type": "message-end", "delta": ended}


def _content_events(said: _Said) -> Iterator[_Step]:
    step, logprobs = 0, iter(said.logprobs)
    for index, block in enumerate(said.content):
        kind = block["type"]
        yield step, _delta("content-start", index, content={**block, kind: ""})
        for piece in split_tokens(block[kind]):
            step += kind == "text"
            told = {"logprobs": next(logprobs)} if said.logprobs else {}
            yield step, {**_delta("content-delta", index, content={kind: piece}), **told}
        for place, citation in enumerate(said.citations):
            if citation["content_index"] == index:
                yield step, _delta("citation-start", place, citations=citation)
                yield step, {"type": "citation-end", "index": place}
        yield step, {"type": "content-end", "index": index}


def _call_events(take: Take, said: _Said) -> Iterator[_Step]:
    step = 0
    for index, call in enumerate(said.calls):
        function = {"name": take.calls[index].name, "arguments": ""}
        yield step, _delta("tool-call-start", index, tool_calls={**call, "function": function})
        for piece in take.call_pieces[index]:
            step += 1
            added = {"function": {"arguments": piece}}
            yield step, _delta("tool-call-delta", index, tool_calls=added)
        yield step, {"type": "tool-call-end", "index": index}


def _delta(kind: str, index: int | None, **message: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}
