"""rig's recordings: YAML documents of `when` and `then`, with paths and no origins.

https://github.com/0xPlaygrounds/rig
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, urlencode

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import (
    REDACTED,
    Body,
    Interaction,
    as_body,
    as_headers,
    decoded,
    interaction,
)
from cachesaver.exchange import Headers

__all__ = ["ORIGINS", "claims", "read"]

ORIGINS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # A recording lies in the folder of its provider, whose client in rig has this by default.
        "anthropic": "https://api.anthropic.com",
        "bedrock": "https://bedrock-runtime.us-east-1.amazonaws.com",
        "chatgpt": "https://chatgpt.com",
        "cohere": "https://api.cohere.ai",
        "copilot": "https://api.githubcopilot.com",
        "deepseek": "https://api.deepseek.com",
        "doubleword": "https://api.doubleword.ai",
        "gemini": "https://generativelanguage.googleapis.com",
        "groq": "https://api.groq.com",
        "llamacpp": "http://localhost:8080",
        "mistral": "https://api.mistral.ai",
        "mistralrs": "http://localhost:1234",
        "ollama": "http://localhost:11434",
        "openai": "https://api.openai.com",
        "openrouter": "https://openrouter.ai",
        "perplexity": "https://api.perplexity.ai",
        "venice": "https://api.venice.ai",
        "xai": "https://api.x.ai",
    }
)


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is rig's."""
    return "when" in top and "then" in top


def read(documents: list[Document], location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    folders = [part for part in re.split(r"[/\\]", location)[:-1] if part in ORIGINS]
    origin = ORIGINS[folders[-1]] if folders else REDACTED
    for place, document in enumerate(documents):
        asked, told = document.value["when"], document.value["then"]
        query = urlencode([(p["name"], p["value"]) for p in asked.get("query_param") or ()])
        path = quote(asked["path"], safe="/%:@!$&'()*+,;=~")
        yield interaction(
            (
                asked["method"],
                f"{origin}{path}?{query}" if query else f"{origin}{path}",
                _headers(asked),
                as_body(asked.get("body")),
            ),
            (told["status"], _headers(told), _answer(told), ""),
            place=place,
            line=document.line,
        )


def _answer(told: dict[str, Any]) -> Body:
    body: Any = told.get("body")
    return decoded(body) if told.get("body_encoding") == "base64" else as_body(body)


def _headers(side: dict[str, Any]) -> Headers:
    return as_headers([(pair["name"], pair["value"]) for pair in side.get("header") or ()])
