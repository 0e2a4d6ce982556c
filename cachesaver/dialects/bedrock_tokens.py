"""Bedrock's CountTokens: how many tokens a request of InvokeModel or Converse would have."""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects import forms
from cachesaver.dialects.bedrock import BedrockDialect
from cachesaver.exchange import Request

__all__ = ["CountTokens"]


class CountTokens(BedrockDialect):
    """A number, always the same: "the token count is specific to the model".

    https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html: it costs nothing, so what
    it counts is no usage.
    """

    name = "bedrock.count_tokens"
    endpoints = (r"/model/[^/]+/count-tokens",)
    deterministic = True

    def asks(self, request: Request, body: Mapping[str, object]) -> bool:
        counted = body.get("input")
        return forms.is_object(counted) and bool({"converse", "invokeModel"} & counted.keys())

    def answers(self, body: Mapping[str, object]) -> bool:
        return isinstance(body.get("inputTokens"), int)
