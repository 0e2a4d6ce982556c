"""Gemini's Interactions API: POST /interactions, one sample a request; whole and streamed.

State on the server, decided case by case:

- `background`, `agent`, `webhook_config`: the answer is a job to poll. Passes through.
- `environment`: the call also changes something on the server. Passes through.
- `previous_interaction_id`, `continuation_token`, `cached_content`: they name what never changes,
  and come from an earlier sample, so they repeat in a rerun. Part of the question like any text.
- `store`: decides whether such an id will mean anything to the server. Part of the question.

How interactions are streamed is in `interactions_events`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote

from cachesaver.dialects import forms, interactions_events
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.events import ends_done
from cachesaver.dialects.hosts import VERTEX, stateful
from cachesaver.dialects.routing import ROUTED
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["GeminiInteractions"]

_REFERENCE = "https://ai.google.dev/api/interactions-api"

_CONTINUED = ("previous_interaction_id", "continuation_token")
"""Fields that make an input needless."""

_ANSWERS = frozenset({"completed", "requires_action", "incomplete"})
"""Statuses of an answer: `requires_action` calls a function, `incomplete` is cut by a limit."""

_DONE = "[DONE]"

_LAST = re.compile(
    rb"(?:\A|[\r\n])(?:event: ?interaction\.completed[\r\n]|data:[^\r\n]*\"interaction\.completed\")"
)
_BLANK_LINES = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class GeminiInteractions(BaseDialect):
    """One request, one interaction with a model."""

    name = interactions_events.NAME
    endpoints = (r"/interactions",)
    hosts = rf"generativelanguage\.googleapis\.com:443|{VERTEX}"
    volatile = MappingProxyType(
        {
            "stream": f"only the form of the answer; {_REFERENCE}",
            "labels": f"user-defined, to break down what was billed; {_REFERENCE}",
            "service_tier": (
                "standard, priority or flex capacity; https://ai.google.dev/gemini-api/docs/flex-inference"
            ),
        }
    )
    # "store=true by default"; a model answers at once where nothing else is asked for
    # https://ai.google.dev/gemini-api/docs/interactions
    defaults = MappingProxyType({"store": True, "background": False})
    # Which form answers have: https://ai.google.dev/gemini-api/docs/interactions/streaming
    headers = ROUTED | frozenset({"api-revision"})
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        model, asked = body.get("model"), body.get("input")
        continued = any(isinstance(body.get(name), str) for name in _CONTINUED)
        return (
            isinstance(model, str)
            and bool(model)
            and (_is_input(asked) or (asked is None and continued))
            and not stateful(request.url, body)
        )

    def target(self, path: str, query: str) -> tuple[str, str]:
        return path, "&".join(pair for pair in query.split("&") if not _selects_stream(pair))

    def streamed(self, response: Response) -> bool:
        return forms.is_stream(response)

    def sound(self, response: Response) -> bool:
        """Whether the provider is done and has answered; merging its events is not asked for."""
        try:
            status = self._interaction(response).get("status")
        except DialectError:
            return False
        return isinstance(status, str) and status in _ANSWERS

    def finished(self, tail: bytes) -> bool:
        if ends_done(tail):
            return True
        pieces = _BLANK_LINES.split(tail)
        return len(pieces) > 1 and not pieces[-1] and _LAST.search(pieces[-2]) is not None

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        interaction = interactions_events.interaction_of(self._events(response))
        return forms.json_document(response, interaction, dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        events = interactions_events.events_of(forms.read_object(response, dialect=self.name))
        named = [(str(event["event_type"]), event) for event in events]
        told = forms.event_stream(response, named, dialect=self.name)
        return forms.rebuilt(
            response, (*told.chunks, b"event: done\ndata: [DONE]\n\n"), "text/event-stream"
        )

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        interaction = self._interaction(response)
        model, usage = interaction.get("model"), interaction.get("usage")
        return (
            model if isinstance(model, str) else "",
            usage if forms.is_object(usage) else MappingProxyType({}),
        )

    def _interaction(self, response: Response) -> Mapping[str, object]:
        """Return the interaction in *response*; of a stream, what its last event says of it."""
        if self.streamed(response):
            return interactions_events.completed_in(self._events(response))
        return forms.read_object(response, dialect=self.name)

    def _events(self, response: Response) -> list[dict[str, object]]:
        return forms.read_events(response, dialect=self.name, closing=_DONE)


def _is_input(asked: object) -> bool:
    """Tell whether *asked* is a text, a content, or a list of contents, steps or turns."""
    if isinstance(asked, str):
        return bool(asked)
    items = asked if forms.is_list(asked) else [asked]
    return bool(items) and all(
        forms.is_object(item)
        and (isinstance(item.get("type"), str) or isinstance(item.get("role"), str))
        for item in items
    )


def _selects_stream(pair: str) -> bool:
    name, _, value = pair.partition("=")
    return unquote(name) in ("alt", "$alt") and unquote(value).lower() in ("sse", "json")
