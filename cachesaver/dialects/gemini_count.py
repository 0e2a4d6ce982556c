"""Google's token counters, `:countTokens` and Vertex AI's `:computeTokens`: always the same answer.

What is counted is the whole question, so nothing is dropped from it and nothing is taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects import forms
from cachesaver.dialects.base import BaseDialect
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["GeminiCount"]

_NESTED = ("generateContentRequest", "generate_content_request")
"""Where AI Studio takes a whole request: https://ai.google.dev/api/tokens. ProtoJSON parsers take
both spellings: https://protobuf.dev/programming-guides/json/"""

_ANSWERS = ("totalTokens", "tokensInfo")
"""https://ai.google.dev/api/tokens and
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/ComputeTokensResponse: one or the other."""


class GeminiCount(BaseDialect):
    """A number of tokens, or the tokens themselves."""

    name = "gemini.count"
    endpoints = (
        r"/(?:models|tunedModels|endpoints)/[^/]+(?::|%3[Aa])(?:countTokens|computeTokens)",
    )
    deterministic = True

    # "null is an accepted value for all field types and leaves the field unset."
    # https://protobuf.dev/programming-guides/json/
    null_is_absent = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        counted = next((body[name] for name in _NESTED if name in body), body)
        return forms.is_object(counted) and _are_turns(counted.get("contents"))

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            answer = forms.read_object(response, dialect=self.name)
        except DialectError:
            return False
        return "error" not in answer and any(name in answer for name in _ANSWERS)


def _are_turns(contents: object) -> bool:
    return (
        forms.is_list(contents)
        and bool(contents)
        and all(forms.is_object(each) and forms.is_list(each.get("parts")) for each in contents)
    )
