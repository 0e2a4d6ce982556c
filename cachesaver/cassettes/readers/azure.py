"""The session records of Azure's test proxy: JSON bodies parsed, others as lines, text, or base64.

https://github.com/Azure/azure-sdk-tools (tools/test-proxy, RecordEntry)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import (
    Body,
    Interaction,
    as_body,
    as_lines,
    decoded,
    headers_of,
    interaction,
)
from cachesaver.dialects.jsontext import is_list
from cachesaver.exchange import Headers, get_header

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is a session record."""
    return "Entries" in top


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (session,) = documents
    for place, entry in enumerate(session.value["Entries"]):
        asked, told = _headers(entry, "Request"), _headers(entry, "Response")
        yield interaction(
            (
                entry["RequestMethod"],
                entry["RequestUri"],
                asked,
                _body(entry["RequestBody"], asked),
            ),
            (entry["StatusCode"], told, _body(entry["ResponseBody"], told), ""),
            place=place,
        )


def _headers(entry: dict[str, Any], side: str) -> Headers:
    return headers_of(entry, f"{side}Headers")


def _body(body: object, headers: Headers) -> Body:
    kind = (get_header(headers, "content-type") or "").partition(";")[0]
    if is_list(body) and kind != "application/json":
        return as_lines(map(str, body))
    if isinstance(body, str) and not kind.startswith("text/"):
        return decoded(body)
    return as_body(body)
