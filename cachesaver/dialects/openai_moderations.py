"""OpenAI's moderations, and Mistral's, which speak the same: texts classified one by one.

A text or each of a list of texts is a question by itself; a list of parts (text and images) is one.
A body of an `input` alone could be anybody's, so on a host that is neither of the two it must name
a model that calls itself one of moderation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cachesaver.dialects.hosts import OPENAI
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.openai_chat import is_signed
from cachesaver.dialects.per_input import Object, PerInputDialect
from cachesaver.exchange import Request

__all__ = ["CompatibleModerations", "OpenAIModerations"]

_MODEL = re.compile(r"moderation", re.IGNORECASE)
"""In `omni-moderation-latest`, `text-moderation-007`, `mistral-moderation-latest`."""


class CompatibleModerations(PerInputDialect):
    """`POST …/moderations` on any host, by the name of the model."""

    # https://platform.openai.com/docs/api-reference/moderations/create: input and model, no more.
    name = "openai.moderations"
    endpoints = (r"/moderations",)
    asked = "input"
    answered = "results"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            _has_input(body.get("input"))
            and self._knows(body.get("model"))
            and not is_signed(request)
        )

    def _knows(self, model: object) -> bool:
        return isinstance(model, str) and _MODEL.search(model) is not None

    def apart(self, body: Mapping[str, object]) -> list[object] | None:
        asked = body.get("input")
        if isinstance(asked, str):
            return [asked]
        are_texts = is_list(asked) and all(isinstance(each, str) for each in asked)
        return asked if is_list(asked) and are_texts else None

    def is_answer(self, item: Object) -> bool:
        return is_object(item.get("categories"))


class OpenAIModerations(CompatibleModerations):
    """The same where the host tells: any model, or the one a request has that names none."""

    # https://platform.openai.com/docs/guides/your-data#data-residency-controls;
    # https://docs.mistral.ai/api/#tag/classifiers
    hosts = rf"{OPENAI.pattern}:443|api\.mistral\.ai:443"

    def _knows(self, model: object) -> bool:
        return model is None or isinstance(model, str)


def _has_input(asked: object) -> bool:
    if isinstance(asked, str):
        return True
    if not is_list(asked) or not asked:
        return False
    return all(isinstance(each, str) for each in asked) or all(
        is_object(each) and isinstance(each.get("type"), str) for each in asked
    )
