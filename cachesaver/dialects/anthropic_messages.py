"""Anthropic's Messages API: POST /v1/messages, on any host that speaks it, and on Vertex AI.

Tables first. A field belongs into `volatile` only if changing it cannot change the distribution
the answer is drawn from; a default is listed only where the provider documents it for all models.
How messages are streamed is in `anthropic_stream` and `anthropic_whole`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import anthropic_stream, anthropic_whole, forms
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.hosts import host_of, path_of, stateful
from cachesaver.dialects.routing import ROUTED
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = [
    "CACHING",
    "VERSIONING",
    "AnthropicMessages",
    "CompatibleMessages",
    "is_anthropics",
    "is_turn",
    "is_versioned",
]

_REFERENCE = "https://platform.claude.com/docs/en/api/messages/create"
_CACHING = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"

_ANTHROPICS: Mapping[str, str] = MappingProxyType(
    {
        r"api\.anthropic\.com": _REFERENCE,
        # As the anthropic package has them, for Claude on Google Cloud, in Foundry and on Bedrock.
        r"claude\.googleapis\.com": "https://github.com/anthropics/anthropic-sdk-python",
        r"[\w-]+\.services\.ai\.azure\.com": (
            "https://platform.claude.com/docs/en/build-with-claude/claude-in-microsoft-foundry"
        ),
        r"bedrock-mantle\.[a-z0-9-]+\.api\.aws": "https://github.com/anthropics/anthropic-sdk-python",
    }
)
_ANTHROPIC = re.compile("|".join(_ANTHROPICS))
"""Hosts where Anthropic's own models answer, with Anthropic's defaults."""

_NAMED = re.compile(r"openrouter\.ai/.*|.*/anthropic/v1/messages(?:/count_tokens)?")
"""Hosts and paths that tell the API, should a client leave out `anthropic-version`.

https://api-docs.deepseek.com/guides/anthropic_api: other providers who speak it put its name into
the path; OpenRouter does not (recorded exchanges).
"""

CACHING: Mapping[str, str] = MappingProxyType(
    {
        # Prompt caching has no effect on the generation of output; it shows in usage alone.
        # The marker at the top is dropped, those on blocks wherever lists can be reached.
        "cache_control": f"output is what it is without caching; {_CACHING}",
        "system.*.cache_control": f"output is what it is without caching; {_CACHING}",
        "tools.*.cache_control": f"output is what it is without caching; {_CACHING}",
        "messages.*.content.*.cache_control": f"output is the same uncached; {_CACHING}",
    }
)
"""Fields of a request that say no more than what is to be kept for the next."""

VERSIONING = ROUTED | frozenset({"anthropic-version", "anthropic-beta"})
"""Headers: https://platform.claude.com/docs/en/api/versioning and .../api/beta-headers"""

_ROLES = frozenset({"user", "assistant", "system"})

# https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
_VERTEX = re.compile(
    r"/publishers/anthropic/models/[^/]+(?P<method>(?::|%3[Aa])(?:streamR|r)awPredict)\Z"
)

_DONE = "[DONE]"
"""What OpenRouter closes its streams with, after `message_stop`."""

_BLANK_LINE = re.compile(rb"(?:\r\n\r\n|\n\n|\r\r)\Z")


class CompatibleMessages(BaseDialect):
    """One request, one message, on a host of which we know no defaults.

    Whole and streamed are two forms of it.
    """

    name = anthropic_whole.NAME
    endpoints = (
        r"/v1/messages",
        r"/publishers/anthropic/models/[^/]+(?::|%3[Aa])(?:streamRawPredict|rawPredict)",
    )

    volatile = MappingProxyType(
        {
            "stream": f"only the form of the answer; {_REFERENCE}",
            "metadata": f"metadata.user_id helps Anthropic detect abuse; {_REFERENCE}",
            "service_tier": (
                "priority or standard capacity; https://platform.claude.com/docs/en/api/service-tiers"
            ),
            **CACHING,
        }
    )

    headers = VERSIONING
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        limit, messages = body.get("max_tokens"), body.get("messages")
        return (
            isinstance(limit, int)
            and not isinstance(limit, bool)
            and forms.is_list(messages)
            and bool(messages)
            and all(map(is_turn, messages))
            and not stateful(request.url, body)
            and _is_addressed(request, body)
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_anthropics(request)

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
        return self._last(tail).get("type") == "message_stop"

    def all_but_finished(self, tail: bytes) -> bool:
        event = self._last(tail)
        delta = event.get("delta") if event.get("type") == "message_delta" else None
        return forms.is_object(delta) and delta.get("stop_reason") is not None

    def _last(self, tail: bytes) -> Mapping[str, object]:
        """Return the last event of *tail*, if it is all there."""
        if not _BLANK_LINE.search(tail):
            return {}
        told = [event.data for event in decode(tail) if event.data != _DONE]
        try:
            event = forms.read_json(told[-1] if told else "", dialect=self.name)
        except DialectError:
            return {}
        return event if forms.is_object(event) else {}

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


class AnthropicMessages(CompatibleMessages):
    """The Messages API of Anthropic itself, whose defaults are documented for all its models."""

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

    def _serves(self, request: Request) -> bool:
        return is_anthropics(request)


def is_turn(message: object) -> bool:
    """Tell whether *message* is one turn of a conversation."""
    return (
        forms.is_object(message)
        and isinstance(role := message.get("role"), str)
        and role in _ROLES
        and isinstance(message.get("content"), str | list)
    )


def is_anthropics(request: Request) -> bool:
    """Tell whether Anthropic's own models answer where *request* goes."""
    at_vertex = "/publishers/anthropic/models/" in path_of(request.url)
    return at_vertex or _ANTHROPIC.fullmatch(host_of(request.url)) is not None


def is_versioned(request: Request) -> bool:
    """Tell whether *request* names the API's version, as nobody else does, or goes where it need not."""
    host = host_of(request.url)
    return (
        request.header("anthropic-version") is not None
        or _ANTHROPIC.fullmatch(host) is not None
        or _NAMED.fullmatch(host + path_of(request.url)) is not None
    )


def _is_addressed(request: Request, body: Mapping[str, object]) -> bool:
    if _VERTEX.search(path_of(request.url)):
        return isinstance(body.get("anthropic_version"), str)
    return is_versioned(request) and isinstance(body.get("model"), str)


def _events(response: Response) -> list[dict[str, object]]:
    return forms.read_events(response, dialect=anthropic_whole.NAME, closing=_DONE)


def _ends_well(response: Response) -> bool:
    kinds = [kind for event in _events(response) if (kind := event.get("type")) != "ping"]
    return (
        kinds[:1] == ["message_start"] and kinds[-1:] == ["message_stop"] and "error" not in kinds
    )
