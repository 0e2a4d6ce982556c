from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver import dialects
from cachesaver.dialects.anthropic_complete import AnthropicComplete
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Object = dict[str, Any]

DIALECT = AnthropicComplete()
BODY: Object = {
    "model": "claude-2.1",
    "prompt": "\n\nHuman: hi\n\nAssistant:",
    "max_tokens_to_sample": 9,
}
COMPLETION: Object = {
    "type": "completion",
    "id": "compl_1",
    "completion": " Hello",
    "stop_reason": "stop_sequence",
    "model": "claude-2.1",
    "stop": "\n\nHuman:",
    "log_id": "compl_1",
}


def request(
    body: object = BODY, *headers: tuple[str, str], host: str = "api.anthropic.com"
) -> Request:
    url = f"https://{host}/v1/complete"
    return Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())


def response(body: bytes | object) -> Response:
    return Response(
        status=200, chunks=(body if isinstance(body, bytes) else json.dumps(body).encode(),)
    )


def event(completion: str, *, end: bool = False, name: str = "completion") -> bytes:
    """As it was recorded: padded with spaces, CRLF."""
    ending = {} if end else {"stop_reason": None, "stop": None}
    said = json.dumps({**COMPLETION, **ending, "completion": completion}) + " " * len(completion)
    return f"event: {name}\r\ndata: {said}\r\n\r\n".encode()


PING = b'event: ping\r\ndata: {"type": "ping"}\r\n\r\n'
STREAM = response(event(" Hel") + PING + event("lo") + event("", end=True))


# -- what is ours


@pytest.mark.parametrize("host", ["api.anthropic.com", "gateway.test"])
def test_the_registry_knows_it(host: str) -> None:
    assert isinstance(dialects.recognise(request(host=host), BODY), AnthropicComplete)


@pytest.mark.parametrize(
    "other",
    [
        {"model": None},
        {"prompt": ["hi"]},
        {"max_tokens_to_sample": True},
        {"max_tokens_to_sample": "9"},
        {"max_tokens_to_sample": None, "max_tokens": 9},
    ],
)
def test_another_shape_is_not(other: Object) -> None:
    assert dialects.recognise(request({**BODY, **other}), {**BODY, **other}) is None


def fingerprint(*headers: tuple[str, str], **more: object) -> str:
    return identify(request({**BODY, **more}, *headers), DIALECT).fingerprint


def test_form_and_books_are_not_part_of_the_question() -> None:
    same = {fingerprint(), fingerprint(stream=True, metadata={"user_id": "u"}, temperature=1.0)}

    assert len(same) == 1
    assert fingerprint(temperature=0.5) not in same
    assert fingerprint(top_k=5) not in same
    assert fingerprint(("anthropic-version", "2023-01-01")) not in same


# -- streams


def test_a_stream_is_the_completion_it_tells() -> None:
    assert json.loads(DIALECT.whole(STREAM).body) == COMPLETION
    assert DIALECT.whole(response(COMPLETION)) == response(COMPLETION)


@given(st.text(), st.none() | st.text())
def test_a_completion_streamed_is_the_same(text: str, stop: str | None) -> None:
    completion = {**COMPLETION, "completion": text, "stop": stop}

    stream = DIALECT.stream(response(completion), request(), {"stream": True})

    assert DIALECT.streamed(stream)
    assert DIALECT.sound(stream)
    assert DIALECT.finished(stream.body[-4096:])
    assert DIALECT.stream(stream, request(), {}) is stream
    assert json.loads(DIALECT.whole(stream).body) == completion
    assert {told.name for told in decode(stream.body)} == {"completion"}


def test_only_the_last_event_tells_why_it_ended() -> None:
    stream = DIALECT.stream(response(COMPLETION), request(), {})

    told = [json.loads(each.data) for each in decode(stream.body)]
    assert [each["stop_reason"] for each in told] == [None, "stop_sequence"]
    assert [each["completion"] for each in told] == [" Hello", ""]


def test_the_first_version_streams_in_another_form() -> None:
    first = request(BODY, ("anthropic-version", "2023-01-01"))

    with pytest.raises(DialectError):
        DIALECT.stream(response(COMPLETION), first, {})


@pytest.mark.parametrize(
    "body",
    [
        event(" Hel") + event("lo"),
        event("Hi", end=True) + event("again"),
        event("Hi", name="") + event("", end=True, name=""),
        event("Hi") + b'event: error\ndata: {"type":"error","error":{}}\n\n',
        b"event: completion\ndata: []\n\n",
        b"event: completion\ndata: {\n\n",
        b'event: completion\ndata: {"type":"completion","stop_reason":"x"}\n\n',
        PING,
        b"",
        json.dumps({"type": "error", "error": {"message": "m"}}).encode(),
        json.dumps({**COMPLETION, "stop_reason": None}).encode(),
        json.dumps({**COMPLETION, "completion": None}).encode(),
        b"[]",
        b"{",
    ],
)
def test_what_is_no_complete_answer_is_not_sound(body: bytes) -> None:
    assert not DIALECT.sound(response(body))


def test_the_last_word_is_a_reason_and_a_blank_line() -> None:
    assert DIALECT.finished(STREAM.body[-4096:])
    assert not DIALECT.finished(STREAM.body[-4096:-2])
    for cut in (event(" Hel"), PING, b"data: {\n\n", b"data: []\n\n", b"\n\n", b""):
        assert not DIALECT.finished(cut)


def test_tokens_are_not_counted() -> None:
    assert DIALECT.usage(STREAM) == DIALECT.usage(response(COMPLETION)) == ("claude-2.1", {})
    assert DIALECT.usage(response({**COMPLETION, "model": None})) == ("", {})
