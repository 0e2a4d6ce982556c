"""An API that we do not read, on a host the user named: kept whole, answered word for word.

One sample a request, and nothing is dropped from the question: not `stream`, for we cannot turn
one form into the other; no header but what is transport, no field of the query but credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import aws_events
from cachesaver.dialects.base import STREAM_TYPES, BaseDialect
from cachesaver.dialects.jsontext import is_object, read_json
from cachesaver.dialects.sse import decode
from cachesaver.exchange import Request, Response

__all__ = ["Generic"]


class Generic(BaseDialect):
    """One sample a request, word for word; recognised by nothing but its host."""

    name = "generic"
    unread = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return True

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        """Always: the form asked for is part of the question."""
        return True

    def sound(self, response: Response) -> bool:
        body = response.body
        if not body.strip():
            return False
        kind = response.content_type
        if kind == aws_events.MEDIA_TYPE:
            return b":exception-type" not in body
        if kind == "text/event-stream":
            return not any(map(_is_error, decode_data(body)))
        if kind in STREAM_TYPES:
            return not any(map(_is_error, body.splitlines()))
        return not _is_error(body) and not _gives_credential(body)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        try:
            answer = read_json(response.body)
        except ValueError:
            return "", MappingProxyType({})
        members = answer if is_object(answer) else {}
        model, usage = members.get("model"), members.get("usage")
        return (
            model if isinstance(model, str) else "",
            usage if is_object(usage) else MappingProxyType({}),
        )


_CREDENTIALS = frozenset(
    {
        "access_token",  # RFC 6749, section 5.1
        "refresh_token",
        "id_token",  # OpenID Connect Core, section 3.1.3.3
        "client_secret",  # OpenAI's realtime sessions, RFC 7591, section 3.2.1
    }
)
"""Members of an answer that is made of a credential, which no store may hold or give again."""


def decode_data(body: bytes) -> list[bytes]:
    """Return the data of each event of *body*; `{"error":true}` for one that is named "error"."""
    return [
        b'{"error":true}' if event.name == "error" else event.data.encode("utf-8", "replace")
        for event in decode(body)
    ]


def _gives_credential(body: bytes) -> bool:
    """Whether *body* is a JSON object with a credential among its members."""
    if not any(b'"%s"' % name.encode() in body for name in _CREDENTIALS):
        return False
    try:
        value = read_json(body)
    except ValueError:
        return False
    return is_object(value) and any(value.get(name) for name in _CREDENTIALS)


def _is_error(text: bytes) -> bool:
    """Whether *text* is a JSON object with a true `error`; what is no JSON is not for us to judge."""
    if b'"error"' not in text:
        return False
    try:
        value = read_json(text)
    except ValueError:
        return False
    return is_object(value) and bool(value.get("error"))
