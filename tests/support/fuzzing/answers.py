"""Answers of whoever answers, in every dialect: no exception, and no two meanings of one body."""

from __future__ import annotations

import contextlib
import json

from cachesaver.dialects.generic import Generic
from cachesaver.dialects.jsontext import read_exactly
from cachesaver.dialects.known import DIALECTS
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.ports import Dialect

__all__ = ["ALL", "answers", "exercise", "hold_together"]

ALL: tuple[Dialect, ...] = (*DIALECTS, Generic())

ASK = Request(method="POST", url="https://api.test/v1/chat/completions", body=b"{}")
COUNTED: dict[str, object] = {"stream": True, "stream_options": {"include_usage": True}}
BATCH: list[dict[str, object]] = [{"model": "m", "input": ["a"]}, {"model": "m", "input": ["bc"]}]

KINDS = (
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "text/plain",
    "",
)


def answers(content: bytes) -> None:
    """The first byte chooses a dialect, the second a content type; the rest is the answer."""
    if len(content) < 2:
        return
    dialect, kind = ALL[content[0] % len(ALL)], KINDS[content[1] % len(KINDS)]
    response = Response(status=200, headers=(("content-type", kind),), chunks=(content[2:],))
    exercise(dialect, response)
    hold_together(dialect, response)


def exercise(dialect: Dialect, response: Response) -> None:
    """Do with *response* all that the pipeline might, in any order."""
    tail = response.body[-4096:]
    assert dialect.finished(tail) in (True, False)
    assert dialect.sound(response) in (True, False)
    assert dialect.streamed(response) in (True, False)
    assert dialect.fits(response, ASK, COUNTED) in (True, False)
    for attempt in (
        lambda: dialect.join(dialect.split(response)),
        lambda: dialect.join([response, response]) if dialect.max_count != 1 else None,
        lambda: dialect.stream(dialect.whole(response), ASK, COUNTED),
        lambda: dialect.stream(response, ASK, {"stream": True}),
        lambda: dialect.usage(response),
        lambda: dialect.join(dialect.split_inputs(response, BATCH)),
    ):
        with contextlib.suppress(DialectError):
            attempt()


def hold_together(dialect: Dialect, response: Response) -> None:
    """What a sound answer is turned into is sound, counts the same, and is turned no further."""
    if not dialect.converts or not dialect.sound(response):
        return
    try:
        whole = dialect.whole(response) if dialect.streamed(response) else response
        stream = dialect.stream(whole, ASK, COUNTED)
        once = dialect.whole(stream)
    except DialectError:
        return
    assert not dialect.streamed(whole), "a whole answer looks like a stream"
    assert dialect.streamed(stream), "a stream looks like a whole answer"
    if not (dialect.sound(whole) and dialect.sound(stream)):
        return  # which is not shown: `outcomes.show`
    assert dialect.finished(stream.body[-4096:]) or not dialect.finished(response.body[-4096:])
    twice = dialect.whole(dialect.stream(once, ASK, COUNTED))
    assert same(once, twice), "an answer changed by being turned a second time"
    assert dialect.usage(once) == dialect.usage(twice), "usage changed by being turned"


def same(one: Response, other: Response) -> bool:
    """Whether two JSON documents say the same."""
    return json.dumps(read_exactly(one.body)) == json.dumps(read_exactly(other.body))
