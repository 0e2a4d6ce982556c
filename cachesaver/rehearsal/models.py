"""The list of models, in the form of whoever is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cachesaver.rehearsal.openai_common import model_card

__all__ = ["DEFAULT_MODELS", "models_answer"]

DEFAULT_MODELS = ("claude-sonnet-5-5", "gemini-2.5-flash", "gpt-4o-mini", "text-embedding-3-small")


def models_answer(
    path: str, headers: Mapping[str, str], known: tuple[str, ...]
) -> tuple[dict[str, Any], int]:
    """Return body and status for `GET` *path*; 404 for everything that is not about models."""
    found = re.search(r"/(v1beta/)?models(?:/([^/:]+))?$", path)
    models = known or DEFAULT_MODELS
    if found is None:
        return {"error": {"message": f"Unknown request URL: {path}", "code": "unknown_url"}}, 404
    if found[2] is not None and known and found[2] not in known:
        return {"error": {"message": f"The model '{found[2]}' does not exist"}}, 404
    gemini = found[1] is not None or "x-goog-api-key" in headers
    card = _card(gemini=gemini, anthropic="anthropic-version" in headers)
    if found[2] is not None:
        return card(found[2]), 200
    cards = [card(model) for model in models]
    if card is _gemini_card:
        return {"models": cards}, 200
    paging = {"object": "list", "has_more": False, "first_id": models[0], "last_id": models[-1]}
    return {"data": cards, **paging}, 200


def _card(*, gemini: bool, anthropic: bool) -> Callable[[str], dict[str, Any]]:
    if gemini:
        return _gemini_card
    return _anthropic_card if anthropic else model_card


def _gemini_card(model: str) -> dict[str, Any]:
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _anthropic_card(model: str) -> dict[str, Any]:
    created = "2025-10-09T08:53:20Z"
    return {"type": "model", "id": model, "display_name": model, "created_at": created}
