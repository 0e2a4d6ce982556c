from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.sse import Event, decode, encode

FORMS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "one event": (b"data: a\n\n", [("", "a")]),
    "no space after the colon": (b"data:a\n\n", [("", "a")]),
    "only one space is taken off": (b"data:  a\n\n", [("", " a")]),
    "a named event": (b"event: ping\ndata: {}\n\n", [("ping", "{}")]),
    "a name holds for one event": (b"event: x\ndata: 1\n\ndata: 2\n\n", [("x", "1"), ("", "2")]),
    "two lines of data": (b"data: a\ndata: b\n\n", [("", "a\nb")]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
    "comments and other fields": (b": keep-alive\nid: 7\nretry: 9\ndata: a\n\n", [("", "a")]),
    "an event without data": (b"event: ping\n\ndata: a\n\n", [("", "a")]),
    "empty data": (b"data\n\ndata:\n\n", [("", ""), ("", "")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
    "a last event without its blank line": (b"data: a\n\ndata: b", [("", "a"), ("", "b")]),
    "nothing": (b"", []),
    "bytes that are no UTF-8": (b"data: \xff\n\n", [("", "�")]),
    "Unicode's other line ends are text": (b"data: a\xe2\x80\xa8b\n\n", [("", "a\u2028b")]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_is_read(form: str) -> None:
    body, wanted = FORMS[form]

    assert [(event.name, event.data) for event in decode(body)] == wanted


def test_an_event_is_written_with_and_without_its_name() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode(b"{}", name="ping") == b"event: ping\ndata: {}\n\n"


line = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))


@given(st.lists(st.tuples(line, line)))
def test_what_is_written_is_read_back(events: list[tuple[str, str]]) -> None:
    body = b"".join(encode(data.encode(), name=name) for name, data in events)

    assert list(decode(body)) == [Event(data=data, name=name) for name, data in events]
