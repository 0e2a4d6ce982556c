"""Log-probabilities of tokens, as the endpoints report them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cachesaver.local.app.tongue import Tongue
from cachesaver.local.streams import Token

__all__ = ["chat_report", "legacy_report", "merged"]

_LEAST = -9999.0
"""What OpenAI says for a token that is very unlikely; JSON has no infinity."""

Told = Iterable[tuple[Token, int]]


def chat_report(tongue: Tongue, tokens: Told) -> list[dict[str, Any]]:
    """https://platform.openai.com/docs/api-reference/chat/object, `logprobs.content`."""
    return [
        {
            **_spelt(tongue, token.id, token.logprob),
            "top_logprobs": [_spelt(tongue, each, chance) for each, chance in token.top],
        }
        for token, _ in tokens
    ]


def _spelt(tongue: Tongue, token: int, chance: float | None) -> dict[str, Any]:
    spelt = tongue.spell(token)
    return {
        "token": spelt.decode(errors="replace"),
        "logprob": _finite(chance),
        "bytes": [*spelt],
    }


def legacy_report(tongue: Tongue, tokens: Told, *, offset: int = 0) -> dict[str, list[Any]]:
    """https://platform.openai.com/docs/api-reference/completions/object, `logprobs`."""
    told = [*tokens]
    return {
        "tokens": [_name(tongue, token.id) for token, _ in told],
        "token_logprobs": [_finite(token.logprob) for token, _ in told],
        "top_logprobs": [
            {_name(tongue, each): _finite(chance) for each, chance in reversed(token.top)}
            for token, _ in told
        ],
        "text_offset": [offset + start for _, start in told],
    }


def merged(reports: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    """Return one legacy report of several that follow each other."""
    whole: dict[str, list[Any]] = {
        "tokens": [],
        "token_logprobs": [],
        "top_logprobs": [],
        "text_offset": [],
    }
    for report in reports:
        for name, values in report.items():
            whole[name] += values
    return whole


def _name(tongue: Tongue, token: int) -> str:
    """Return the text of *token*; what is no text of its own is told by its bytes, as OpenAI does."""
    spelt = tongue.spell(token)
    try:
        return spelt.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in spelt)


def _finite(chance: float | None) -> float:
    return _LEAST if chance is None else max(chance, _LEAST)
