"""Cassettes of Ruby's VCR, and of Python's betamax: vcrpy's in other words, bodies with an encoding.

https://github.com/vcr/vcr (lib/vcr/structs.rb), https://github.com/betamaxpy/betamax
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import (
    Body,
    Interaction,
    as_body,
    as_headers,
    decoded,
    interaction,
)
from cachesaver.exchange import Headers

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is Ruby's VCR's."""
    return "http_interactions" in top


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (cassette,) = documents
    for place, (line, each) in enumerate(cassette.places("http_interactions")):
        asked, told = each["request"], each["response"]
        status = told["status"]
        yield interaction(
            (asked["method"], asked["uri"], _headers(asked), _body(asked)),
            (int(status["code"]), _headers(told), _body(told), status["message"] or ""),
            place=place,
            line=line,
            recorded=str(each.get("recorded_at") or ""),
        )


def _headers(side: dict[str, Any]) -> Headers:
    headers: dict[str, object] = side.get("headers") or {}
    return as_headers(headers.items())


def _body(side: dict[str, Any]) -> Body:
    body = side.get("body") or ""
    if isinstance(body, str | bytes):
        return as_body(body)
    if "base64_string" in body:
        return decoded(body["base64_string"])
    return as_body(body.get("string"))
