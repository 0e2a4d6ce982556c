"""Requests of `http.client` as ours, written as bytes; and its responses as our replies.

Translation only: nothing here asks a gate, or connects. http.client is not imported; *lib* is the
module in question.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from cachesaver.exchange import Headers, Reply, Request, get_header
from cachesaver.transports.parsing import Stream

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["END", "Exchange", "Head", "Played"]

_BLOCK: Final = 65536
_OLD: Final = 10
END: Final = b"\r\n\r\n"
"""Of a head; RFC 9112, section 2.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request up to its body.

    Attributes:
        method: As sent.
        target: As sent: a path with a query or, to a proxy, a URL.
        version: As sent, such as `"HTTP/1.1"`.
        url: Where it goes, whatever it goes through.
        headers: As sent.
    """

    method: str
    target: str
    version: str
    url: str
    headers: Headers

    @classmethod
    def of(cls, lib: Any, connection: Any) -> Self:
        """Return the head that *connection* has in its buffer and is about to send."""
        first, *lines = (line.decode("latin-1") for line in connection._buffer)  # noqa: SLF001  # it is nowhere else
        method, target, version = first.split(" ", 2)
        pairs = (line.partition(":") for line in lines)
        return cls(
            method=method,
            target=target,
            version=version,
            url=_origin(lib, connection) + target if target.startswith("/") else target,
            # A value in several lines is one value (RFC 9112, section 5.2).
            headers=tuple(
                (name, " ".join(value.split("\r\n\t")).strip()) for name, _, value in pairs
            ),
        )

    @property
    def switches_protocols(self) -> bool:
        """Whether it is no exchange of messages."""
        return get_header(self.headers, "upgrade") is not None

    @property
    def obstacle(self) -> str:
        """Why its body cannot be read before it is sent; empty where it can."""
        waits = get_header(self.headers, "expect") is not None
        return "it waits for 100-continue before it sends its body" if waits else ""

    @property
    def is_chunked(self) -> bool:
        """Whether its body is framed in chunks."""
        return "chunked" in (get_header(self.headers, "transfer-encoding") or "").lower()

    @property
    def length(self) -> int:
        """Of its body, in bytes; -1 where it does not say."""
        length = get_header(self.headers, "content-length") or ""
        return int(length) if length.isdecimal() and not self.is_chunked else -1

    def body(self, sent: bytes) -> bytes | None:
        """Return the body in *sent*, the bytes after the head, unframed; None if more is to come."""
        if self.is_chunked:
            return _unchunked(sent)
        return sent if len(sent) >= self.length else None

    def request(self, body: bytes) -> Request:
        """Return it with *body*."""
        return Request(method=self.method.upper(), url=self.url, headers=self.headers, body=body)

    def wire(self, asked: Request, wanted: Request) -> bytes:
        """Return the bytes that send *wanted* the way in which this head sends *asked*."""
        target = self.target
        if wanted.url != asked.url:
            target = "/" + wanted.url.split("/", 3)[3] if target.startswith("/") else wanted.url
        method = self.method if wanted.method == asked.method else wanted.method
        lines = (f"{method} {target} {self.version}", *(f"{n}: {v}" for n, v in wanted.headers))
        return "\r\n".join((*lines, "", "")).encode("latin-1") + _framed(wanted)


def _origin(lib: Any, connection: Any) -> str:
    """Return scheme, host and port of *connection*, or of what it reaches through a tunnel."""
    secure: Any = getattr(lib, "HTTPSConnection", ())  # Python may have been built without TLS
    scheme = "https" if isinstance(connection, secure) else "http"
    tunnelled: str | None = connection._tunnel_host  # noqa: SLF001  # no other sign
    host: str = tunnelled or connection.host
    port: int = connection._tunnel_port if tunnelled else connection.port  # noqa: SLF001  # as above
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port == connection.default_port else f":{port}")


def _framed(request: Request) -> bytes:
    if "chunked" not in (request.header("transfer-encoding") or "").lower():
        return request.body
    chunk = b"%x\r\n%b\r\n" % (len(request.body), request.body) if request.body else b""
    return chunk + b"0" + END


def _unchunked(sent: bytes) -> bytes | None:
    """Return the body that *sent* frames in chunks; None where it does not end, or is not framed."""
    body, rest = bytearray(), sent
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            return None
        if not length:
            return bytes(body) if rest == b"\r\n" or rest.endswith(END) else None
        body += rest[:length]
        rest = rest[length + 2 :]
    return None


# --- responses


class Exchange(Iterator[bytes]):
    """A response that is read from a connection's own socket; iterates its body as it arrives.

    Attributes:
        native: The client's own response.
        error: What reading it has failed with.
    """

    def __init__(self, lib: Any, socket: object, method: str) -> None:
        self._lib = lib
        self.native = lib.HTTPResponse(socket, method=method)
        self.error: Exception | None = None
        self._seen: list[bytes] = []

    def begin(self) -> Reply:
        """Wait for the head; return the response, whose body is still to be read, as ours."""
        try:
            self.native.begin()
        except BaseException as error:
            self._note(error)
            self.native.close()
            raise
        return self._reply(self)

    def __next__(self) -> bytes:
        if self.native.isclosed():
            raise StopIteration
        try:
            piece = self._read()
        except BaseException as error:
            self._note(error)
            raise
        if not piece:
            self.native.close()
            raise StopIteration
        self._seen.append(piece)
        return piece

    def _read(self) -> bytes:
        piece: bytes = self.native.read1(_BLOCK)
        if not piece and self.native.length:
            raise self._lib.IncompleteRead(b"", self.native.length)
        return piece

    def failure(self, error: BaseException) -> io.RawIOBase | None:
        """Return what a client reads that meets *error* where it was met; None if it was not here."""
        if error is not self.error:
            return None
        if self.native.headers is None:
            return _Broken(error)
        return Played(self._lib, self._reply(_then(self._seen, error)))

    def _note(self, error: BaseException) -> None:
        self.error = error if isinstance(error, Exception) else None

    def _reply(self, chunks: Iterator[bytes]) -> Reply:
        return Reply(
            status=self.native.status,
            headers=tuple(self.native.getheaders()),
            chunks=chunks,
            close=self.native.close,
            reason=self.native.reason,
            http_version="HTTP/1.0" if self.native.version == _OLD else "HTTP/1.1",
            native=self.native,
        )


def _then(chunks: list[bytes], error: BaseException) -> Iterator[bytes]:
    yield from chunks
    raise error


class Played(Stream):
    """The bytes of a reply. Where one breaks off, so do they: their reader says what it makes of it."""

    def __init__(self, lib: Any, reply: Reply) -> None:
        super().__init__(reply)
        self._breaks: type[Exception] = lib.IncompleteRead
        self._native: Any = reply.native

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See `Stream.readinto`."""
        try:
            return super().readinto(buffer)
        except self._breaks:
            native = self._native
            is_within_a_chunk = native is not None and native.chunked and native.chunk_left
            # Between chunks, a reader of lines takes the end of the connection for that of the body.
            self.unread(b"1\r\n" if is_within_a_chunk else b"")
            return super().readinto(buffer)


class _Broken(io.RawIOBase):
    """A stream that nothing comes from but *error*."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        raise self._error
