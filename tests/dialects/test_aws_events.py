"""Frames, judged by botocore: it reads what is written here, and reads alike what was recorded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws import EventStreamBuffer
from cachesaver.dialects.aws_events import Frame, Header, Kind, decode, encode, event, failure, last
from cachesaver.errors import DialectError
from recordings import read_corpus
from recordings.provider import plain

NUMBERS = {Kind.BYTE: 8, Kind.SHORT: 16, Kind.INTEGER: 32, Kind.LONG: 64, Kind.TIMESTAMP: 64}
VALUES: dict[int, st.SearchStrategy[Any]] = {
    Kind.TRUE: st.just(True),
    Kind.FALSE: st.just(False),
    Kind.BYTES: st.binary(max_size=40),
    Kind.TEXT: st.text(max_size=40),
    Kind.UUID: st.uuids().map(lambda found: found.bytes),
    **{k: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for k, n in NUMBERS.items()},
}
HEADERS = st.lists(
    st.tuples(st.text(min_size=1, max_size=20), st.sampled_from(sorted(VALUES))).flatmap(
        lambda pair: st.builds(
            Header, name=st.just(pair[0]), kind=st.just(pair[1]), value=VALUES[pair[1]]
        )
    ),
    max_size=6,
    unique_by=lambda header: header.name,
)
FRAMES = st.builds(Frame, headers=HEADERS.map(tuple), payload=st.binary(max_size=200))

DELTA = event("contentBlockDelta", b'{"delta":{"text":"hi"}}')


def read_by_botocore(body: bytes, *seams: int) -> list[tuple[dict[str, Any], bytes]]:
    buffer, found, start = EventStreamBuffer(), list[Any](), 0
    for seam in (*sorted(seams), len(body)):
        buffer.add_data(body[start:seam])
        start = seam
        found += [(message.headers, message.payload) for message in buffer]
    return found


def told(frame: Frame) -> tuple[dict[str, Any], bytes]:
    return {header.name: header.value for header in frame.headers}, frame.payload


@given(frames=st.lists(FRAMES, max_size=4), data=st.data())
def test_botocore_reads_what_is_written(frames: list[Frame], data: st.DataObject) -> None:
    """Given any frames, cut into chunks anywhere, then botocore finds their headers and payloads."""
    body = b"".join(map(encode, frames))
    seams = data.draw(st.lists(st.integers(0, len(body)), max_size=5))

    assert read_by_botocore(body, *seams) == [told(frame) for frame in frames]


@given(frames=st.lists(FRAMES, max_size=4))
def test_what_is_written_is_read_again(frames: list[Frame]) -> None:
    body = b"".join(map(encode, frames))

    assert list(decode(body)) == frames
    assert last(body) == (frames[-1] if frames else None)


@given(frames=st.lists(FRAMES, min_size=1, max_size=3), data=st.data())
def test_a_stream_that_breaks_off_within_a_frame_is_none(
    frames: list[Frame], data: st.DataObject
) -> None:
    body = b"".join(map(encode, frames))
    cut = body[: len(body) - data.draw(st.integers(1, len(encode(frames[-1])) - 1))]

    assert last(cut) is None
    with pytest.raises(DialectError):
        list(decode(cut))


@given(frame=FRAMES, data=st.data())
def test_a_damaged_byte_is_found(frame: Frame, data: st.DataObject) -> None:
    body = bytearray(encode(frame))
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(DialectError):
        list(decode(bytes(body)))


@given(body=st.binary(max_size=300))
def test_any_bytes_are_frames_or_none(body: bytes) -> None:
    assert last(body) is None or body
    try:
        frames = list(decode(body))
    except DialectError:
        return
    assert b"".join(map(encode, frames)) == body


def test_the_recorded_streams_are_read_as_botocore_reads_them(corpus: Path) -> None:
    """And written again they are the same bytes."""
    recorded = [e for e in read_corpus(corpus) if e.stream == "aws-eventstream"]

    assert len(recorded) > 40
    for exchange in recorded:
        body = plain(exchange.response)
        frames = list(decode(body))
        assert [told(frame) for frame in frames] == read_by_botocore(body), exchange.name
        assert b"".join(map(encode, frames)) == body, exchange.name
        assert last(body[-4096:]) in (frames[-1], None), exchange.name


def test_events_and_exceptions_are_told_apart() -> None:
    refused = failure("throttlingException", b'{"message":"slow down"}')

    assert DELTA.is_event
    assert not refused.is_event
    assert DELTA.text(":event-type") == "contentBlockDelta"
    assert refused.text(":exception-type") == "throttlingException"
    assert DELTA.text(":exception-type") == ""
    assert Frame(headers=(Header(name="n", kind=Kind.LONG, value=5),)).text("n") == ""


@pytest.mark.parametrize("lead", [b"", b"x" * 500, b"\0\0", b"\0\0\0\x10" * 3])
def test_the_last_frame_is_found_whatever_stands_before_it(lead: bytes) -> None:
    assert last(lead + encode(DELTA)) == DELTA
    assert last(encode(DELTA) + lead[:1] + b"x") is None


def framed(headers: bytes, *, size: int | None = None) -> bytes:
    """A frame with right checksums around *headers*, however wrong they are."""
    length = 16 + len(headers)
    sizes = struct.pack(">II", length, len(headers) if size is None else size)
    body = sizes + struct.pack(">I", crc32(sizes)) + headers
    return body + struct.pack(">I", crc32(body))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (framed(b"\x01a\x0a"), "unknown kind"),
        (framed(b"\x05a"), "breaks off"),
        (framed(b"\x01a\x07\x00\x05hi"), "breaks off"),
        (framed(b"\x01a"), "cannot be read"),
        (framed(b"\x01a\x05\x00"), "cannot be read"),
        (framed(b"\x01\xff\x00"), "cannot be read"),
        (framed(b"\x01a\x00\x01a\x01"), "twice"),
        (framed(b"", size=9), "shorter"),
        (b"\0\0\0\x10", "breaks off"),
    ],
)
def test_wrong_headers_under_right_checksums_are_refused(body: bytes, why: str) -> None:
    with pytest.raises(DialectError, match=why):
        list(decode(body))


@pytest.mark.parametrize(
    "header",
    [
        Header(name="a" * 256, kind=Kind.TRUE, value=True),
        Header(name="a", kind=Kind.TEXT, value="x" * 65536),
        Header(name="a", kind=Kind.BYTE, value=128),
        Header(name="\ud800", kind=Kind.TRUE, value=True),
    ],
)
def test_a_header_that_does_not_fit_is_not_written(header: Header) -> None:
    with pytest.raises(DialectError, match="cannot be written"):
        encode(Frame(headers=(header,)))
