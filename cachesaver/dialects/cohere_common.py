"""What Cohere's APIs share: where they are at home, the mark of their SDK, how streams are framed.

No field of an answer is known here but `meta`, which all but chat (v2) end with.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from cachesaver.dialects import events, ndjson
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.hosts import address_of
from cachesaver.dialects.jsontext import is_object, read_json
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = [
    "HOSTS",
    "CohereDialect",
    "is_cohere",
    "is_from_sdk",
    "last_event",
    "looks_streamed",
    "read_events",
    "refuse",
    "usage_in",
]

HOSTS = r"(?:production\.)?api\.cohere\.(?:com|ai):443"
"""https://docs.cohere.com/reference/about; `.ai` and `production.` are older names of the same."""

_HOME = re.compile(HOSTS)

_MARK = "x-fern-sdk-name"
"""Header in which the SDKs that Fern makes name themselves; `cohere` is Cohere's for Python."""

_LINES = frozenset({"application/stream+json", "application/x-ndjson"})
"""Types of streams of one JSON object a line: v1's usual form (recorded exchanges)."""

_NOT_COUNTED = frozenset({"api_version", "warnings"})
"""What `meta` holds beside what was used and billed."""

_DATA = re.compile(rb"(?:\A|[\r\n])data:")
_BLANK_LINE = re.compile(rb"(?:\r\n|\r|\n)(?:\r\n|\r|\n)\Z")


class CohereDialect(BaseDialect):
    """An API of Cohere's: on its own hosts, and wherever its own SDK is sent.

    Nothing in `{"model", "messages"}` or `{"texts"}` is Cohere's alone, so elsewhere it takes the
    SDK's mark to know (a Model Vault has an address of its own:
    https://docs.cohere.com/docs/model-vault/standard/api-access).

    Args:
        by_sdk: Know it by the mark, on any host.
    """

    null_is_absent = True  # recorded exchanges: `"truncate": null`, `"max_tokens": null`

    def __init__(self, *, by_sdk: bool = False) -> None:
        self._by_sdk = by_sdk
        self.hosts = "" if by_sdk else HOSTS

    def __repr__(self) -> str:
        return f"{type(self).__name__}(by_sdk={self._by_sdk})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return self._has_shape(body) and (not self._by_sdk or is_from_sdk(request))

    @abstractmethod
    def _has_shape(self, body: Mapping[str, object]) -> bool:
        """Tell whether *body* asks what this API answers."""


def is_cohere(request: Request) -> bool:
    """Tell whether *request* goes to Cohere, for certain."""
    return is_from_sdk(request) or _HOME.fullmatch(address_of(request.url)) is not None


def is_from_sdk(request: Request) -> bool:
    """Tell whether Cohere's own SDK made *request*."""
    return request.header(_MARK) == "cohere"


def looks_streamed(response: Response) -> bool:
    """Tell whether *response* is a stream: server-sent events, or one JSON object a line."""
    return response.content_type in _LINES or events.looks_streamed(response)


def read_events(response: Response, *, dialect: str) -> list[dict[str, object]]:
    """Return the objects that the stream *response* holds, in either framing, in order.

    Raises:
        DialectError: Something in it is no JSON object.
    """
    if events.looks_streamed(response):
        return list(events.data_objects(response, dialect=dialect))
    return ndjson.read_lines(response, dialect=dialect)


def last_event(tail: bytes) -> Mapping[str, object]:
    """Return the event a stream ends with, of which *tail* are the last bytes.

    Empty where it is not told to its end, or begins before *tail*. A closing `[DONE]` is no event.
    """
    if not _DATA.search(tail):
        lines = tail.splitlines() if tail.endswith(b"\n") else []
        return _read(lines[-1] if lines else b"")
    if not _BLANK_LINE.search(tail):
        return _NOTHING
    data = [event.data for event in decode(tail) if event.data != events.DONE]
    return _read(data[-1] if data else "")


def usage_in(meta: object) -> Mapping[str, object]:
    """Return what *meta* says was used and billed."""
    if not is_object(meta):
        return _NOTHING
    return {name: value for name, value in meta.items() if name not in _NOT_COUNTED}


def refuse(why: str, *, dialect: str) -> NoReturn:
    """Raise a DialectError."""
    raise DialectError(why, dialect=dialect)


_NOTHING: Mapping[str, object] = MappingProxyType({})


def _read(text: bytes | str) -> Mapping[str, object]:
    try:
        value = read_json(text)
    except ValueError:
        return _NOTHING
    return value if is_object(value) else _NOTHING
