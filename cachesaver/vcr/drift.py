"""What a program sends today and what was recorded: provider calls whose question is another one now.

A matcher that leaves the body out, as vcrpy's do, plays an answer to a question that nobody asks any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cachesaver import dialects, exchange
from cachesaver.canonical import parse_body
from cachesaver.differences import difference
from cachesaver.identity import identify, questions_body
from cachesaver.vcr.request import body_of

__all__ = ["Drift", "drifts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One answer that was played to another question than it was given to.

    Attributes:
        summary: Method and URL, without userinfo and query.
        diff: From what was recorded to what is sent: a unified diff of the canonical bodies.
    """

    summary: str
    diff: str


def drifts(played: Iterable[tuple[Any, Any]]) -> Iterator[Drift]:
    """Iterate what has drifted among *played*: requests as they were made, and as they were recorded.

    Of calls of providers that we know; both as the cassette's filters left them.
    """
    for made, recorded in played:
        one, other = _canonical(made, made), _canonical(recorded, made)
        if one is not None and other is not None and _body(one) != _body(other):
            request = _request(made, made)
            diff = difference(other, one, names=("recorded", "sent"))
            yield Drift(summary=request.summary, diff=diff)


def _canonical(request: Any, made: Any) -> bytes | None:
    """Return the question that the body of *request* asks where *made* is sent; None: no provider's."""
    asked = _request(request, made)
    body = parse_body(asked)
    dialect = dialects.recognise(_request(made, made), parse_body(_request(made, made)).members)
    return None if dialect is None else questions_body(identify(asked, dialect, body))


def _request(request: Any, made: Any) -> exchange.Request:
    headers = tuple((str(name), _text(value)) for name, value in request.headers.items())
    content = body_of(request)
    kind = next((value for name, value in headers if name.lower() == "content-type"), None)
    if kind is None and (told := made.headers.get("content-type")):
        headers = (*headers, ("content-type", _text(told)))
    return exchange.Request(
        method=str(made.method).upper(), url=str(made.uri), headers=headers, body=content
    )


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _body(canonical: bytes) -> bytes:
    return canonical.partition(b"\n\n")[2]
