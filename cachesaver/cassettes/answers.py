"""Questions and samples as members of a document of a cassette, and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, cast

from cachesaver.cassettes.bodies import read_body, read_chunks, write_body, write_chunks
from cachesaver.exchange import Headers, Response, Sample

__all__ = ["answer_of", "moment_of", "question_members", "question_of", "sample_of"]

_STREAMS: Final = frozenset(
    {
        "text/event-stream",
        "application/x-ndjson",
        "application/stream+json",  # Cohere v1
        "application/vnd.amazon.eventstream",
    }
)


def question_members(question: bytes) -> dict[str, object]:
    """Return the members that stand for a canonical question (`identity.identify`).

    `asks` has its lines before the body: version, dialect and method; origin; path; query; headers.
    """
    head, cut, body = _parted(question)
    members: dict[str, object] = {"asks": head.decode("utf-8", "surrogateescape").split("\n")}
    return members | {"body": write_body(body)} if cut else members


def _parted(question: bytes) -> tuple[bytes, bytes, bytes]:
    """Part *question* at the empty line before its body; its query may be an empty line too."""
    start = 0
    for _ in range(_TARGET):
        start = question.find(b"\n", start) + 1
        if not start:
            return question, b"", b""
    end = question.find(b"\n\n", start - 1)
    return (question, b"", b"") if end < 0 else (question[:end], b"\n\n", question[end + 2 :])


_TARGET: Final = 4
"""Lines of a canonical question that are always there."""


def question_of(members: Mapping[str, Any]) -> bytes:
    """Return the canonical question that stands in *members*."""
    head = "\n".join(members["asks"]).encode("utf-8", "surrogateescape")
    return head + b"\n\n" + read_body(members["body"]) if "body" in members else head


def answer_of(sample: Sample) -> dict[str, object]:
    """Return the members that stand for *sample*."""
    response = sample.response
    members: dict[str, object] = {"status": response.status}
    if response.reason:
        members["reason"] = response.reason
    members["headers"] = _headers(response.headers)
    members |= _body(response)
    if sample.model:
        members["model"] = sample.model
    if sample.usage:
        members["usage"] = dict(sample.usage)
    if sample.created:  # else nobody knows
        when = datetime.fromtimestamp(sample.created, UTC).isoformat(timespec="milliseconds")
        members["recorded"] = when.replace("+00:00", "Z")
    members["seconds"] = [round(sample.first_byte, 6), round(sample.latency, 6)]
    if sample.draw:
        members["draw"] = sample.draw
    return members | ({"client": sample.user_agent} if sample.user_agent else {})


def moment_of(recorded: str) -> datetime:
    """Return what *recorded* says, in ISO 8601; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(recorded)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def sample_of(members: Mapping[str, Any]) -> Sample:
    """Return the sample that stands in *members*.

    Raises:
        ValueError, KeyError, TypeError: What stands there is none.
    """
    first_byte, latency = members.get("seconds", (0.0, 0.0))
    return Sample(
        response=_response(members),
        draw=members.get("draw", ""),
        usage=MappingProxyType(dict(members.get("usage", {}))),
        model=members.get("model", ""),
        created=moment_of(members["recorded"]).timestamp() if "recorded" in members else 0.0,
        latency=latency,
        first_byte=first_byte,
        user_agent=members.get("client", ""),
    )


def _response(members: Mapping[str, Any]) -> Response:
    headers: Any = members.get("headers", {})
    pairs = cast("dict[str, str]", headers).items() if isinstance(headers, dict) else headers
    made = Response(
        status=members["status"],
        reason=members.get("reason", ""),
        headers=tuple([(str(name), str(value)) for name, value in pairs]),
    )
    if "stream" not in members:
        body = read_body(members)
        return Response(
            status=made.status,
            reason=made.reason,
            headers=made.headers,
            chunks=(body,) if body else (),
        )
    arrivals: list[list[Any]] = members["stream"]
    offsets = [each[0] for each in arrivals]
    return Response(
        status=made.status,
        reason=made.reason,
        headers=made.headers,
        chunks=read_chunks([each[1:] for each in arrivals]),
        offsets=() if None in offsets else tuple(map(float, offsets)),
    )


def _headers(headers: Headers) -> object:
    """Return an object, or a list of pairs where a name comes twice."""
    names = [name for name, _ in headers]
    return dict(headers) if len(set(names)) == len(names) else [list(pair) for pair in headers]


def _body(response: Response) -> dict[str, object]:
    """Return the whole body; of a stream, each chunk with its offset."""
    if len(response.chunks) < 2 and response.content_type not in _STREAMS:  # noqa: PLR2004
        return write_body(response.body)
    if response.content_type not in _STREAMS and "json" in (whole := write_body(response.body)):
        return whole  # where JSON was cut on its way says nothing
    known = len(response.offsets) == len(response.chunks)
    offsets = response.offsets if known else (None,) * len(response.chunks)
    pieces = write_chunks(response.chunks)
    return {
        "stream": [
            [None if at is None else round(at, 6), *chunk]
            for at, chunk in zip(offsets, pieces, strict=True)
        ]
    }
