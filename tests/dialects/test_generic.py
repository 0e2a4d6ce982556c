from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects.generic import SAMPLING, Endpoint, Generic, decode_data
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

ASK = Request(method="POST", url="https://api.acme.test/v1/complete", body=b'{"q":"hi"}')
PLAIN = Generic()


LINES = Generic(
    Endpoint(
        host=".*",
        path=r"/lines",
        shape=bool,
        ends=(b'"done":true',),
        source="https://api.acme.test/docs",
        streams=True,
    )
)
"""An endpoint that streams a JSON object a line, unless told not to."""


def endpoint(path: str, host: str = "") -> Generic:
    (found,) = [e for e in SAMPLING if e.path.endswith(path) and host in e.host][:1]
    return Generic(found)


def response(body: bytes, kind: str = "application/json") -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=(body,))


@pytest.mark.parametrize(
    "extra", [{"stream": False}, {"n": 1}, {"user": "u"}, {"temperature": 1}, {"x": None}]
)
def test_nothing_is_dropped_from_the_question(extra: Body) -> None:
    """Given an API we do not read, then every field counts: whether one matters is not ours to say."""
    more = Request(method="POST", url=ASK.url, body=json.dumps({"q": "hi", **extra}).encode())

    assert identify(more, PLAIN).fingerprint != identify(ASK, PLAIN).fingerprint


def test_one_sample_a_request_as_it_came() -> None:
    answer = response(b'{"a": [1, 2]}')

    assert PLAIN.count({"n": 5}) == 1
    assert PLAIN.max_count == 1
    assert PLAIN.split(answer) == (answer,)
    assert PLAIN.ask(ASK, {"q": "hi"}, 1) is ASK


def test_the_form_asked_for_is_part_of_the_question() -> None:
    assert not PLAIN.converts
    assert PLAIN.fits(response(b"data: 1\n\n", "text/event-stream"), ASK, {})
    assert PLAIN.wants_stream(ASK, {"stream": True})
    assert not PLAIN.wants_stream(ASK, {})


@pytest.mark.parametrize(("body", "wanted"), [({}, True), ({"stream": False}, False)])
def test_some_stream_unless_told_not_to(body: Body, *, wanted: bool) -> None:
    assert LINES.wants_stream(ASK, body) is wanted


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (PLAIN, response(b'{"text":"hi"}')),
        (PLAIN, response(b'{"text":"an \\"error\\""}')),
        (PLAIN, response(b'{"error":null}')),
        (PLAIN, response(b"hi", "text/plain")),
        (PLAIN, response(b"\x89PNG", "image/png")),
        (PLAIN, response(b'data: {"a":1}\n\n', "text/event-stream")),
        (
            LINES,
            response(b'{"done":false}\n{"done":true}\n', "application/x-ndjson"),
        ),
        (endpoint("/v2/chat"), response(b'data: {"type":"message-end"}\n\n', "text/event-stream")),
        (
            endpoint("/v1/chat"),
            response(b'{"event_type":"stream-end"}\n', "application/stream+json"),
        ),
        (
            endpoint("/converse-stream"),
            response(b"..messageStop..metadata", "application/vnd.amazon.eventstream"),
        ),
    ],
)
def test_a_complete_answer_is_sound(dialect: Generic, answer: Response) -> None:
    assert dialect.sound(answer)


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (PLAIN, response(b"")),
        (PLAIN, response(b" \n")),
        (PLAIN, response(b'{"error":"overloaded"}')),
        (PLAIN, response(b'{"error":{"message":"x"}}', "text/plain")),
        (PLAIN, response(b"event: error\ndata: x\n\n", "text/event-stream")),
        (PLAIN, response(b'data: {"error":{"m":1}}\n\n', "text/event-stream")),
        (LINES, response(b'{"done":false}\n', "application/x-ndjson")),
        (
            LINES,
            response(b'{"done":true}\n{"error":"x"}\n', "application/x-ndjson"),
        ),
        (
            endpoint("/v2/chat"),
            response(b'data: {"type":"content-delta"}\n\n', "text/event-stream"),
        ),
        (
            endpoint("/converse-stream"),
            response(b"..:exception-type..", "application/vnd.amazon.eventstream"),
        ),
    ],
)
def test_errors_and_cut_streams_are_not(dialect: Generic, answer: Response) -> None:
    assert not dialect.sound(answer)


@pytest.mark.parametrize(
    ("dialect", "tail", "finished"),
    [
        (LINES, b'{"done":false}\n{"done":true}\n', True),
        (LINES, b'{"done":true}', False),
        (LINES, b'{"message":"\\"done\\":true","done":false}\n', False),
        (LINES, b'{"done":true}\n{"done":false}\n', False),
        (endpoint("/v2/chat"), b'event: message-end\ndata: {"type":"message-end"}\n\n', True),
        (endpoint("/v2/chat"), b'data: {"text":"\\"message-end\\""}\n\n', False),
        (endpoint("/fim/completions"), b"data: [DONE]\n\n", True),
        (endpoint("/converse-stream"), b"messageStop\n", False),
        (PLAIN, b'{"done":true}\n', False),
        (PLAIN, b"", False),
    ],
)
def test_the_last_line_tells_the_end_where_we_know_how(
    dialect: Generic, tail: bytes, *, finished: bool
) -> None:
    assert dialect.finished(tail) is finished


@pytest.mark.timeout(20)
@pytest.mark.parametrize("tail", [b"x" * 4096, b"x\n" * 2048 + b"x", b"\r\n" * 2048, b" " * 4096])
def test_the_end_of_a_long_line_is_looked_for_once(tail: bytes) -> None:
    """It is asked after every chunk of a stream, where a search that starts anew takes seconds."""
    assert not any(LINES.finished(tail) for _ in range(1000))


def test_usage_is_told_where_it_stands_as_elsewhere() -> None:
    assert PLAIN.usage(response(b'{"model":"m","usage":{"tokens":1}}')) == ("m", {"tokens": 1})
    assert PLAIN.usage(response(b'{"model":1,"usage":2}')) == ("", {})
    assert PLAIN.usage(response(b"[1]")) == ("", {})
    assert PLAIN.usage(response(b"\x00", "x/y")) == ("", {})


def test_data_of_an_error_event_are_an_error() -> None:
    assert decode_data(b"data: 1\n\nevent: error\ndata: 2\n\n") == [b"1", b'{"error":true}']


def test_it_shows_its_endpoint() -> None:
    assert repr(endpoint("/v2/chat")) == "Generic('/v2/chat')"
    assert repr(PLAIN) == "Generic('')"
