"""go-vcr's cassettes, versions 1 and 2: whatever the transport did, bodies are decoded text.

https://github.com/dnaeon/go-vcr (pkg/cassette/cassette.go)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document, first
from cachesaver.cassettes.readers.values import Interaction, as_body, headers_of, interaction

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is go-vcr's: its requests have a `url`, where vcrpy's have a `uri`."""
    return "url" in first(top, "interactions", "request")


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (cassette,) = documents
    for place, (line, each) in enumerate(cassette.places("interactions")):
        asked, told = each["request"], each["response"]
        yield interaction(
            (asked["method"], asked["url"], headers_of(asked), as_body(asked["body"])),
            (
                int(told["code"]),
                headers_of(told),
                as_body(told["body"]),
                str(told.get("status") or "").partition(" ")[2],  # "200 OK"
            ),
            place=place,
            line=line,
        )
