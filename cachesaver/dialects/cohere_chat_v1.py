"""Cohere's Chat API, version 1: POST /v1/chat.

The last event of a stream holds the whole answer, so a stream is turned into it without reading
the rest. A stream is one JSON object a line, or server-sent events to who asks for them by header;
these are replayed as they came and never made, as no recording tells how they look.

What passes through: a `conversation_id` makes the server keep the history and prepend it.
`/v1/generate`, `/v1/summarize` and `/v1/classify` have no dialect: they ended with 2025-09-15
(https://docs.cohere.com/docs/deprecations).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from cachesaver.dialects import events
from cachesaver.dialects.base import json_object, json_response
from cachesaver.dialects.cohere_common import (
    CohereDialect,
    last_event,
    looks_streamed,
    read_events,
    refuse,
    usage_in,
)
from cachesaver.dialects.jsontext import is_list, is_object, write_json
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["CohereChatV1"]

_REFERENCE = "https://docs.cohere.com/v1/reference/chat"

_BROKEN: Mapping[str, str] = MappingProxyType(
    {
        # https://docs.cohere.com/v1/reference/chat (finish_reason). ERROR_TOXIC and ERROR_LIMIT are
        # no errors of the provider's: what the model said, or the length of its context, ended it.
        "ERROR": "something went wrong when generating the reply",
        "TIMEOUT": "it took longer than is allowed",
        "USER_CANCEL": "the caller broke it off",
    }
)

_FRAMING = ("content-length", "content-type", "transfer-encoding", "content-encoding")

_LAST_LINE = re.compile(rb'"finish_reason"\s*:\s*"[A-Z_]+"\s*\}\s*\n\Z')
"""How `stream-end` ends, longer than any tail though it be: the brace before the line's end closes
the event, and of all events only that one has a finish reason."""

Object = dict[str, object]


class CohereChatV1(CohereDialect):
    """One request, one answer; whole and streamed are two forms of it."""

    name = "cohere.chat_v1"
    endpoints = (r"/v1/chat",)
    volatile = MappingProxyType({"stream": f"only the form of the answer; {_REFERENCE}"})
    defaults = MappingProxyType(
        {
            # "Defaults to `false`.", the same page. For the others see `cohere_chat`.
            "search_queries_only": False,
            "force_single_step": False,
        }
    )
    converts = True

    def streamed(self, response: Response) -> bool:
        return looks_streamed(response)

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        if not self.streamed(response) or not self.wants_stream(request, body):
            return self.streamed(response) == self.wants_stream(request, body)
        return events.looks_streamed(response) == _wants_events(request)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                if self.streamed(response):
                    return _is_complete(read_events(response, dialect=self.name))
                answer = json_object(response, dialect=self.name)
        except DialectError:
            return False
        return isinstance(answer.get("text"), str) and answer.get("finish_reason") not in _BROKEN

    def finished(self, tail: bytes) -> bool:
        if _LAST_LINE.search(tail):
            return True
        return last_event(tail).get("event_type") == "stream-end"

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            told = read_events(response, dialect=self.name)
            answer = _told_by(told) if _is_complete(told) else None
            if answer is None or not isinstance(answer.get("text"), str):
                refuse("the stream does not end with an answer", dialect=self.name)
            return json_response(response, answer)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response) and self.fits(response, request, body):
            return response
        if _wants_events(request):
            refuse("no recording tells how its server-sent events look", dialect=self.name)
        with events.dialect_errors(self.name):
            answer = json_object(self.whole(response), dialect=self.name)
            lines = tuple(write_json(event) + b"\n" for event in _events(answer))
        kept = without_headers(response.headers, _FRAMING)
        return Response(
            status=response.status,
            headers=(*kept, ("content-type", "application/stream+json")),
            chunks=lines,
            reason=response.reason,
        )

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """The model stays empty: no answer names it."""
        with events.dialect_errors(self.name):
            if self.streamed(response):
                answer = _told_by(read_events(response, dialect=self.name)) or {}
            else:
                answer = json_object(response, dialect=self.name)
        return "", usage_in(answer.get("meta"))

    def _has_shape(self, body: Mapping[str, object]) -> bool:
        return isinstance(body.get("message"), str) and body.get("conversation_id") is None


def _wants_events(request: Request) -> bool:
    """Whether a stream is to be server-sent events. The header is called `Accepts` (the reference)."""
    return request.header("accepts") == "text/event-stream"


def _is_complete(told: Sequence[Mapping[str, object]]) -> bool:
    """Whether *told* is a stream from its first word to its last, without an error."""
    kinds = [event.get("event_type") for event in told]
    if kinds[:1] != ["stream-start"] or kinds[-1:] != ["stream-end"] or None in kinds:
        return False
    reason = told[-1].get("finish_reason")
    return (
        isinstance(reason, str)
        and reason not in _BROKEN
        and is_object(told[-1].get("response"))
        and not any(event.get("error") for event in told)
    )


def _told_by(told: Sequence[Mapping[str, object]]) -> Object | None:
    """The whole answer in the last event of *told*."""
    answer = told[-1].get("response") if told else None
    return answer if is_object(answer) else None


def _events(answer: Object) -> Iterator[Object]:
    """Iterate the events that tell *answer*, as https://docs.cohere.com/v1/docs/streaming orders them."""
    start: Object = {"generation_id": answer.get("generation_id")}
    yield _event("stream-start", start)
    if answer.get("search_queries"):
        yield _event("search-queries-generation", {"search_queries": answer["search_queries"]})
    # The reference: documents come here whether searches found them or the user sent them.
    found = {name: answer[name] for name in ("search_results", "documents") if answer.get(name)}
    if found:
        yield _event("search-results", found)
    calls = answer.get("tool_calls")
    if is_list(calls) and calls:
        yield from _call_events(answer.get("text"), calls)
    elif answer.get("text"):
        yield _event("text-generation", {"text": answer["text"]})
    citations = answer.get("citations")
    for citation in citations if is_list(citations) else ():
        yield _event("citation-generation", {"citations": [citation]})
    yield _event("stream-end", _closing(answer), is_finished=True)


def _closing(answer: Object) -> Object:
    reason = answer.get("finish_reason")
    if not isinstance(reason, str):
        refuse("an answer without a finish reason has no stream", dialect=CohereChatV1.name)
    return {"response": answer, "finish_reason": reason}


def _call_events(plan: object, calls: list[object]) -> Iterator[Object]:
    text: Object = {"text": plan} if plan else {}
    if text:
        yield _event("tool-calls-chunk", text)
    for index, call in enumerate(calls):
        if not is_object(call):
            refuse("a tool call is not an object", dialect=CohereChatV1.name)
        named: Object = {"index": index, "name": call.get("name")}
        given: Object = {"index": index, "parameters": write_json(call.get("parameters")).decode()}
        yield _event("tool-calls-chunk", {"tool_call_delta": named})
        yield _event("tool-calls-chunk", {"tool_call_delta": given})
    yield _event("tool-calls-generation", {**text, "tool_calls": calls})


def _event(kind: str, told: Mapping[str, object], *, is_finished: bool = False) -> Object:
    return {"is_finished": is_finished, "event_type": kind, **told}
