"""A request as vcrpy's users know it: what matchers compare, filters change, and cassettes hold.

It has the attributes of `vcr.request.Request`, so that matchers and hooks written for that take this.
"""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, cast
from urllib.parse import SplitResult, parse_qsl, urlsplit

from cachesaver import exchange

__all__ = ["Headers", "Request", "body_of"]

_PORTS: Final = {"https": 443, "http": 80}


class Headers(MutableMapping[str, Any]):
    """Headers by name in any case, each with one value; the first spelling of a name stays."""

    def __init__(self, given: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self._held: dict[str, tuple[str, Any]] = {}
        self.update(given)

    def __getitem__(self, name: str) -> Any:
        return self._held[name.lower()][1]

    def __setitem__(self, name: str, value: Any) -> None:
        spelled, _ = self._held.get(name.lower(), (name, None))
        self._held[name.lower()] = spelled, _first(value)

    def __delitem__(self, name: str) -> None:
        del self._held[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._held.values())

    def __len__(self) -> int:
        return len(self._held)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        mine = {name: value for name, (_, value) in self._held.items()}
        theirs = cast("Mapping[str, Any]", other)
        return mine == {name.lower(): _first(value) for name, value in theirs.items()}

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return repr(dict(self))

    def copy(self) -> Headers:
        """Return a copy."""
        return Headers(self)


def _first(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return value[0] if value else ""
    return value


class Request:
    """One request.

    Attributes:
        method: As the client said it, or the cassette does.
        uri: Absolute.
        headers: See `Headers`.
        body: Bytes; None, or what a cassette holds parsed (a mapping, a list).
    """

    def __init__(self, method: str, uri: str, body: Any, headers: Any) -> None:
        self.method = method
        self.uri = uri
        self.body = body
        self.headers = headers

    @classmethod
    def of(cls, request: exchange.Request) -> Request:
        """Return *request*, which a client is about to send, as this."""
        headers = Headers()
        for name, value in request.headers:
            headers.setdefault(name, value)  # of several values the first is kept
        return cls(request.method, request.url, request.body, headers)

    @property
    def uri(self) -> str:
        """The URL."""
        return self._uri

    @uri.setter
    def uri(self, uri: str) -> None:
        self._uri = uri
        self.parsed_uri: SplitResult = urlsplit(uri)

    @property
    def headers(self) -> Headers:
        """The headers."""
        return self._headers

    @headers.setter
    def headers(self, headers: Any) -> None:
        self._headers = headers if isinstance(headers, Headers) else Headers(headers or {})

    @property
    def body(self) -> Any:
        """The body."""
        return self._body

    @body.setter
    def body(self, body: Any) -> None:
        if isinstance(body, str):
            body = body.encode()
        elif hasattr(body, "read"):
            body = body.read()
        elif isinstance(body, Iterator):
            body = b"".join(_bytes(piece) for piece in body)
        self._body = body

    @property
    def body_bytes(self) -> bytes | None:
        """The body as bytes, whatever a cassette made of it; None where there is none."""
        return None if self._body is None else body_of(self)

    @property
    def scheme(self) -> str:
        """Of the URL."""
        return self.parsed_uri.scheme

    protocol = scheme

    @property
    def url(self) -> str:
        """The URL."""
        return self._uri

    @property
    def host(self) -> str | None:
        """Of the URL, in lower case."""
        return self.parsed_uri.hostname

    @property
    def port(self) -> int | None:
        """Of the URL, or its scheme's own."""
        return self.parsed_uri.port or _PORTS.get(self.scheme)

    @property
    def path(self) -> str:
        """Of the URL, percent-encoded."""
        return self.parsed_uri.path

    @property
    def query(self) -> list[tuple[str, str]]:
        """Names and values of the query, sorted; what is empty is not in it."""
        return sorted(parse_qsl(self.parsed_uri.query))

    def __repr__(self) -> str:
        return f"<Request ({self.method}) {self.uri}>"

    def _to_dict(self) -> dict[str, Any]:
        """Return what vcrpy's serializers write."""
        headers = {name: [value] for name, value in self.headers.items()}
        return {"method": self.method, "uri": self.uri, "body": self.body, "headers": headers}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Request:
        """Return what `_to_dict` told; members that nobody knows are left."""
        return cls(told["method"], told["uri"], told.get("body"), told.get("headers") or {})

    _from_dict = from_dict


def body_of(request: Any) -> bytes:
    """Return the body of *request*, ours or vcrpy's, as bytes; what is parsed is spelled as JSON."""
    body: Any = request.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, dict | list) and not _is_pieces(cast("Any", body)):
        return json.dumps(body).encode()
    if isinstance(body, Iterable) and not isinstance(body, str | bytes | bytearray):
        return b"".join(_bytes(piece) for piece in body)
    return _bytes(body)


def _is_pieces(body: Any) -> bool:
    return isinstance(body, list) and all(isinstance(piece, bytes) for piece in body)


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    return value.encode() if isinstance(value, str) else bytes(value)
