"""Cohere's Chat API, version 2: POST /v2/chat.

Nothing in its body is its own for certain, so it is known by its hosts or by its SDK
(`cohere_common`). How answers are streamed is in `cohere_stream` and `cohere_whole`. Its
compatible API (`/compatibility/v1/chat/completions`) speaks another dialect: `openai_chat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import cohere_stream, cohere_whole, events
from cachesaver.dialects.base import json_object, json_response
from cachesaver.dialects.cohere_common import (
    CohereDialect,
    last_event,
    looks_streamed,
    read_events,
)
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["CohereChat"]

_REFERENCE = "https://docs.cohere.com/reference/chat"


class CohereChat(CohereDialect):
    """One request, one answer; whole and streamed are two forms of it."""

    name = cohere_whole.NAME
    endpoints = (r"/v2/chat",)
    volatile = MappingProxyType(
        {
            "stream": f"only the form of the answer; {_REFERENCE}",
            "priority": f"how early the request is handled under load; {_REFERENCE}",
        }
    )

    # Not here, though the reference has a default for them: temperature, p, k, frequency_penalty
    # and presence_penalty (a model may have `sampling_defaults` of its own, such as temperature
    # 0.6: recorded exchanges of /v1/models), safety_mode (does not go with tools and documents).
    defaults = MappingProxyType(
        {
            "logprobs": False,  # "Defaults to `false`.", the same page
        }
    )
    converts = True

    def streamed(self, response: Response) -> bool:
        return looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                if self.streamed(response):
                    return cohere_whole.is_complete(read_events(response, dialect=self.name))
                answer = json_object(response, dialect=self.name)
        except DialectError:
            return False
        message, reason = answer.get("message"), answer.get("finish_reason")
        return is_object(message) and cohere_whole.is_finish(reason)

    def finished(self, tail: bytes) -> bool:
        return last_event(tail).get("type") == "message-end"

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            answer = cohere_whole.answer_of(read_events(response, dialect=self.name))
            return json_response(response, answer)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            told = cohere_stream.events_of(json_object(response, dialect=self.name))
            named = events.event_stream(response, [*told], named=True)
            done = events.event_stream(response, [events.DONE])
        return Response(
            status=named.status,
            headers=named.headers,
            chunks=(*named.chunks, *done.chunks),
            reason=named.reason,
        )

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """The model stays empty: no answer names it."""
        with events.dialect_errors(self.name):
            if self.streamed(response):
                told = read_events(response, dialect=self.name)
                return "", cohere_whole.usage_of(told)
            usage = json_object(response, dialect=self.name).get("usage")
        return "", usage if is_object(usage) else MappingProxyType({})

    def _has_shape(self, body: Mapping[str, object]) -> bool:
        model, messages = body.get("model"), body.get("messages")
        return (
            isinstance(model, str)
            and bool(model)
            and is_list(messages)
            and bool(messages)
            and all(is_object(each) and isinstance(each.get("role"), str) for each in messages)
        )
