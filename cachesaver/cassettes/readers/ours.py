"""Our own cassettes: an interaction for each answer, whose request says its question in canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cachesaver.cassettes.answers import sample_of
from cachesaver.cassettes.format import parse
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.exchange import Headers, Request

__all__ = ["BEGINNING", "read", "request_of"]

BEGINNING: Final = (b'{"cachesaver cassette"', b'{\n "cachesaver cassette"')

_LOSS: Final = "the request is its question in canonical form"

_KINDS: Final = {
    # how the canonical spelling of a body that is no JSON object begins (`canonical.parse_body`)
    b"form\n": ("application/x-www-form-urlencoded", ()),
    b"json\n": ("application/json", ()),
    b"raw\n": ("application/octet-stream", ()),
    b"multipart\n": ("multipart/form-data", ("the parts of the request's body are digests",)),
}


def read(text: bytes, location: str) -> Iterator[Interaction]:
    """Iterate the interactions: by question, then in the order of its answers."""
    _, documents = parse(text, location=location)
    line, place = text.partition(b"---\n")[0].count(b"\n") + 2, 0
    for document in documents:
        request, lossy = request_of(document.question)
        for answer in document.answers:
            sample = sample_of(answer)
            yield Interaction(
                request=request,
                response=sample.response,
                lossy=(_LOSS, *lossy),
                place=place,
                line=line,
                recorded=str(answer.get("recorded", "")),
            )
            place += 1
        line += document.text.count(b"\n") + 1


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
