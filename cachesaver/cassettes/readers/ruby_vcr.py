"""Cassettes of Ruby's VCR, and of Python's betamax: vcrpy's in other words, bodies with an encoding.

https://github.com/vcr/vcr (lib/vcr/structs.rb), https://github.com/betamaxpy/betamax
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import Body, Interaction, as_body, decoded, of_sides

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is Ruby's VCR's."""
    return "http_interactions" in top


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (cassette,) = documents
    for place, (line, each) in enumerate(cassette.places("http_interactions")):
        sides, when = (each["request"], each["response"]), each.get("recorded_at")
        yield of_sides(*sides, _body, place=place, line=line, recorded=when)


def _body(side: Mapping[str, Any]) -> Body:
    body = side.get("body") or ""
    if isinstance(body, str | bytes):
        return as_body(body)
    if "base64_string" in body:
        return decoded(body["base64_string"])
    return as_body(body.get("string"))
