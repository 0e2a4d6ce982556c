"""What a fuzzer begins with: the recorded corpus, each answer and request behind its two choices."""

from __future__ import annotations

from collections.abc import Iterator

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.dialects.hosts import path_of
from fuzzing.answers import ALL, KINDS
from fuzzing.requests import ADDRESSES
from fuzzing.streams import CODINGS
from recordings import Exchange
from recordings.dialects import spoken
from recordings.provider import plain

__all__ = ["LONGEST", "seeds"]

LONGEST = 16_000
"""Bytes of a seed: a fuzzer tries short ones more often."""


def seeds(target: str, exchanges: tuple[Exchange, ...]) -> Iterator[bytes]:
    """Iterate seeds for the target of that name."""
    for exchange in exchanges:
        yield from {"answers": answer, "requests": request, "streams": stream, "codings": coding}[
            target
        ](exchange)


def answer(exchange: Exchange) -> Iterator[bytes]:
    body = body_of(exchange)
    dialect = spoken(exchange, body) if body else None
    kinds = [type(each) for each in ALL]
    if dialect is not None and len(body) < LONGEST and type(dialect) in kinds:
        kind = exchange.response.content_type
        choice = KINDS.index(kind) if kind in KINDS else KINDS.index("")
        yield bytes([kinds.index(type(dialect)), choice]) + body


def request(exchange: Exchange) -> Iterator[bytes]:
    asked = exchange.request
    if asked is None or len(asked.body) > LONGEST or not asked.body:
        return
    if dialects.recognise(asked, parse_body(asked).members) is None:
        return
    end = path_of(asked.url).rpartition("/")[2].rpartition(":")[2]
    place = next((n for n, each in enumerate(ADDRESSES) if path_of(each).endswith(end)), 0)
    yield bytes([place, 0]) + asked.body


def stream(exchange: Exchange) -> Iterator[bytes]:
    if body := body_of(exchange)[:LONGEST]:
        yield body


def coding(exchange: Exchange) -> Iterator[bytes]:
    named = exchange.response.header("content-encoding")
    if named in CODINGS and len(exchange.response.body) < LONGEST:
        yield bytes([CODINGS.index(named), 100]) + exchange.response.body


def body_of(exchange: Exchange) -> bytes:
    try:
        return plain(exchange.response)
    except (LookupError, OSError):
        return b""
