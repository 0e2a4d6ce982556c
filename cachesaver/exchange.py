"""Requests, responses and samples: the client-neutral values every room passes along.

Values only. Nothing here may come to know a client library, a store, a clock or a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import urlsplit

__all__ = [
    "AsyncReply",
    "Headers",
    "Reply",
    "Request",
    "Response",
    "Sample",
    "get_header",
    "without_headers",
]

Headers = tuple[tuple[str, str], ...]
"""Name and value pairs in the order they stand on the wire; names in any case, Latin-1 text."""


def get_header(headers: Headers, name: str) -> str | None:
    """Return the first value of *name* (in any case) among *headers*, or None."""
    wanted = name.lower()
    for found, value in headers:
        if found.lower() == wanted:
            return value
    return None


def without_headers(headers: Headers, names: Iterable[str]) -> Headers:
    """Return *headers* less all that are called one of *names* (given in lower case)."""
    dropped = frozenset(names)
    return tuple([pair for pair in headers if pair[0].lower() not in dropped])


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as a client library is about to send it.

    Attributes:
        method: Upper case.
        url: Absolute, percent-encoded as it goes out, without fragment.
        headers: As the client set them. Credentials are in here: never log or store them.
        body: Whole, as on the wire (so still compressed when `content-encoding` says so).
    """

    method: str
    url: str
    headers: Headers = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    _named: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the headers once: they are looked up several times on the way of a request."""
        named = {name.lower(): value for name, value in reversed(self.headers)}
        object.__setattr__(self, "_named", named)

    def __repr__(self) -> str:
        return f"<Request {self.summary}>"

    @property
    def summary(self) -> str:
        """Method and URL without userinfo and query, where some providers put the key."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def header(self, name: str) -> str | None:
        """Return the first value of the header *name* (in any case), or None."""
        return self._named.get(name.lower())

    @property
    def header_names(self) -> Iterable[str]:
        """The names of all headers, in lower case, each once."""
        return self._named.keys()

    def with_body(self, body: bytes) -> Request:
        """Return this request with *body* and a `content-length` that fits it."""
        kept = without_headers(self.headers, ("content-length", "transfer-encoding"))
        return replace(self, body=body, headers=(*kept, ("content-length", str(len(body)))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response, read to its end.

    Attributes:
        status: 100 to 599.
        headers: `content-encoding` describes `chunks` as they stand. Framing headers
            (`content-length`, `transfer-encoding`) may be missing or stale: who sends it on sets them.
        chunks: The body as it arrived, one item per read, so a replayed stream has its old seams.
        offsets: Seconds from sending the request to the arrival of each chunk; empty when not known.
        reason: The reason phrase; empty when the client does not tell.
    """

    status: int
    headers: Headers = field(default=(), repr=False)
    chunks: tuple[bytes, ...] = field(default=(), repr=False)
    offsets: tuple[float, ...] = field(default=(), repr=False)
    reason: str = ""

    @property
    def body(self) -> bytes:
        """All chunks as one."""
        return self.chunks[0] if len(self.chunks) == 1 else b"".join(self.chunks)

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty when there is none."""
        return (get_header(self.headers, "content-type") or "").partition(";")[0].strip().lower()

    def header(self, name: str) -> str | None:
        """Return the first value of the header *name*, or None."""
        return get_header(self.headers, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answer to one fingerprint, as it is kept.

    Attributes:
        response: Body decoded (no `content-encoding`), headers redacted.
        draw: The draw id it was bought for.
        usage: The usage block as the provider sent it; empty when it sent none.
        model: The model as the provider named it in the answer; may be empty.
        created: Unix time in seconds at which its last byte arrived.
        latency: Seconds from sending the request to its last byte.
        first_byte: Seconds from sending the request to its first body byte.
        user_agent: Of the client that bought it.
    """

    response: Response
    draw: str
    usage: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    model: str = ""
    created: float = 0.0
    latency: float = 0.0
    first_byte: float = 0.0
    user_agent: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Reply:
    """A response whose head is there and whose body may still be on its way (blocking clients).

    Attributes:
        status: 100 to 599.
        headers: As they came, or as they are to be shown.
        chunks: The body, to be iterated once; framing (chunked) removed, `content-encoding` not.
        close: Gives the connection back; safe to call twice, and before `chunks` is exhausted.
        reason: The reason phrase; may be empty.
        http_version: Such as `"HTTP/1.1"`.
        whole: The response, where all of it is known already (a hit); then `chunks` iterates it.
        native: The client's own response object, if this one was just received by it: the
            pipeline carries it along untouched for the adapter that made it.
        sent: When its request was sent, by `time.perf_counter`; set by the engine.
        toll: What the call holds until it is settled; the engine's.
        bodiless: Whether it answers `HEAD`: its framing headers tell of a body that does not come.
    """

    status: int
    headers: Headers = field(repr=False)
    chunks: Iterator[bytes]
    close: Callable[[], None]
    reason: str = ""
    http_version: str = "HTTP/1.1"
    whole: Response | None = None
    native: object = None
    sent: float = 0.0
    toll: object = None
    bodiless: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class AsyncReply:
    """The same as `Reply` for async clients: *chunks* is async, *close* is awaited."""

    status: int
    headers: Headers = field(repr=False)
    chunks: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]]
    reason: str = ""
    http_version: str = "HTTP/1.1"
    whole: Response | None = None
    native: object = None
    sent: float = 0.0
    toll: object = None
    bodiless: bool = False
