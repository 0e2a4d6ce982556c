"""What the standard library's parser makes of a reply, and when."""

from __future__ import annotations

import gc
import http.client
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cachesaver.exchange import Headers, Reply, Response
from cachesaver.transports.parsing import parsed

EVENTS = (b"data: 1\n\n", b"data: 2\n\n")
SSE = (("Content-Type", "text/event-stream"),)


class Source(Iterator[bytes]):
    """Chunks that know how many were taken, and whether their end was seen."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = iter(chunks)
        self.taken = 0
        self.ended = False
        self.closed = 0

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self.ended = True
            raise
        self.taken += 1
        return chunk

    def close(self) -> None:
        self.closed += 1


def hit(*chunks: bytes, status: int = 200, headers: Headers = ()) -> tuple[Reply, Source]:
    source = Source(*chunks)
    whole = Response(status=status, headers=headers, chunks=chunks, reason="OK")
    made = Reply(
        status=status,
        headers=headers,
        chunks=source,
        close=source.close,
        reason="OK",
        whole=whole,
    )
    return made, source


def miss(*chunks: bytes, status: int = 200, headers: Headers = ()) -> tuple[Reply, Source]:
    reply, source = hit(*chunks, status=status, headers=headers)
    return replace(reply, whole=None, native=object()), source


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        # A length that was told is told, and is true; it stands where it stood.
        ((("Content-Length", "99"), ("X", "1")), (("Content-Length", "4"), ("X", "1"))),
        # Of two ways to tell the end, the chunks are real.
        ((("Content-Length", "9"), ("TE", "x"), ("Transfer-Encoding", "chunked")), None),
        ((("X", "1"), *SSE), None),  # and so where nothing was told
        ((("content-length", "4"), ("content-length", "4")), (("content-length", "4"),)),
    ],
)
def test_a_hit_is_framed_as_it_was(headers: Headers, shown: Headers | None) -> None:
    reply, _ = hit(b"on", b"e.", headers=headers)

    response = parsed(reply, "POST")

    assert response.read() == b"one."
    names = [name.lower() for name, _ in response.msg.items()]
    if shown is None:
        assert "content-length" not in names
        assert response.headers["transfer-encoding"] == "chunked"
    else:
        assert tuple(response.msg.items()) == shown


def test_a_live_reply_keeps_its_head_word_for_word() -> None:
    headers = (("Content-Length", "5"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X", ""))
    reply, _ = miss(b"he", b"llo", headers=headers)

    response = parsed(reply, "POST")

    assert (tuple(response.msg.items()), response.read()) == (headers, b"hello")


def test_a_live_reply_without_framing_ends_with_its_bytes() -> None:
    reply, source = miss(b"he", b"llo")

    response = parsed(reply, "POST")

    assert (response.read(), response.msg.items(), source.ended) == (b"hello", [], True)


@pytest.mark.parametrize("status", [204, 304, 199])
def test_what_can_have_no_body_has_none(status: int) -> None:
    reply, source = miss(status=status, headers=(("transfer-encoding", "chunked"), ("X", "1")))

    response = parsed(reply, "POST")

    assert (response.read(), list(response.msg.items())) == (b"", [("X", "1")])
    assert source.ended


@pytest.mark.parametrize(
    ("version", "number"), [("HTTP/1.0", 10), ("HTTP/1.1", 11), ("HTTP/2", 11), ("", 11)]
)
def test_the_version_is_one_that_parsers_know(version: str, number: int) -> None:
    reply, _ = hit(b"{}")
    reply.http_version = version

    assert parsed(reply, "POST").version == number


def test_nothing_is_read_ahead() -> None:
    reply, source = hit(*EVENTS, headers=SSE)

    response = parsed(reply, "POST")

    assert source.taken == 0
    assert response.read1() == EVENTS[0]
    assert source.taken == 1


def test_the_end_is_seen_before_the_last_byte_of_a_known_length_is_given() -> None:
    reply, source = miss(b"he", b"llo", headers=(("content-length", "5"),))
    response = parsed(reply, "POST")

    first, ended = response.read(4), source.ended
    last = response.read(1)

    assert (first, last, ended) == (b"hell", b"o", True)


@pytest.mark.parametrize("make", [hit, miss])
@pytest.mark.parametrize("chunks", [(), (b"{}",), EVENTS])
@pytest.mark.parametrize(
    "headers", [(), SSE, (("transfer-encoding", "chunked"),), (("content-length", "0"),)]
)
def test_reading_to_the_end_sees_it_and_closes(
    make: type, chunks: tuple[bytes, ...], headers: Headers
) -> None:
    if headers[:1] == (("content-length", "0"),) and chunks:
        headers = (("content-length", str(len(b"".join(chunks)))),)
    reply, source = make(*chunks, headers=headers)

    response = parsed(reply, "POST")

    assert response.read() == b"".join(chunks)
    assert (source.ended, source.closed, response.isclosed()) == (True, 1, True)


def test_closing_early_closes_the_reply_once() -> None:
    reply, source = hit(*EVENTS, headers=SSE)
    response = parsed(reply, "POST")

    response.close()
    response.close()

    assert (source.closed, source.ended, response.read()) == (1, False, b"")


def test_letting_go_closes_the_reply() -> None:
    reply, source = hit(*EVENTS, headers=SSE)
    response = parsed(reply, "POST")
    del reply

    gc.disable()  # without the collector: nothing may go round in a circle
    try:
        del response
        assert source.closed == 1
    finally:
        gc.enable()


def test_what_the_chunks_raise_is_raised() -> None:
    def breaking() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("in between")

    reply, source = miss(headers=(("transfer-encoding", "chunked"),))
    reply.chunks = breaking()
    response = parsed(reply, "POST")

    with pytest.raises(LookupError, match="in between"):
        response.read()
    response.close()

    assert source.closed == 1


def test_a_head_that_does_not_parse_closes_the_reply() -> None:
    reply, source = hit(b"{}", status=42)

    with pytest.raises(http.client.BadStatusLine):
        parsed(reply, "POST")

    assert source.closed == 1
