"""Our own cassettes, read as interactions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.format import Head, document, written
from cachesaver.cassettes.readers import read
from cachesaver.cassettes.readers.ours import request_of, streaming
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


def test_errors_stand_where_they_came() -> None:
    """Given errors before, between and after answers, then a tool that goes by order has them so."""
    fingerprint, canonical = asked(CHAT)

    def member(status: int, created: float) -> dict[str, object]:
        response = Response(status=status, headers=(("content-type", "application/json"),))
        return answer_of(Sample(response=response, draw="", created=created))

    answers = [member(200, 2.0), member(201, 4.0)]
    errors = [member(429, 1.0), member(500, 2.0), member(503, 3.0), member(529, 5.0)]
    each = document(fingerprint, question_members(canonical), answers, errors)

    found = list(read(written(Head(), [each]), location="a.cassette"))

    assert [one.response.status for one in found] == [429, 500, 200, 503, 201, 529]
    assert [one.place for one in found] == [*range(6)]


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


EVENTS, WHOLE = "text/event-stream", "application/json"
AWS = "application/vnd.amazon.eventstream"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/"
GEMINI_ASK = b'{"contents":[{"parts":[{"text":"a"}]}]}'
CONVERSE_ASK = b'{"messages":[{"role":"user","content":[{"text":"a"}]}]}'
OLLAMA_ASK = b'{"model":"m","messages":[{"role":"user","content":"a"}]}'
OLLAMA = "http://localhost:11434/api/chat"


@pytest.mark.parametrize(
    ("asked_url", "body", "kind", "streaming_url", "streams"),
    [
        (CHAT.url, CHAT.body, EVENTS, CHAT.url, True),
        (CHAT.url, CHAT.body, WHOLE, CHAT.url, None),
        (GOOGLE, GEMINI_ASK, EVENTS, GOOGLE.replace(":gen", ":streamGen") + "?alt=sse", None),
        (GOOGLE, GEMINI_ASK, WHOLE, GOOGLE, None),
        (f"{BEDROCK}converse", CONVERSE_ASK, AWS, f"{BEDROCK}converse-stream", None),
        (OLLAMA, OLLAMA_ASK, WHOLE, OLLAMA, False),
        (OLLAMA, OLLAMA_ASK, "application/x-ndjson", OLLAMA, None),
    ],
)
def test_a_request_asks_for_the_form_that_was_recorded(
    asked_url: str, body: bytes, kind: str, streaming_url: str, *, streams: bool | None
) -> None:
    """Given that the form is no part of a question, then the answer says which was asked for."""
    request = Request(
        method="POST", url=asked_url, headers=(("content-type", "application/json"),), body=body
    )
    told = {EVENTS: b"data: {}\n\n", WHOLE: b'{"done":true}', AWS: b"\0"}.get(kind, b"{}\n{}\n")
    response = Response(status=200, headers=(("content-type", kind),), chunks=(told,))

    found = streaming(request, response)

    assert found.url == streaming_url
    assert json.loads(found.body).get("stream") is streams
    assert asked(found)[0] == asked(request)[0]


def test_a_form_that_cannot_be_asked_for_is_left() -> None:
    """Given a question of nobody we know whose answer is a stream, then it stays as it was asked."""
    form = (("content-type", "application/x-www-form-urlencoded"),)
    request = Request(method="POST", url="https://a.test/v1", headers=form, body=b"a=b")
    response = Response(status=200, headers=(("content-type", EVENTS),), chunks=(b"data: 1\n\n",))

    assert streaming(request, response) == request


def test_the_parts_of_a_form_are_gone(tmp_path: Path) -> None:
    form = Request(
        method="POST",
        url="https://api.openai.com/v1/audio/transcriptions",
        headers=(("content-type", "multipart/form-data; boundary=b"),),
        body=b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n',
    )

    _, lossy = request_of(asked(form)[1])

    assert lossy == ("the parts of the request's body are digests",)
