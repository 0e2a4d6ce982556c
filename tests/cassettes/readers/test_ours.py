"""Our own cassettes, read as interactions."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.format import Head, document, written
from cachesaver.cassettes.readers import read
from cachesaver.cassettes.readers.ours import request_of
from cachesaver.dialects.generic import Generic
from cachesaver.exchange import Request, Response, Sample
from cachesaver.identity import identify

CHAT = Request(
    method="POST",
    url="https://api.openai.com/v1/chat/completions",
    headers=(("content-type", "application/json"), ("openai-beta", "x=1")),
    body=b'{"messages": [{"role": "user", "content": "\xc3\xbc"}], "model": "gpt-5-mini", "n": 2}',
)


def asked(request: Request) -> tuple[str, bytes]:
    body = parse_body(request)
    question = identify(request, dialects.recognise(request, body.members) or Generic(), body)
    return question.fingerprint, question.canonical


def test_every_answer_is_an_interaction_with_its_chunks_and_offsets() -> None:
    fingerprint, canonical = asked(CHAT)
    stream = Response(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        chunks=(b"data: 1\n\n", b"data: 2\n\n"),
        offsets=(0.5, 1.5),
    )
    answers = [answer_of(Sample(response=stream, draw="d", created=1.0))] * 2
    each = document(fingerprint, question_members(canonical), answers)

    one, two, three, _ = read(
        written(Head(clients={"openai" * 20: "1"}), [each, each]), location="a.cassette"
    )

    assert one.response == stream
    assert [e.place for e in (one, two, three)] == [0, 1, 2]
    assert one.line == two.line == 8
    assert three.line == 8 + each.text.count(b"\n") + 1
    assert one.recorded == "1970-01-01T00:00:01.000Z"
    assert one.lossy


@pytest.mark.parametrize(
    "request_",
    [
        CHAT,
        Request(
            method="POST",
            url="https://a.test/v1?b=1&a=%20",
            headers=(("content-type", "application/x-www-form-urlencoded"),),
            body=b"b=2&a=1",
        ),
        Request(method="GET", url="https://a.test/v1"),
        Request(method="POST", url="https://a.test/v1", body=b"[1, 2]"),
        Request(
            method="POST", url="https://a.test/v1", headers=(("content-type", "x/y"),), body=b"\xff"
        ),
    ],
    ids=["chat", "form", "get", "json", "raw"],
)
def test_the_request_asks_the_same_question(request_: Request) -> None:
    fingerprint, canonical = asked(request_)

    found, lossy = request_of(canonical)

    assert asked(found)[0] == fingerprint
    assert lossy == ()


def test_the_parts_of_a_form_are_gone(tmp_path: Path) -> None:
    form = Request(
        method="POST",
        url="https://api.openai.com/v1/audio/transcriptions",
        headers=(("content-type", "multipart/form-data; boundary=b"),),
        body=b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n',
    )

    _, lossy = request_of(asked(form)[1])

    assert lossy == ("the parts of the request's body are digests",)
