"""Anthropic's token counter, POST /v1/messages/count_tokens, and on Vertex AI: always the same answer.

https://platform.claude.com/docs/en/build-with-claude/token-counting
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects import forms
from cachesaver.dialects.anthropic_messages import CACHING, VERSIONING, is_turn, is_versioned
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.hosts import path_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["AnthropicCount"]

_VERTEX = "/publishers/anthropic/models/count-tokens"
"""As the anthropic package has it. No model has this name, so the path tells the API."""


class AnthropicCount(BaseDialect):
    """The number of tokens that a message would begin with."""

    name = "anthropic.count"
    endpoints = (r"/v1/messages/count_tokens", _VERTEX + r"(?::|%3[Aa])rawPredict")
    deterministic = True
    volatile = CACHING  # "an estimate without using caching logic": the guide, frequent questions
    headers = VERSIONING

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        messages = body.get("messages")
        return (
            isinstance(body.get("model"), str)
            and forms.is_list(messages)
            and bool(messages)
            and all(map(is_turn, messages))
            and (_VERTEX in path_of(request.url) or is_versioned(request))
        )

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            answer = forms.read_object(response, dialect=self.name)
        except DialectError:
            return False
        return isinstance(answer.get("input_tokens"), int)
