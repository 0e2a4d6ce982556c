"""How compatible providers tell what a model thought before it answered: one style a provider.

A request says which by the field that asks for it; without any of them nothing is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.tokens import split_tokens
from cachesaver.rehearsal.values import Take

__all__ = ["thinking_deltas", "thinking_message"]

Told = dict[str, Any]


def thinking_message(message: Told, take: Take, body: Mapping[str, Any]) -> Told:
    """Return *message*, the whole answer *take*, with the thought that *body* asks for."""
    style = _style(body)
    if style is None:
        return message
    told = style("".join(_thought(take)))
    if "content" in told and message["content"]:
        told["content"] = [*told["content"], {"type": "text", "text": message["content"]}]
    return {**message, **told}


def thinking_deltas(take: Take, body: Mapping[str, Any]) -> list[Told]:
    """Return what is streamed of the thought that *body* asks for, before the answer *take*."""
    style = _style(body)
    return [] if style is None else [style(piece) for piece in _thought(take)]


def _thought(take: Take) -> tuple[str, ...]:
    return split_tokens(f"Thinking of {take.tag} first.")


def _style(body: Mapping[str, Any]) -> Callable[[str], Told] | None:
    return next((style for field, style in STYLES.items() if body.get(field) is not None), None)


def _parts(thought: str) -> Told:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]}


def _details(thought: str) -> Told:
    detail = {"type": "reasoning.text", "text": thought, "format": "unknown", "index": 0}
    return {"reasoning": thought, "reasoning_details": [detail]}


STYLES: Mapping[str, Callable[[str], Told]] = MappingProxyType(
    {
        # https://docs.mistral.ai/capabilities/reasoning
        "prompt_mode": _parts,
        # https://api-docs.deepseek.com/guides/thinking_mode
        "thinking": lambda thought: {"reasoning_content": thought},
        # https://openrouter.ai/docs/use-cases/reasoning-tokens
        "reasoning": _details,
        # https://console.groq.com/docs/reasoning
        "reasoning_format": lambda thought: {"reasoning": thought},
    }
)
"""By the field that asks for a thought: how it, or a piece of it, is told."""
