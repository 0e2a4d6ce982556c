"""Cohere's tokenizer: POST /v1/tokenize and /v1/detokenize, one answer to each question for ever.

The SDK asks it only with `offline=False`; else it loads the tokenizer, which passes through.
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects import events
from cachesaver.dialects.base import json_object
from cachesaver.dialects.cohere_common import CohereDialect, usage_in
from cachesaver.dialects.jsontext import is_list
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

__all__ = ["CohereTokens"]


class CohereTokens(CohereDialect):
    """https://docs.cohere.com/reference/tokenize and .../detokenize."""

    name = "cohere.tokens"
    endpoints = (r"/v1/tokenize", r"/v1/detokenize")
    deterministic = True

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                answer = json_object(response, dialect=self.name)
        except DialectError:
            return False
        return is_list(answer.get("tokens")) or isinstance(answer.get("text"), str)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """It costs nothing: an answer's `meta` counts nothing."""
        with events.dialect_errors(self.name):
            return "", usage_in(json_object(response, dialect=self.name).get("meta"))

    def _has_shape(self, body: Mapping[str, object]) -> bool:
        model, tokens = body.get("model"), body.get("tokens")
        if not isinstance(model, str):
            return False
        return isinstance(body.get("text"), str) or (is_list(tokens) and all(map(_is_id, tokens)))


def _is_id(token: object) -> bool:
    return isinstance(token, int) and not isinstance(token, bool)
