"""cassetter's cassettes, in YAML and TOML: bodies with their type, JSON parsed, bytes in hexadecimal.

https://pypi.org/project/cassetter ("Cassette format"). Its writer follows YAML 1.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document, first
from cachesaver.cassettes.readers.values import Body, Interaction, as_body, headers_of, interaction

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is cassetter's: the status of an answer is a number, not a mapping."""
    told = first(top, "interactions", "response")
    return isinstance(told.get("status"), int) and "code" not in told


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (cassette,) = documents
    for place, (line, each) in enumerate(cassette.core_places("interactions")):
        asked, told = each["request"], each["response"]
        yield interaction(
            (asked["method"], asked["uri"], headers_of(asked), _body(asked)),
            (told["status"], headers_of(told), _body(told), ""),
            place=place,
            line=line,
            recorded=str(each.get("recorded_at") or ""),
        )


def _body(side: dict[str, Any]) -> Body:
    body: dict[str, Any] = side.get("body") or {
        "type": side.get("body_type", "none"),  # TOML
        "content": _parsed(side),
    }
    kind, content = body["type"], body.get("content")
    if kind == "none":
        return Body()
    if kind == "binary":
        return Body(content=bytes.fromhex(str(content)))
    if kind == "json" and (content is None or isinstance(content, str)):
        return Body(content=json.dumps(content).encode())
    return as_body(content)


def _parsed(side: dict[str, Any]) -> object:
    """Return the content of a body in TOML, which has JSON as a text."""
    content = side.get("body_content")
    return json.loads(content) if side.get("body_type") == "json" and content else content
