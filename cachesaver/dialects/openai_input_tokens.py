"""How many tokens a request to OpenAI's Responses API would have: counted, not answered.

A conversation grows between two counts, so what names one passes through; an earlier response does
not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects.base import BaseDialect, json_object
from cachesaver.dialects.openai_chat import is_openai
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["CompatibleInputTokens", "OpenAIInputTokens"]

_COUNTED = ("input", "instructions", "previous_response_id", "tools")
"""https://platform.openai.com/docs/api-reference/responses/input-tokens: one of these is counted."""


class CompatibleInputTokens(BaseDialect):
    """`POST …/responses/input_tokens` on a host of which we know no defaults."""

    name = "openai.input_tokens"
    endpoints = (r"/responses/input_tokens",)
    deterministic = True
    null_is_absent = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            isinstance(body.get("model"), str)
            and any(body.get(field) is not None for field in _COUNTED)
            and body.get("conversation") is None
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_openai(request)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            counted = json_object(response, dialect=self.name).get("input_tokens")
        except DialectError:
            return False
        return isinstance(counted, int) and not isinstance(counted, bool)


class OpenAIInputTokens(CompatibleInputTokens):
    """The same of OpenAI itself."""

    # https://github.com/openai/openai-openapi (openapi.yaml, TokenCountsBody)
    defaults: Mapping[str, object] = MappingProxyType(
        {"parallel_tool_calls": True, "truncation": "disabled"}
    )

    def _serves(self, request: Request) -> bool:
        return is_openai(request)
