"""How many choices a completion request asks for: read `n`, write `n`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cachesaver.dialects.jsontext import is_object, read_exactly, write_json
from cachesaver.exchange import Request, without_headers

__all__ = ["asked_n", "with_n"]


def asked_n(body: Mapping[str, object]) -> int | None:
    """Return the `n` of *body*, 1 if it has none, or None if that is no number of samples."""
    n = body.get("n")
    if n is None:
        return 1
    if isinstance(n, float) and n.is_integer():
        n = int(n)
    return n if isinstance(n, int) and not isinstance(n, bool) and n > 0 else None


def with_n(request: Request, body: Mapping[str, object], count: int) -> Request:
    """Return *request* asking for *count* choices.

    Where it had no `n`, every other byte stays as the client wrote it.

    Raises:
        ValueError: The body is nested too deeply to be written.
    """
    plain = without_headers(request.headers, ("content-encoding",))
    return replace(request, headers=plain).with_body(_content(request, body, count))


def _content(request: Request, body: Mapping[str, object], count: int) -> bytes:
    content = request.body.lstrip()
    if content[:1] != b"{":  # compressed
        return write_json(_but_n(body, count))
    if "n" not in body:
        comma = b"" if content[1:].lstrip()[:1] == b"}" else b","
        return b'{"n":%d%s%s' % (count, comma, content[1:])
    exact = read_exactly(content)
    return write_json(_but_n(exact if is_object(exact) else body, count))


def _but_n(body: Mapping[str, object], count: int) -> dict[str, object]:
    kept = {name: value for name, value in body.items() if name != "n"}
    return {**kept, "n": count} if count > 1 else kept
