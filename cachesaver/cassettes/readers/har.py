"""HTTP archives, as browsers, proxies and Polly.JS write them.

http://www.softwareishard.com/blog/har-12-spec
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from cachesaver.cassettes.readers.texts import Document
from cachesaver.cassettes.readers.values import (
    Body,
    Interaction,
    as_body,
    as_headers,
    decoded,
    interaction,
)
from cachesaver.exchange import Headers, get_header

__all__ = ["claims", "read"]


def claims(top: Mapping[str, Any]) -> bool:
    """Tell whether it is an archive."""
    return isinstance(log := top.get("log"), dict) and "entries" in log


def read(documents: list[Document], _location: str) -> Iterator[Interaction]:
    """Iterate the interactions, in the file's order."""
    (archive,) = documents
    for place, entry in enumerate(archive.value["log"]["entries"]):
        asked, told = entry["request"], entry["response"]
        posted: dict[str, Any] = asked.get("postData") or {}
        shown: dict[str, Any] = told.get("content") or {}
        yield interaction(
            (asked["method"], asked["url"], _headers(asked, posted), _posted(posted)),
            (
                told["status"],
                _headers(told, shown),
                _content(shown),
                told.get("statusText") or "",
            ),
            place=place,
            recorded=entry.get("startedDateTime") or "",
        )


def _headers(side: dict[str, Any], body: dict[str, Any]) -> Headers:
    """The headers, with the type that the archive tells beside them where it left all out.

    Names that begin with a colon are HTTP/2's, and no headers.
    """
    pairs = [(pair["name"], pair["value"]) for pair in side["headers"]]
    pairs += [("cookie", f"{each['name']}={each['value']}") for each in _untold(side, pairs)]
    headers = as_headers(pair for pair in pairs if not pair[0].startswith(":"))
    kind = body.get("mimeType")
    missing = kind and get_header(headers, "content-type") is None
    return (*headers, ("content-type", kind)) if missing and kind else headers


def _untold(side: dict[str, Any], pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    """The cookies that stand beside the headers and in none of them."""
    told = "\0".join(value for _, value in pairs)
    return [each for each in side.get("cookies") or () if each["value"] not in told]


def _posted(posted: dict[str, Any]) -> Body:
    if posted.get("text") or not posted.get("params"):
        return _content(posted)
    pairs = [(pair["name"], pair.get("value", "")) for pair in posted["params"]]
    return Body(content=urlencode(pairs).encode(), lossy=("was kept as its fields",))


def _content(content: dict[str, Any]) -> Body:
    text = content.get("text")
    return decoded(text) if text and content.get("encoding") == "base64" else as_body(text)
