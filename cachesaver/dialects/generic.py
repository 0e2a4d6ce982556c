"""A sampling API whose format we do not read: the request is kept whole, the answer untouched.

Used for the endpoints of the table below and for hosts the user named. One sample a request, and
nothing is dropped from the question: not `stream`, for we cannot turn one form into the other.
A row may enter the table only if its shape cannot be an ordinary REST call's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cachesaver.dialects.base import STREAM_TYPES, BaseDialect
from cachesaver.dialects.jsontext import is_list, is_object, read_json
from cachesaver.dialects.sse import decode
from cachesaver.exchange import Request, Response

__all__ = ["SAMPLING", "Endpoint", "Generic"]

_EVENT_STREAM = "application/vnd.amazon.eventstream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A sampling endpoint whose format we do not read.

    Attributes:
        host: Pattern for `host:port`, all of it.
        path: Pattern for the path's end.
        shape: Tells whether a body is a request for a sample.
        ends: What the last line or event of a complete text stream holds, one of these; empty
            where only the end of the body tells.
        source: Where the API is documented.
        streams: Whether the answer is a stream unless the body has `"stream": false`.
    """

    host: str
    path: str
    shape: Callable[[Mapping[str, object]], bool]
    ends: tuple[bytes, ...]
    source: str
    streams: bool = False


class Generic(BaseDialect):
    """One sample a request, word for word.

    Args:
        endpoint: What is known of the endpoint; None for a host the user named.
    """

    name = "generic"

    def __init__(self, endpoint: Endpoint | None = None) -> None:
        self._endpoint = endpoint
        self.endpoints = (endpoint.path,) if endpoint else ()
        self.last_words = endpoint.ends if endpoint else ()  # type: ignore[misc]  # per endpoint

    def __repr__(self) -> str:
        return f"Generic({self.endpoints[0] if self.endpoints else ''!r})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return self._endpoint is None or self._endpoint.shape(body)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        unsaid = self._endpoint is not None and self._endpoint.streams
        return body.get("stream", unsaid) is True

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        """Always: the form asked for is part of the question."""
        return True

    def finished(self, tail: bytes) -> bool:
        ended = tail.rstrip(b"\r\n")
        if not self.last_words or len(ended) == len(tail):
            return False
        last = ended[max(ended.rfind(b"\n"), ended.rfind(b"\r")) + 1 :]
        return any(word in last for word in self.last_words)

    def sound(self, response: Response) -> bool:
        body = response.body
        if not body.strip():
            return False
        kind = response.content_type
        if kind == _EVENT_STREAM:
            return b":exception-type" not in body
        if kind == "text/event-stream":
            return self._has_ended(body) and not any(map(_is_error, decode_data(body)))
        if kind in STREAM_TYPES:
            return self._has_ended(body) and not any(map(_is_error, body.splitlines()))
        return not _is_error(body)

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

    def _has_ended(self, body: bytes) -> bool:
        return not self.last_words or any(word in body[-65536:] for word in self.last_words)


def decode_data(body: bytes) -> list[bytes]:
    """Return the data of each event of *body*; `{"error":true}` for one that is named "error"."""
    return [
        b'{"error":true}' if event.name == "error" else event.data.encode("utf-8", "replace")
        for event in decode(body)
    ]


def _is_error(text: bytes) -> bool:
    """Whether *text* is a JSON object with a true `error`; what is no JSON is not for us to judge."""
    if b'"error"' not in text:
        return False
    try:
        value = read_json(text)
    except ValueError:
        return False
    return is_object(value) and bool(value.get("error"))


def _is_chat(body: Mapping[str, object]) -> bool:
    messages = body.get("messages")
    return (
        is_list(messages)
        and bool(messages)
        and all(is_object(m) and isinstance(m.get("role"), str) for m in messages)
    )


def _is_model_chat(body: Mapping[str, object]) -> bool:
    return _is_text(body.get("model")) and _is_chat(body)


def _is_model_prompt(body: Mapping[str, object]) -> bool:
    return _is_text(body.get("model")) and _is_text(body.get("prompt"))


def _is_cohere_v1(body: Mapping[str, object]) -> bool:
    # A `conversation_id` makes the server keep the history and prepend it.
    return _is_text(body.get("message")) and body.get("conversation_id") is None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_COHERE = r"api\.cohere\.(?:com|ai):443"
_BEDROCK = r"bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?:443"
_CONVERSE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_"

SAMPLING: tuple[Endpoint, ...] = (
    Endpoint(
        host=_COHERE,
        path=r"/v2/chat",
        shape=_is_model_chat,
        ends=(b'"message-end"',),
        source="https://docs.cohere.com/reference/chat",
    ),
    Endpoint(
        host=_COHERE,
        path=r"/v1/chat",
        shape=_is_cohere_v1,
        ends=(b'"stream-end"',),
        source="https://docs.cohere.com/v1/reference/chat",
    ),
    Endpoint(
        host=r"(?:api|codestral)\.mistral\.ai:443",
        path=r"/v1/fim/completions",
        shape=_is_model_prompt,
        ends=(b"data: [DONE]",),
        source="https://docs.mistral.ai/api/#tag/fim",
    ),
    # The requests are signed over their bytes, which this dialect never changes.
    Endpoint(
        host=_BEDROCK,
        path=r"/model/[^/]+/converse",
        shape=_is_chat,
        ends=(),
        source=_CONVERSE + "Converse.html",
    ),
    Endpoint(
        host=_BEDROCK,
        path=r"/model/[^/]+/converse-stream",
        shape=_is_chat,
        ends=(),
        source=_CONVERSE + "ConverseStream.html",
        streams=True,
    ),
)
