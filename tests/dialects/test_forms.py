from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects import forms
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON.filter(lambda value: "inf" not in repr(value)))
def test_what_is_written_reads_back(value: object) -> None:
    assert forms.read_json(forms.write_json(value, dialect="d").decode(), dialect="d") == value


@pytest.mark.parametrize(
    "text",
    [
        '{"id":1234567890123456789012345678901234567890}',
        '{"half":"\\ud83d"}',
        '{"text":"naïve ☃ 😀"}',
        '{"b":1,"a":2}',
        '{"line":"\\u2028\\n"}',
    ],
)
def test_big_integers_lone_surrogates_and_the_order_of_keys_survive(text: str) -> None:
    written = forms.write_json(forms.read_json(text, dialect="d"), dialect="d")

    assert json.loads(written) == json.loads(text)
    assert list(json.loads(written)) == list(json.loads(text))
    assert b"\n" not in written


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "-Infinity", '{"a":NaN}', "[" * 100_000, "9" * 5000, "{'a':1}", "\x00"],
)
def test_what_is_not_json_or_not_to_be_read_is_a_dialect_error(text: str) -> None:
    with pytest.raises(DialectError, match=r"^d: "):
        forms.read_json(text, dialect="d")


def test_a_number_too_large_for_a_double_is_not_written_as_infinity() -> None:
    value = forms.read_json("1e999", dialect="d")

    with pytest.raises(DialectError):
        forms.write_json(value, dialect="d")


def test_a_nesting_too_deep_to_write_is_a_dialect_error() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(DialectError):
        forms.write_json(deep, dialect="d")
    while deep:  # taken down by hand: not every interpreter frees such a list
        deep = deep.pop()  # type: ignore[assignment]  # a list of lists all the way


@pytest.mark.parametrize(
    ("body", "streamed"),
    [
        (b'{"a":1}', False),
        (b"\r\n\n [1]", False),
        (b"data: {}\n\n", True),
        (b": comment\n\ndata: {}\n\n", True),
        (b"\n\nevent: x\ndata: {}\n\n", True),
        (b"\xef\xbb\xbf{}", False),
        (b"", False),
    ],
)
def test_events_are_told_from_json_without_a_content_type(body: bytes, *, streamed: bool) -> None:
    one_by_one = tuple(body[at : at + 1] for at in range(len(body)))

    assert forms.is_stream(Response(status=200, chunks=(body,))) is streamed
    assert forms.is_stream(Response(status=200, chunks=one_by_one)) is streamed


@pytest.mark.parametrize("body", [b"[]", b"1", b'{"a":"\xff"}', b"", b"data: {}\n\n"])
def test_a_body_that_is_no_json_object_is_a_dialect_error(body: bytes) -> None:
    with pytest.raises(DialectError):
        forms.read_object(Response(status=200, chunks=(body,)), dialect="d")


def test_a_byte_order_mark_is_no_part_of_the_json() -> None:
    response = Response(status=200, chunks=(b'\xef\xbb\xbf{"a":1}',))

    assert forms.read_object(response, dialect="d") == {"a": 1}


def test_a_list_of_objects_is_read_and_nothing_else() -> None:
    def read(body: bytes) -> list[dict[str, object]]:
        return forms.read_list(Response(status=200, chunks=(body,)), dialect="d")

    assert read(b'[{"a":1}\n,\r\n{}]') == [{"a": 1}, {}]
    for body in (b"[1]", b"3", b"[{}", b'[{},"x"]'):
        with pytest.raises(DialectError):
            read(body)


def test_events_are_read_in_their_order_and_only_objects_are_events() -> None:
    def read(body: bytes) -> list[dict[str, object]]:
        return forms.read_events(Response(status=200, chunks=(body,)), dialect="d")

    assert read(b': hi\n\ndata: {"a":1}   \r\n\r\nevent: e\ndata: {}') == [{"a": 1}, {}]
    for body in (b"data: [DONE]\n\n", b"data: 1\n\n", b'data: {"a":"\xff"}\n\n'):
        with pytest.raises(DialectError):
            read(body)


def test_the_other_form_keeps_status_and_headers_and_states_its_own_type() -> None:
    """Given a stream's head, when JSON takes its place, then what described the stream is gone."""
    like = Response(
        status=201,
        headers=(
            ("X-Request-Id", "r1"),
            ("Content-Type", "text/event-stream"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "999"),
        ),
        chunks=(b"a", b"b"),
        offsets=(0.5, 2.0),
        reason="Created",
    )

    made = forms.json_document(like, {"a": 1}, dialect="d")

    assert made == Response(
        status=201,
        headers=(("X-Request-Id", "r1"), ("content-type", "application/json")),
        chunks=(b'{"a":1}',),
        offsets=(2.0,),
        reason="Created",
    )


def test_events_are_written_one_chunk_each_without_invented_times() -> None:
    like = Response(status=200, chunks=(b"{}",), offsets=(1.0,))

    made = forms.event_stream(like, [("x", {"a": 1}), ("", {})], dialect="d")

    assert made.chunks == (b'event: x\ndata: {"a":1}\n\n', b"data: {}\n\n")
    assert made.offsets == ()
    assert made.content_type == "text/event-stream"
