"""Bodies stand readable in a cassette, and come out of it byte for byte."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.cassettes.bodies import read_body, read_chunks, write_body, write_chunks

ANSWER = {"id": "x", "choices": [{"message": {"content": "Grüße 🙂"}, "logprob": -0.25}], "n": None}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (",", ": ")])
INDENTS = st.sampled_from([None, 0, 2, 4])


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """JSON in some serialiser's way, or nearly."""
    text = json.dumps(
        draw(JSON),
        ensure_ascii=draw(st.booleans()),
        separators=draw(SEPARATORS),
        indent=draw(INDENTS),
    )
    return text.encode("utf-8", "surrogatepass") + draw(st.sampled_from([b"", b"\n", b"\n\n"]))


BODIES = st.binary(max_size=80) | written() | st.text(max_size=40).map(str.encode)


def through_the_file(value: object) -> Any:
    return orjson.loads(json.dumps(value, ensure_ascii=False).encode())


@given(BODIES)
def test_every_body_comes_back_byte_for_byte(body: bytes) -> None:
    assert read_body(through_the_file(write_body(body))) == body


@given(
    st.lists(
        st.lists(
            written()
            | st.binary(max_size=20)
            | written().map(lambda data: b"data: " + data.strip() + b"\n\n")
            | written().map(lambda data: b"event: a\ndata: " + data.strip() + b"\n\n"),
            max_size=3,
        ).map(b"".join),
        max_size=4,
    )
)
def test_every_stream_comes_back_with_its_seams(chunks: list[bytes]) -> None:
    assert read_chunks(through_the_file(write_chunks(tuple(chunks)))) == tuple(chunks)


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (json.dumps(ANSWER, indent=2), {"json": ANSWER, "style": "indent 2 ascii"}),
        (json.dumps(ANSWER, indent=2, ensure_ascii=False), {"json": ANSWER, "style": "indent 2"}),
        (json.dumps(ANSWER), {"json": ANSWER, "style": "spaced ascii"}),
        (orjson.dumps(ANSWER).decode() + "\n", {"json": ANSWER, "end": "newline"}),
        ("", {}),
        ("Hi", {"text": "Hi"}),
        ("one\r\ntwo", {"text": ["one\r\n", "two"]}),
        ('{"a": 1,"a": 2}', {"text": '{"a": 1,"a": 2}'}),
    ],
)
def test_json_stands_as_json(body: str, members: object) -> None:
    assert write_body(body.encode()) == members


def test_what_is_no_text_stands_as_base64() -> None:
    assert write_body(b"\xff\xfe") == {"base64": "//4="}


def test_events_and_lines_stand_as_what_they_say() -> None:
    chunk = b'event: delta\ndata: {"a":1}\n\ndata: {"a": 2}\n\ndata: [DONE]\n\n'

    assert write_chunks((chunk, b'{"done":true}\n', b": comment\n\n", b"\xff")) == [
        [
            {"event": "delta", "data": {"a": 1}},
            {"data": {"a": 2}, "style": "spaced"},
            "data: [DONE]\n\n",
        ],
        [{"line": {"done": True}}],
        [": comment\n\n"],
        [{"base64": "/w=="}],
    ]
