"""Content codings (RFC 9110, section 8.4): taking them off a response, chunk by chunk. Pure."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import zstandard

from cachesaver.exchange import Headers, Response, get_header, without_headers

__all__ = ["FRAMING", "GZIP", "Decoder", "decoded", "decoder_for"]

FRAMING = ("content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive")
"""Headers that describe one transfer, not the response."""


class Decoder(Protocol):
    """Takes one content coding off, piece by piece."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what *data* adds to the decoded body, which may be nothing yet.

        Raises:
            zlib.error, zstandard.ZstdError, ValueError: It is not in this coding.
        """
        ...


class _Identity:
    def decompress(self, data: bytes, /) -> bytes:
        return data


GZIP = b"\x1f\x8b\x08"
"""How a gzip member begins: its two identifiers and the one method there is (RFC 1952, 2.3.1)."""

_ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60)))
"""How a zstd frame and a skippable one begin (RFC 8878, sections 3.1.1 and 3.1.2)."""


class _Members:
    """A body of several gzip members (RFC 1952, section 2.2) or zstd frames (RFC 8878, section 3.1).

    What follows a member and begins none is padding, and says nothing. Seams make no difference.
    """

    def __init__(self, make: Callable[[], Any], starts: tuple[bytes, ...]) -> None:
        self._make = make
        self._inner = make()
        self._starts = starts
        self._held = b""
        self._has_ended = False

    def decompress(self, data: bytes, /) -> bytes:
        pieces = list[bytes]()
        while data and not self._has_ended:
            if self._inner.eof and not (data := self._begun(data)):
                break
            pieces.append(self._inner.decompress(data))
            data = self._inner.unused_data if self._inner.eof else b""
        return b"".join(pieces)

    def _begun(self, data: bytes) -> bytes:
        """Return the start of the next member; nothing while it is too short to tell, or is none."""
        start, self._held = self._held + data, b""
        if len(start) < len(self._starts[0]):
            self._held = start
            return b""
        if not start.startswith(self._starts):
            self._has_ended = True
            return b""
        self._inner = self._make()
        return start


class _Deflate:
    """Both that servers send under this name: zlib (RFC 1950) and raw deflate (RFC 1951)."""

    def __init__(self) -> None:
        self._start = b""
        self._inner: Decoder | None = None

    def decompress(self, data: bytes, /) -> bytes:
        if self._inner is not None:
            return self._inner.decompress(data)
        self._start += data
        if len(self._start) < 2:  # noqa: PLR2004  # the header of RFC 1950, section 2.2
            return b""
        first, second = self._start[:2]
        has_header = first & 15 == 8 and (first * 256 + second) % 31 == 0  # noqa: PLR2004
        self._inner = zlib.decompressobj(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
        return self._inner.decompress(self._start)


class _Brotli:
    """The brotli library a client in this process needs to have asked for `br` at all."""

    def __init__(self) -> None:
        for name in ("brotli", "brotlicffi"):
            try:
                library: Any = importlib.import_module(name)
            except ImportError:
                continue
            self._inner = library.Decompressor()
            self._error = library.error
            return
        raise LookupError("br")

    def decompress(self, data: bytes, /) -> bytes:
        feed = getattr(self._inner, "decompress", None) or self._inner.process
        try:
            return bytes(feed(data))
        except self._error as error:
            raise ValueError(str(error)) from None


def decoder_for(headers: Headers) -> Decoder | None:
    """Return a decoder for the `content-encoding` of *headers*; None if it is one we do not know."""
    coding = (get_header(headers, "content-encoding") or "identity").strip().lower()
    match coding:
        case "identity" | "":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Members(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), (GZIP,))
        case "deflate":
            return _Deflate()
        case "zstd":
            return _Members(lambda: zstandard.ZstdDecompressor().decompressobj(), _ZSTD)
        case "br":
            try:
                return _Brotli()
            except LookupError:
                return None
        case _:
            return None


def decoded(response: Response) -> Response | None:
    """Return *response* with its content coding taken off and framing headers gone.

    Seams and offsets stay, less pieces that decode to nothing. None when the coding is not known or
    the body is not in it.
    """
    decoder = decoder_for(response.headers)
    if decoder is None:
        return None
    try:
        pieces = [decoder.decompress(chunk) for chunk in response.chunks]
    except (zlib.error, zstandard.ZstdError, ValueError):
        return None
    kept = [place for place, piece in enumerate(pieces) if piece]
    known = len(response.offsets) == len(pieces)
    return replace(
        response,
        headers=without_headers(response.headers, FRAMING),
        chunks=tuple(pieces[place] for place in kept),
        offsets=tuple(response.offsets[place] for place in kept) if known else (),
    )
