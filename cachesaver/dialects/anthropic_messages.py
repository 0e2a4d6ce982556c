"""Anthropic's Messages API: POST /v1/messages, on any host that speaks it, and on Vertex AI.

Tables first. A field belongs into `volatile` only if changing it cannot change the distribution
the answer is drawn from; a default is listed only where the provider documents it for all models.
How messages are streamed is in `anthropic_stream` and `anthropic_whole`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from cachesaver.dialects import anthropic_stream, anthropic_whole, forms
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["AnthropicMessages"]

_REFERENCE = "https://platform.claude.com/docs/en/api/messages/create"
_CACHING = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"

_HOSTS = frozenset({"api.anthropic.com"})
"""Where the path alone tells the API, should a client leave out `anthropic-version`."""

_ROLES = frozenset({"user", "assistant", "system"})

# https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
_VERTEX = re.compile(r"/publishers/anthropic/models/[^/]+(?P<method>:(?:streamR|r)awPredict)\Z")

_DONE = "[DONE]"
"""What OpenRouter closes its streams with, after `message_stop`."""

_BLANK_LINE = re.compile(rb"(?:\r\n|\r|\n)(?:\r\n|\r|\n)\Z")


class AnthropicMessages(BaseDialect):
    """One request, one message; whole and streamed are two forms of it."""

    name = anthropic_whole.NAME
    endpoints = (
        r"/v1/messages",
        r"/publishers/anthropic/models/[^/]+:(?:streamRawPredict|rawPredict)",
    )

    volatile = MappingProxyType(
        {
            "stream": f"only the form of the answer; {_REFERENCE}",
            "metadata": f"metadata.user_id helps Anthropic detect abuse; {_REFERENCE}",
            "service_tier": (
                "priority or standard capacity; https://platform.claude.com/docs/en/api/service-tiers"
            ),
            # Prompt caching has no effect on the generation of output; it shows in usage alone.
            # The marker at the top is dropped, those on blocks wherever lists can be reached.
            "cache_control": f"output is what it is without caching; {_CACHING}",
            "system.*.cache_control": f"output is what it is without caching; {_CACHING}",
            "tools.*.cache_control": f"output is what it is without caching; {_CACHING}",
            "messages.*.content.*.cache_control": f"output is the same uncached; {_CACHING}",
        }
    )

    # Not here, though they may not matter: `inference_geo`, `speed`, `billing_policy`,
    # `diagnostics` (its answer is part of the message), `thinking` (depends on the model),
    # `top_p` and `top_k` (no default is documented). In doubt a field is part of the question.
    defaults = MappingProxyType(
        {
            # "temperature: Defaults to 1.0." (the reference until models without the field)
            # https://docs.anthropic.com/en/api/messages
            "temperature": 1.0,
            # "auto ... is the default value when tools are provided"; without tools it is idle.
            # https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools
            "tool_choice": {"type": "auto"},
        }
    )

    # https://platform.claude.com/docs/en/api/versioning and .../api/beta-headers
    headers = frozenset({"anthropic-version", "anthropic-beta"})
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        limit, messages = body.get("max_tokens"), body.get("messages")
        return (
            isinstance(limit, int)
            and not isinstance(limit, bool)
            and forms.is_list(messages)
            and bool(messages)
            and all(map(_is_turn, messages))
            and _is_addressed(request, body)
        )

    def target(self, path: str, query: str) -> tuple[str, str]:
        vertex = _VERTEX.search(path)
        return (path[: vertex.start("method")] + ":rawPredict" if vertex else path), query

    def streamed(self, response: Response) -> bool:
        return forms.is_stream(response)

    def sound(self, response: Response) -> bool:
        try:
            if forms.is_stream(response):
                return _ends_well(response)
            body = forms.read_object(response, dialect=self.name)
        except DialectError:
            return False
        return body.get("type") == "message" and forms.is_list(body.get("content"))

    def finished(self, tail: bytes) -> bool:
        if not _BLANK_LINE.search(tail):
            return False
        told = [event.data for event in decode(tail) if event.data != _DONE]
        try:
            event = forms.read_json(told[-1] if told else "", dialect=self.name)
        except DialectError:
            return False
        return forms.is_object(event) and event.get("type") == "message_stop"

    def whole(self, response: Response) -> Response:
        message = anthropic_whole.message_of(_events(response))
        return forms.json_document(response, message, dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        message = forms.read_object(response, dialect=self.name)
        events = [(str(event["type"]), event) for event in anthropic_stream.stream_of(message)]
        return forms.event_stream(response, events, dialect=self.name)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        if forms.is_stream(response):
            return anthropic_whole.usage_of(_events(response))
        message = forms.read_object(response, dialect=self.name)
        model, usage = message.get("model"), message.get("usage")
        return (
            model if isinstance(model, str) else "",
            usage if forms.is_object(usage) else MappingProxyType({}),
        )


def _is_turn(message: object) -> bool:
    return (
        forms.is_object(message)
        and isinstance(role := message.get("role"), str)
        and role in _ROLES
        and isinstance(message.get("content"), str | list)
    )


def _is_addressed(request: Request, body: Mapping[str, object]) -> bool:
    """Tell whether *request* names the model and, as nobody else does, the API's version."""
    try:
        parts = urlsplit(request.url)
        host = parts.hostname
    except ValueError:  # a bracket without its partner
        return False
    if _VERTEX.search(parts.path):
        return isinstance(body.get("anthropic_version"), str)
    versioned = request.header("anthropic-version") is not None or host in _HOSTS
    return versioned and isinstance(body.get("model"), str)


def _events(response: Response) -> list[dict[str, object]]:
    return forms.read_events(response, dialect=anthropic_whole.NAME, closing=_DONE)


def _ends_well(response: Response) -> bool:
    kinds = [kind for event in _events(response) if (kind := event.get("type")) != "ping"]
    return (
        kinds[:1] == ["message_start"] and kinds[-1:] == ["message_stop"] and "error" not in kinds
    )
