"""Our own cassettes: an interaction for each answer and error, whose request says its canonical question.

As the form of an answer (whole, or a stream) is no part of its question, the request asks for the one
that was recorded.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.cassettes.answers import sample_of
from cachesaver.cassettes.format import Document, parse, recorded, unix
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.dialects.generic import Generic
from cachesaver.exchange import Headers, Request, Response, Sample
from cachesaver.ports import Dialect

__all__ = ["BEGINNING", "dialect_of", "interaction_of", "read", "request_of", "streaming"]

BEGINNING: Final = tuple(
    b"{" + begins + b'"cachesaver cassette"' for begins in (b"", b"\n ", b"\r\n ")
)

_LOSS: Final = "the request is its question in canonical form"

_KINDS: Final = {
    # how the canonical spelling of a body that is no JSON object begins (`canonical.parse_body`)
    b"form\n": ("application/x-www-form-urlencoded", ()),
    b"json\n": ("application/json", ()),
    b"raw\n": ("application/octet-stream", ()),
    b"multipart\n": ("multipart/form-data", ("the parts of the request's body are digests",)),
}


def read(text: bytes, location: str) -> Iterator[Interaction]:
    """Iterate the interactions: by question, then in the order of its answers, errors as they came."""
    text = unix(text)
    _, documents = parse(text, location=location)
    line, place = text.partition(b"---\n")[0].count(b"\n") + 2, 0
    for document in documents:
        for answer in _as_it_came(document):
            yield replace(
                interaction_of(document.question, sample_of(answer)), place=place, line=line
            )
            place += 1
        line += document.text.count(b"\n") + 1


def _as_it_came(document: Document) -> Iterator[Mapping[str, Any]]:
    """Iterate answers and errors of *document*: an error before what was recorded after it."""
    errors = deque(document.errors)
    for answer in document.answers:
        while errors and recorded(errors[0]) <= recorded(answer):
            yield errors.popleft()
        yield answer
    yield from errors


def interaction_of(question: bytes, sample: Sample) -> Interaction:
    """Return *sample* as the answer to a request that asks *question* for it.

    Raises:
        ValueError: It is no canonical question.
    """
    request, lossy = request_of(question)
    when = datetime.fromtimestamp(sample.created, UTC).isoformat(timespec="milliseconds")
    return Interaction(
        request=streaming(request, sample.response),
        response=sample.response,
        lossy=(_LOSS, *lossy),
        recorded=when.replace("+00:00", "Z") if sample.created else "",
    )


def request_of(question: bytes) -> tuple[Request, tuple[str, ...]]:
    """Return a request that asks the canonical *question*, and what it lacks.

    Raises:
        ValueError: It is none.
    """
    first, origin, path, query, rest = question.split(b"\n", 4)
    head, _, body = rest.partition(b"\n\n") if not rest.startswith(b"\n") else (b"", b"", rest[1:])
    kind: str = "application/json"
    lossy: tuple[str, ...] = ()
    for beginning, row in _KINDS.items():
        if body.startswith(beginning):
            body, (kind, lossy) = body.removeprefix(beginning), row
    url = b"%b%b%b%b" % (origin, path, b"?" if query else b"", query)
    return (
        Request(
            method=first.rpartition(b" ")[2].decode(),
            url=url.decode(),
            headers=(*_headers(head), ("content-type", kind)),
            body=body,
        ),
        lossy,
    )


def _headers(head: bytes) -> Headers:
    lines = (line.decode("latin-1").partition(": ") for line in head.split(b"\n") if line)
    return tuple((name, value) for name, _, value in lines)


# --- streams

_STREAMING: Final[Mapping[str, tuple[re.Pattern[str], str]]] = MappingProxyType(
    {
        # dialect: what its `target` takes out of a URL that asks for a stream, put in again
        "anthropic.messages": (re.compile(r":rawPredict(?=\?|$)"), ":streamRawPredict"),
        "bedrock.anthropic": (re.compile(r"/invoke(?=\?|$)"), "/invoke-with-response-stream"),
        "bedrock.converse": (re.compile(r"/converse(?=\?|$)"), "/converse-stream"),
        "gemini.generate": (
            re.compile(r":generateContent(?:\?|$)"),
            ":streamGenerateContent?alt=sse&",
        ),
        "huggingface.details": (re.compile(r"/generate(?=\?|$)"), "/generate_stream"),
        "tgi.details": (re.compile(r"/generate(?=\?|$)"), "/generate_stream"),
    }
)


def dialect_of(request: Request) -> Dialect:
    """Return the dialect of *request*, which was once recognised, wherever it went."""
    members = parse_body(request).members
    found = dialects.recognise(request, members)
    return found or dialects.recognise(request, members, hosts=("*",)) or Generic()


def streaming(request: Request, response: Response) -> Request:
    """Return *request* asking for a stream where *response* is one, and not where it is none."""
    dialect = dialect_of(request)
    streamed = dialect.streamed(response)
    if streamed == dialect.wants_stream(request, parse_body(request).members):
        return request
    asked = _with_member(request, dialect, streamed=streamed)
    if streamed and dialect.name in _STREAMING:
        pattern, streams = _STREAMING[dialect.name]
        asked = replace(asked, url=pattern.sub(streams, request.url).rstrip("&"))
    return asked


def _with_member(request: Request, dialect: Dialect, *, streamed: bool) -> Request:
    """Return *request* with `"stream"` in its body, where that is not what is asked."""
    body = parse_body(request)
    if "stream" not in dialect.volatile or not body.is_json:
        return request
    return replace(request, body=orjson.dumps({**body.members, "stream": streamed}))
