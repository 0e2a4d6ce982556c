"""Recordings in JSON: HAR as Polly.JS writes it, and the session records of Azure's test proxy."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from cachesaver.dialects.jsontext import is_list
from cachesaver.exchange import Headers, get_header
from recordings.values import Pair, as_bytes, as_headers, as_request, as_response, joined_lines

__all__ = ["azure_session", "har"]


def har(content: bytes, name: str) -> Iterator[Pair]:
    """Read HAR 1.2: http://www.softwareishard.com/blog/har-12-spec."""
    archive: Any = json.loads(content)
    for entry in archive["log"]["entries"]:
        asked, told = entry["request"], entry["response"]
        shown = told["content"]
        text = shown.get("text", "")
        coded = shown.get("encoding") == "base64"
        yield (
            as_request(
                asked["method"],
                asked["url"],
                _typed(asked, asked.get("postData", {}).get("mimeType")),
                as_bytes(asked.get("postData", {}).get("text")),
            ),
            as_response(
                told["status"],
                _typed(told, shown.get("mimeType")),
                base64.b64decode(text) if coded else as_bytes(text),
                told["statusText"],
            ),
        )


def _typed(side: dict[str, Any], kind: str | None) -> Headers:
    """The headers, with the type that the archive tells beside them where it left all out."""
    headers = as_headers([(pair["name"], pair["value"]) for pair in side["headers"]])
    missing = kind and get_header(headers, "content-type") is None
    return (*headers, ("content-type", kind)) if missing and kind else headers


def azure_session(content: bytes, name: str) -> Iterator[Pair]:
    """Read session records: JSON bodies parsed, others as lines, text, or base64.

    https://github.com/Azure/azure-sdk-tools (tools/test-proxy, RecordEntry)
    """
    session: Any = json.loads(content.decode("utf-8-sig"))
    for entry in session["Entries"]:
        asked, told = _session_headers(entry, "Request"), _session_headers(entry, "Response")
        yield (
            as_request(
                entry["RequestMethod"],
                entry["RequestUri"],
                asked,
                _session_body(entry["RequestBody"], asked),
            ),
            as_response(entry["StatusCode"], told, _session_body(entry["ResponseBody"], told)),
        )


def _session_headers(entry: dict[str, Any], side: str) -> Headers:
    return as_headers(entry[f"{side}Headers"].items())


def _session_body(body: object, headers: Headers) -> bytes:
    kind = (get_header(headers, "content-type") or "").partition(";")[0]
    if is_list(body) and kind != "application/json":
        return joined_lines(map(str, body))
    if isinstance(body, str) and not kind.startswith("text/"):
        return base64.b64decode(body)
    return as_bytes(body)
