from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.cohere_chat import CohereChat
from cachesaver.dialects.cohere_common import (
    is_cohere,
    is_from_sdk,
    last_event,
    looks_streamed,
    read_events,
    usage_in,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

MARK = ("X-Fern-SDK-Name", "cohere")
CHAT: dict[str, object] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


def ask(url: str, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=url, headers=headers, body=b"{}")


def response(body: bytes, kind: str = "") -> Response:
    headers = (("content-type", kind),) if kind else ()
    return Response(status=200, headers=headers, chunks=(body,))


@pytest.mark.parametrize(
    ("url", "headers", "found"),
    [
        ("https://api.cohere.com/v2/chat", (), True),
        ("https://api.cohere.ai/v2/chat", (), True),
        ("https://production.api.cohere.ai/v2/chat", (), True),
        ("http://api.cohere.com/v2/chat", (), False),
        ("https://api.cohere.com.evil.test/v2/chat", (), False),
        ("https://notapi.cohere.com/v2/chat", (), False),
        ("https://vault.test/v2/chat", (MARK,), True),
        ("https://vault.test/v2/chat", (("x-fern-sdk-name", "other"),), False),
        ("https://vault.test/v2/chat", (), False),
    ],
)
def test_cohere_is_told_by_its_host_or_its_sdk(
    url: str, headers: tuple[tuple[str, str], ...], *, found: bool
) -> None:
    assert is_cohere(ask(url, *headers)) is found


def test_one_dialect_is_told_by_its_host_and_one_by_the_sdk() -> None:
    plain, marked = ask("https://vault.test/v2/chat"), ask("https://vault.test/v2/chat", MARK)

    assert CohereChat().hosts
    assert CohereChat().recognises(plain, CHAT)  # on its hosts, or one the user named
    assert not CohereChat(by_sdk=True).hosts
    assert not CohereChat(by_sdk=True).recognises(plain, CHAT)
    assert CohereChat(by_sdk=True).recognises(marked, CHAT)
    assert is_from_sdk(marked)
    assert repr(CohereChat()) == "CohereChat(by_sdk=False)"


@pytest.mark.parametrize(
    ("body", "kind", "streamed"),
    [
        (b'{"a":1}\n', "application/stream+json", True),
        (b'{"a":1}', "application/json", False),
        (b"event: x\ndata: {}\n\n", "", True),
        (b'{"a":1}', "text/event-stream", False),  # an error under the stream's label
    ],
)
def test_a_stream_is_told_by_its_framing(body: bytes, kind: str, *, streamed: bool) -> None:
    assert looks_streamed(response(body, kind)) is streamed


def test_events_are_read_in_either_framing() -> None:
    told = [{"a": 1}, {"b": 2}]

    assert (
        read_events(response(b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n'), dialect="d")
        == told
    )
    assert (
        read_events(response(b'{"a":1}\n\n{"b":2}\n', "application/stream+json"), dialect="d")
        == told
    )


@pytest.mark.parametrize("body", [b"x\n", b"[1]\n", b'{"a":1}\n{"b"\n'])
def test_what_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(DialectError):
        read_events(response(body, "application/stream+json"), dialect="d")


@pytest.mark.parametrize(
    ("tail", "event"),
    [
        (b'data: {"a":1}\n\n', {"a": 1}),
        (b'data: {"a":1}\r\n\r\n', {"a": 1}),
        (b'event: e\ndata: {"a":1}\n\ndata: [DONE]\n\n', {"a": 1}),
        (b'{"b":0}}\n\nevent: e\ndata: {"a":1}\n\n', {"a": 1}),
        (b'data: {"a":1}\n', {}),
        (b'data: {"a":1}', {}),
        (b"data: [DONE]\n\n", {}),
        (b'{"b":0}\n{"a":1}\n', {"a": 1}),
        (b'"x"}\n{"a":1}\n', {"a": 1}),
        (b'{"b":0}\n{"a":1}', {}),
        (b'"data: x"}\n', {}),
        (b"[1]\n", {}),
        (b"", {}),
        (b"\n", {}),
    ],
)
def test_the_last_event_is_one_that_has_ended(tail: bytes, event: dict[str, int]) -> None:
    assert last_event(tail) == event


@given(st.binary())
def test_any_tail_has_a_last_event_or_none(tail: bytes) -> None:
    assert isinstance(last_event(tail).get("type"), object)


def test_meta_tells_what_was_counted() -> None:
    meta = {"api_version": {"version": "2"}, "warnings": ["w"], "billed_units": {"images": 1}}

    assert usage_in(meta) == {"billed_units": {"images": 1}}
    assert usage_in(None) == {}
