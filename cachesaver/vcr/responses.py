"""Responses as vcrpy's cassettes have them, and as a client gets them.

A cassette's body may be what a client had decoded already, under headers that still say it is compressed:
it is compressed anew, so that headers and body say one thing.
"""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import zstandard

from cachesaver.encoding import decoded
from cachesaver.exchange import Headers, Response, get_header, without_headers

__all__ = ["from_recorded", "to_recorded"]


def from_recorded(told: Mapping[str, Any], *, bodiless: bool = False) -> Response:
    """Return the response that a cassette *told*, in any of vcrpy's ways to tell one.

    Args:
        told: As it stands there.
        bodiless: Whether it answers `HEAD`: then how a body would be framed is kept too.
    """
    status: Mapping[str, Any] = told.get("status") or {"code": told["status_code"]}
    body = _body(told)
    headers = _headers(told.get("headers") or {})
    if not bodiless:
        headers = without_headers(headers, ("transfer-encoding",))
    headers, body = _coded(headers, body)
    return Response(
        status=int(status["code"]),
        headers=headers,
        chunks=(body,) if body else (),
        reason=str(status.get("message") or ""),
    )


def _body(told: Mapping[str, Any]) -> bytes:
    # vcrpy 4 and 5 wrote "content" for httpx
    body: Any = told["content"] if "content" in told else told.get("body")
    if isinstance(body, dict):
        body = cast("dict[str, Any]", body).get("string")
    if body is None:
        return b""
    return body.encode() if isinstance(body, str) else bytes(body)


def _headers(told: Mapping[str, Any]) -> Headers:
    return tuple(
        (str(name), _latin(value))
        for name, values in told.items()
        for value in (
            cast("Iterable[Any]", values) if isinstance(values, list | tuple) else [values]
        )
    )


def _latin(value: Any) -> str:
    """*value* as headers are sent: what has no such character is sent as UTF-8."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode().decode("latin-1")
    return text


def _coded(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """Return headers and body that agree on how the body is compressed."""
    coding = (get_header(headers, "content-encoding") or "identity").strip().lower()
    if coding == "identity" or not body or _is_coded(headers, body):
        return headers, body
    compress = _CODINGS.get(coding)
    packed = compress(body) if compress else None
    if packed is None:
        return without_headers(headers, ("content-encoding", "content-length")), body
    return headers, packed


def _is_coded(headers: Headers, body: bytes) -> bool:
    coding = ("content-encoding", get_header(headers, "content-encoding") or "")
    plain = decoded(Response(status=200, headers=(coding,), chunks=(body,)))
    return plain is not None and bool(plain.body)


def _brotli(body: bytes) -> bytes | None:
    for name in ("brotli", "brotlicffi"):
        try:
            library: Any = importlib.import_module(name)
        except ImportError:
            continue
        return cast("bytes", library.compress(body, quality=0))
    return None


_CODINGS: Final[Mapping[str, Callable[[bytes], bytes | None]]] = MappingProxyType(
    {
        # RFC 9110, section 8.4.1, and RFC 8878; at the least effort: nobody keeps it
        "gzip": lambda body: gzip.compress(body, compresslevel=1, mtime=0),
        "x-gzip": lambda body: gzip.compress(body, compresslevel=1, mtime=0),
        "deflate": lambda body: zlib.compress(body, 1),
        "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
        "br": _brotli,
    }
)


def to_recorded(response: Response) -> dict[str, Any]:
    """Return *response* as a cassette has it: decoded, as every client of vcrpy's reads it."""
    plain = decoded(response)
    body = response.body if plain is None else plain.body
    headers = response.headers
    # without a body (HEAD, 304) they are those of another answer
    if plain is not None and response.body and get_header(headers, "content-encoding"):
        headers = without_headers(headers, ("content-encoding", "content-length"))
        headers = (*headers, ("content-length", str(len(body))))
    told = dict[str, list[str]]()
    for name, value in headers:
        told.setdefault(name, []).append(value)
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": told,
        "body": {"string": body},
    }
