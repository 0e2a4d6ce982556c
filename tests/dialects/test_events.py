from __future__ import annotations

import pytest

from cachesaver.dialects.events import (
    data_objects,
    dialect_errors,
    ends_done,
    event_stream,
    is_done,
    last_event,
    looks_streamed,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Response


def response(body: bytes, kind: str = "") -> Response:
    headers = (("Content-Type", kind),) if kind else ()
    return Response(status=200, headers=headers, chunks=(body,))


@pytest.mark.parametrize(
    ("body", "kind", "streamed"),
    [
        (b'data: {"a":1}\n\n', "text/event-stream; charset=utf-8", True),
        (b'data: {"a":1}\n\n', "", True),
        (b'\xef\xbb\xbfdata: {"a":1}\n\n', "application/json", True),
        (b": OPENROUTER PROCESSING\n\n", "", True),
        (b"\r\n\r\nevent: x\r\n", "", True),
        (b"", "text/event-stream", True),
        (b'\n\n  {"error":{}}', "text/event-stream", False),
        (b'{"data":1}', "", False),
        (b"[]", "text/event-stream", False),
        (b"<html>", "text/html", False),
        (b"", "", False),
    ],
)
def test_the_body_tells_a_stream_before_its_label_does(
    body: bytes, kind: str, *, streamed: bool
) -> None:
    assert looks_streamed(response(body, kind)) is streamed


def test_objects_come_up_to_done_without_comments_and_empty_data() -> None:
    body = b': hi\n\ndata: {"a":1}\r\n\r\ndata:\n\ndata: {"b":2}\n\ndata: [DONE]\n\ndata: x\n\n'

    assert list(data_objects(response(body), dialect="d")) == [{"a": 1}, {"b": 2}]
    assert is_done(response(body))


def test_an_event_named_error_is_an_error_whatever_it_holds() -> None:
    body = b'event: error\ndata: {"message":"no"}\n\nevent: error\ndata: {"error":{"code":1}}\n\n'

    objects = list(data_objects(response(body), dialect="d"))

    assert objects == [{"error": True, "message": "no"}, {"error": {"code": 1}}]


@pytest.mark.parametrize("body", [b"data: {\n\n", b"data: [1]\n\n", b"data: hello\n\n"])
def test_other_data_are_a_dialect_error(body: bytes) -> None:
    with pytest.raises(DialectError, match="d: an event of the stream is not"):
        list(data_objects(response(body), dialect="d"))


@pytest.mark.parametrize(
    ("tail", "ended"),
    [
        (b"data: [DONE]\n\n", True),
        (b"x\n\ndata:[DONE]\r\n\r\n", True),
        (b"data: [DONE]\r\r", True),
        (b"data: [DONE]\n", False),
        (b"data: [DONE]", False),
        (b'data: {"content":"data: [DONE]"}\n\n', False),
        (b'data: {"content":"\\n\\ndata: [DONE]\\n\\n"}\n\n', False),
        (b"data: [DONE]\n\ndata: {}\n\n", False),
        (b"", False),
    ],
)
def test_only_the_last_line_ends_a_stream(tail: bytes, *, ended: bool) -> None:
    assert ends_done(tail) is ended


def test_a_stream_is_written_with_the_head_of_what_it_is_made_of() -> None:
    like = Response(
        status=200,
        headers=(("Content-Length", "9"), ("X-Request-Id", "r"), ("Content-Type", "a/b")),
        chunks=(b"{}",),
        reason="OK",
    )

    stream = event_stream(like, [{"type": "x", "a": 1}, "[DONE]"], named=True)

    assert stream == Response(
        status=200,
        headers=(("X-Request-Id", "r"), ("content-type", "text/event-stream; charset=utf-8")),
        chunks=(b'event: x\ndata: {"type":"x","a":1}\n\n', b"data: [DONE]\n\n"),
        reason="OK",
    )


@pytest.mark.parametrize("error", [RecursionError(), ValueError()])
def test_what_hostile_nesting_raises_becomes_a_dialect_error(error: Exception) -> None:
    with pytest.raises(DialectError, match="d: the body is nested too deeply"), dialect_errors("d"):
        raise error


@pytest.mark.parametrize(
    ("tail", "event"),
    [
        (b"data: 1\n\nevent: x\ndata: 2\n\n", b"event: x\ndata: 2"),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", b"data: 2"),
        (b"only its end\n\n", b"only its end"),
        (b"data: 1\n\ndata: 2\n", b""),
        (b"data: 1", b""),
        (b"", b""),
    ],
)
def test_the_last_event_is_what_a_blank_line_ended(tail: bytes, event: bytes) -> None:
    assert last_event(tail) == event
