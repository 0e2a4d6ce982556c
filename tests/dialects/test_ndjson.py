from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.ndjson import (
    NDJSON,
    last_line,
    lines,
    looks_streamed,
    read_lines,
    write_lines,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=4), st.text(max_size=9) | st.integers() | st.none()),
    min_size=1,
    max_size=5,
)


def response(*chunks: bytes, kind: str = NDJSON) -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=chunks)


def test_lines_may_be_blank_end_in_crlf_and_lack_the_last_end() -> None:
    assert [*lines(b'\xef\xbb\xbf\r\n{"a":1}\r\n\n \n{"b":2}')] == [b'{"a":1}', b'{"b":2}']
    assert [*lines(b"")] == []


@given(
    OBJECTS, st.sampled_from([b"\n", b"\r\n", b"\n\n"]), st.sampled_from([b"", b"\n"]), st.data()
)
def test_a_stream_reads_the_same_however_it_was_cut(
    objects: list[dict[str, object]], end: bytes, last: bytes, data: st.DataObject
) -> None:
    body = end.join(json.dumps(each).encode() for each in objects) + last
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    assert read_lines(response(*chunks), dialect="d") == objects


@given(OBJECTS)
def test_what_is_written_is_read_and_each_object_is_a_chunk(
    objects: list[dict[str, object]],
) -> None:
    like = Response(status=201, headers=(("content-length", "3"), ("x-a", "b")), chunks=(b"{}",))

    written = write_lines(like, objects, dialect="d")

    assert read_lines(written, dialect="d") == objects
    assert [chunk.count(b"\n") for chunk in written.chunks] == [1] * len(objects)
    assert written.headers == (("x-a", "b"), ("content-type", NDJSON))
    assert written.status == 201
    assert looks_streamed(written)


def test_another_label_is_written_where_it_is_asked_for() -> None:
    written = write_lines(response(), [{}], dialect="d", content_type="application/stream+json")

    assert written.content_type == "application/stream+json"


@pytest.mark.parametrize("body", [b'{"a":1}\n{"b"', b"[1]\n", b"{}\nNaN", b'{"a":"\xff"}', b"1"])
def test_a_line_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError):
        read_lines(response(body), dialect="d")


@pytest.mark.parametrize(
    ("body", "kind", "streamed"),
    [
        (b'{"a":1}\n{"b":2}\n', "application/json", True),
        (b'{"a":1}\n{"b"', "", True),
        (b'{"a":1}\n', NDJSON, True),
        (b'{"a":1}', "application/stream+json", True),
        (b'{"a":1}\n', "application/json", False),
        (b'{"a":1}', "", False),
        (b'{\n "a": 1\n}\n', "application/json", False),
        (b"data: {}\n\ndata: {}\n\n", "text/event-stream", False),
        (b"", NDJSON, False),
        (b"[{}]\n[{}]", NDJSON, False),
    ],
)
def test_lines_are_told_from_one_document(body: bytes, kind: str, *, streamed: bool) -> None:
    assert looks_streamed(response(body, kind=kind)) is streamed


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        (b'{"a":1}\n{"b":2}\n', b'{"b":2}'),
        (b'{"a":1}\r\n{"b":2}\r\n\r\n', b'{"b":2}'),
        (b'":1}}', b'":1}}'),
        (b'{"a":1}\n{"b":', b""),
        (b"", b""),
        (b" \n", b""),
    ],
)
def test_the_last_line_is_seen_as_soon_as_it_is_there(tail: bytes, line: bytes) -> None:
    assert last_line(tail) == line
