"""OpenAI moderations: https://platform.openai.com/docs/api-reference/moderations.

A text is flagged for violence when it holds the word "harm"; scores depend on the text alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.rehearsal.openai_common import OpenAIApi
from cachesaver.rehearsal.reading import listed, mapped, required, without
from cachesaver.rehearsal.values import (
    Ask,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
    dumps,
)

__all__ = ["ModerationsApi"]

_CATEGORIES = (
    "harassment", "harassment/threatening", "sexual", "hate", "hate/threatening", "illicit",
    "illicit/violent", "self-harm/intent", "self-harm/instructions", "self-harm", "sexual/minors",
    "violence", "violence/graphic",
)  # fmt: skip


class ModerationsApi(OpenAIApi):
    """`POST …/moderations`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be classified: one message a result."""
        return Ask(
            endpoint="openai.moderations",
            model=str(body.get("model") or "omni-moderation-latest"),
            prompt=Prompt(
                messages=tuple(
                    Message(role="user", text=text)
                    for text in _inputs(required(body, "input", object))
                )
            ),
            shape=without(body, ()),
            count=0,
            billed=0,
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a result for each text, or one for all parts."""
        texts = [message.text for message in ask.prompt.messages]
        return {
            "id": f"modr-{digest(ask.model, texts)[:24]}",
            "model": ask.model,
            "results": [_result(ask.model, text) for text in texts],
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: moderations are not streamed."""
        return iter(())


def _inputs(given: object) -> list[str]:
    if isinstance(given, str):
        return [given]
    items = listed(given)
    if items and all(isinstance(item, str) for item in items):
        return items
    if items and all(mapped(item).get("type") in ("text", "image_url") for item in items):
        return [dumps(items)]
    raise RejectedError(400, "'input' must be a text, texts, or parts of one input", "input")


def _result(model: str, text: str) -> dict[str, Any]:
    flagged = "harm" in text
    scores = {name: int(digest(model, text, name)[:6], 16) / 2**28 for name in _CATEGORIES}
    if flagged:
        scores["violence"] = 1 - scores["violence"]
    return {
        "flagged": flagged,
        "categories": {name: flagged and name == "violence" for name in _CATEGORIES},
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
