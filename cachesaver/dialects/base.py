"""The dialect that knows nothing: one sample a request, nothing dropped, no conversion.

A real dialect subclasses it, fills the tables, and overrides only what its API does differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects.jsontext import is_object, read_json, write_json
from cachesaver.dialects.routing import ROUTED
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers
from cachesaver.ports import Dialect

__all__ = ["STREAM_TYPES", "BaseDialect", "json_object", "json_response", "named", "of_one_model"]

_FRAMING = ("content-length", "content-type", "transfer-encoding", "content-encoding")

STREAM_TYPES = frozenset(
    {
        "text/event-stream",  # WHATWG HTML, section 9.2
        "application/x-ndjson",  # Ollama, https://github.com/ollama/ollama/blob/main/docs/api.md
        "application/stream+json",  # Cohere v1
        "application/vnd.amazon.eventstream",  # Bedrock
    }
)


class BaseDialect(Dialect):
    """Every member of `cachesaver.ports.Dialect` with the answer that assumes least."""

    name: str = ""
    endpoints: tuple[str, ...] = ()
    hosts: str = ""
    deterministic: bool = False
    volatile: Mapping[str, str] = MappingProxyType({})
    defaults: Mapping[str, object] = MappingProxyType({})
    null_is_absent: bool = False
    ties: tuple[str, ...] = ()
    headers: frozenset[str] = ROUTED
    max_count: int | None = 1
    converts: bool = False
    last_words: ClassVar[tuple[bytes, ...]] = ()
    """A stream has said its last word when its tail holds one of these and ends in a blank line."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def target(self, path: str, query: str) -> tuple[str, str]:
        return path, query

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return body.get("stream") is True

    def count(self, body: Mapping[str, object]) -> int:
        return 1

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        return request

    def streamed(self, response: Response) -> bool:
        return response.content_type in STREAM_TYPES

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        return self.streamed(response) == self.wants_stream(request, body)

    def sound(self, response: Response) -> bool:
        return True

    def finished(self, tail: bytes) -> bool:
        return tail.endswith((b"\n\n", b"\r\n\r\n")) and any(w in tail for w in self.last_words)

    def all_but_finished(self, tail: bytes) -> bool:
        return False

    def split(self, response: Response) -> tuple[Response, ...]:
        return (response,)

    def join(self, responses: Sequence[Response]) -> Response:
        (only,) = responses
        return only

    def whole(self, response: Response) -> Response:
        raise DialectError("cannot make a whole response of a stream", dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        raise DialectError("cannot make a stream of a whole response", dialect=self.name)

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        return (body,)

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        return request

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        return (response,)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        return "", MappingProxyType({})


def json_object(response: Response, *, dialect: str) -> dict[str, object]:
    """Return the JSON object that is *response*'s body.

    Raises:
        DialectError: It is not one.
    """
    try:
        body = read_json(response.body)
    except ValueError as error:
        raise DialectError("the response body is not JSON", dialect=dialect) from error
    if not is_object(body):
        raise DialectError("the response body is not a JSON object", dialect=dialect)
    return body


def json_response(like: Response, body: Mapping[str, object]) -> Response:
    """Return a whole JSON response with *body* and the status and other headers of *like*.

    Raises:
        ValueError: *body* is nested too deeply to be written.
    """
    labelled = like.content_type == "application/json" and like.header("content-type")
    kind = labelled or "application/json"
    return Response(
        status=like.status,
        headers=(*without_headers(like.headers, _FRAMING), ("content-type", kind)),
        chunks=(write_json(body),),
        offsets=like.offsets[-1:],
        reason=like.reason,
    )


def of_one_model(answers: Sequence[Mapping[str, object]], *, dialect: str) -> None:
    """Refuse *answers* of several models: a name that moves on (`latest`) gives vectors of two spaces.

    Raises:
        DialectError: They name more than one.
    """
    if len({str(answer.get("model")) for answer in answers}) > 1:
        raise DialectError("the answers are of several models", dialect=dialect)


def named(answer: Mapping[str, object], field: str, place: int) -> dict[str, object]:
    """Return *answer* with an id of its own in *field*, as the sample that stood at *place* in it.

    Samples that were bought with one call must not look like one message that came several times:
    programs that keep messages by id would lose all but one. The first keeps the id, so that
    joining the samples gives the answer as it was.
    """
    known = answer.get(field)
    if not place or not isinstance(known, str) or not known:
        return dict(answer)
    return {**answer, field: f"{known}-{place}"}
