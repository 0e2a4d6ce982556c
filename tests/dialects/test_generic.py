from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cachesaver.dialects.generic import Generic, decode_data
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

ASK = Request(method="POST", url="https://api.acme.test/v1/complete", body=b'{"q":"hi"}')
PLAIN = Generic()


def response(body: bytes, kind: str = "application/json") -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=(body,))


@pytest.mark.parametrize(
    "extra", [{"stream": False}, {"n": 1}, {"user": "u"}, {"temperature": 1}, {"x": None}]
)
def test_nothing_is_dropped_from_the_question(extra: Body) -> None:
    """Given an API we do not read, then every field counts: whether one matters is not ours to say."""
    more = Request(method="POST", url=ASK.url, body=json.dumps({"q": "hi", **extra}).encode())

    assert identify(more, PLAIN).fingerprint != identify(ASK, PLAIN).fingerprint


@pytest.mark.parametrize(
    "header",
    [
        ("X-Acme-Model", "big"),
        ("X-Amzn-SageMaker-Target-Model", "a.tar.gz"),
        ("Accept", "image/png"),
        ("Helicone-Target-Url", "https://api.acme.test"),
    ],
)
def test_no_header_is_dropped_that_may_shape_the_answer(header: tuple[str, str]) -> None:
    more = replace(ASK, headers=(*ASK.headers, header))

    assert identify(more, PLAIN).fingerprint != identify(ASK, PLAIN).fingerprint


@pytest.mark.parametrize("name", ["key", "token", "auth", "sig", "signature", "code"])
def test_no_word_of_the_query_is_dropped_that_is_a_credential_elsewhere(name: str) -> None:
    """Given `?token=cat` and `?token=dog`, then the one is never answered with the other's."""
    one, other = (replace(ASK, url=f"{ASK.url}?{name}={word}") for word in ("cat", "dog"))

    assert identify(one, PLAIN).fingerprint != identify(other, PLAIN).fingerprint


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


@pytest.mark.parametrize(
    ("dialect", "answer"),
    [
        (PLAIN, response(b'{"text":"hi"}')),
        (PLAIN, response(b'{"text":"an \\"error\\""}')),
        (PLAIN, response(b'{"error":null}')),
        (PLAIN, response(b"hi", "text/plain")),
        (PLAIN, response(b"\x89PNG", "image/png")),
        (PLAIN, response(b'data: {"a":1}\n\n', "text/event-stream")),
        (PLAIN, response(b'{"done":false}\n{"done":true}\n', "application/x-ndjson")),
        (
            PLAIN,
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
        (PLAIN, response(b'{"done":true}\n{"error":"x"}\n', "application/x-ndjson")),
        (
            PLAIN,
            response(b"..:exception-type..", "application/vnd.amazon.eventstream"),
        ),
    ],
)
def test_errors_and_cut_streams_are_not(dialect: Generic, answer: Response) -> None:
    assert not dialect.sound(answer)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token", "client_secret"])
def test_an_answer_that_is_a_credential_is_never_kept(name: str) -> None:
    assert not PLAIN.sound(response(b'{"%s":"made-up"}' % name.encode()))
    assert not PLAIN.sound(response(b'{"%s":{"value":"made-up"}}' % name.encode()))
    assert PLAIN.sound(response(b'{"%s":null}' % name.encode()))
    assert PLAIN.sound(response(b'{"text":"\\"%s\\":1","of":["%s"]}' % ((name.encode(),) * 2)))
    assert PLAIN.sound(response(b'"%s"' % name.encode(), "text/plain"))


def test_only_the_end_of_the_body_is_its_end() -> None:
    assert not PLAIN.finished(b"data: [DONE]\n\n")
    assert not PLAIN.finished(b"")


def test_usage_is_told_where_it_stands_as_elsewhere() -> None:
    assert PLAIN.usage(response(b'{"model":"m","usage":{"tokens":1}}')) == ("m", {"tokens": 1})
    assert PLAIN.usage(response(b'{"model":1,"usage":2}')) == ("", {})
    assert PLAIN.usage(response(b"[1]")) == ("", {})
    assert PLAIN.usage(response(b"\x00", "x/y")) == ("", {})


def test_data_of_an_error_event_are_an_error() -> None:
    assert decode_data(b"data: 1\n\nevent: error\ndata: 2\n\n") == [b"1", b'{"error":true}']
