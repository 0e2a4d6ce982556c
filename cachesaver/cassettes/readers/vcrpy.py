"""vcrpy's cassettes, in YAML and JSON, in all their dialects.

One list of interactions, or two of requests and responses; bodies as text, as binary, under `string`
or `base64_string`, parsed, or (vcrpy 4 and 5 with httpx) the response's under `content`.
https://github.com/kevin1024/vcrpy (vcr/serialize.py, vcr/serializers, vcr/stubs)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import Body, Interaction, as_body, decoded, of_sides

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is vcrpy's."""
    return "interactions" in top or ("requests" in top and "responses" in top)


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (cassette,) = documents
    both = [
        (line, each["request"], each["response"]) for line, each in cassette.places("interactions")
    ]
    both += [
        (line, asked, told)
        for (line, asked), (_, told) in zip(
            cassette.places("requests"), cassette.places("responses"), strict=True
        )
    ]
    for place, (line, asked, told) in enumerate(both):
        when = told.get("recorded_at")
        yield of_sides(asked, told, _body, place=place, line=line, recorded=when)


def _body(side: Mapping[str, Any]) -> Body:
    if "parsed_body" in side:
        return as_body(side["parsed_body"])
    body = side["content"] if "content" in side else side.get("body")
    if isinstance(body, dict) and "base64_string" in body:
        return decoded(body["base64_string"])  # pyright: ignore[reportUnknownArgumentType]
    return as_body(body["string"] if isinstance(body, dict) and "string" in body else body)  # pyright: ignore[reportUnknownArgumentType]
