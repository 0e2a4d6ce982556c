from __future__ import annotations

import dataclasses
from types import MappingProxyType

import pytest

from cachesaver.exchange import (
    Headers,
    Request,
    Response,
    Sample,
    get_header,
    without_headers,
)

HEADERS: Headers = (("Content-Type", "a/b"), ("X-One", "1"), ("x-one", "2"))


@pytest.mark.parametrize("name", ["X-One", "x-one", "X-ONE"])
def test_a_header_is_found_in_any_case_and_the_first_wins(name: str) -> None:
    assert get_header(HEADERS, name) == "1"


def test_a_header_that_is_not_there_is_none() -> None:
    assert get_header(HEADERS, "x-two") is None


def test_headers_are_taken_out_in_any_case_and_the_rest_keeps_its_order() -> None:
    left = without_headers((*HEADERS, ("Z", "z")), ("x-one",))

    assert left == (("Content-Type", "a/b"), ("Z", "z"))


@pytest.mark.parametrize(
    ("url", "summary"),
    [
        ("https://api.test/v1/chat?key=secret", "POST https://api.test/v1/chat"),
        ("https://user:secret@api.test/v1", "POST https://api.test/v1"),
        ("https://a:secret@b:secret@api.test:8443/v1", "POST https://api.test:8443/v1"),
        ("https://api.test", "POST https://api.test"),
    ],
)
def test_a_summary_holds_no_secret(url: str, summary: str) -> None:
    assert Request(method="POST", url=url).summary == summary


def test_neither_headers_nor_body_of_a_request_are_shown() -> None:
    """Given a request with a key and a prompt, when it is printed, then neither is."""
    request = Request(
        method="POST", url="https://api.test", headers=(("a", "secret"),), body=b"secret"
    )

    assert "secret" not in repr(request)


def test_a_new_body_brings_its_length_and_drops_the_old_framing() -> None:
    headers = (("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("A", "a"))
    request = Request(method="POST", url="https://api.test", headers=headers, body=b"old")

    changed = request.with_body(b"longer")

    assert changed.body == b"longer"
    assert changed.headers == (("A", "a"), ("content-length", "6"))
    assert (changed.method, changed.url) == (request.method, request.url)
    assert request.body == b"old"


def test_a_request_finds_its_headers() -> None:
    request = Request(method="GET", url="https://api.test", headers=HEADERS)

    assert request.header("x-ONE") == "1"
    assert request.header("nope") is None


@pytest.mark.parametrize("chunks", [(), (b"one",), (b"o", b"", b"ne")])
def test_the_body_is_all_chunks(chunks: tuple[bytes, ...]) -> None:
    assert Response(status=200, chunks=chunks).body == b"".join(chunks)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("application/json", "application/json"),
        ("Text/Event-Stream; charset=utf-8", "text/event-stream"),
        ("", ""),
    ],
)
def test_the_content_type_is_bare(value: str, wanted: str) -> None:
    assert Response(status=200, headers=(("Content-Type", value),)).content_type == wanted


def test_a_response_without_headers_has_no_content_type() -> None:
    response = Response(status=200)

    assert response.content_type == ""
    assert response.header("content-type") is None


VALUES = [
    Request(method="GET", url="https://api.test"),
    Response(status=200, chunks=(b"x",)),
    Sample(response=Response(status=200), draw="d"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_and_equal_by_content(value: Request | Response | Sample) -> None:
    assert dataclasses.replace(value) == value
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, "other")
    assert not hasattr(value, "__dict__")


def test_an_empty_usage_is_read_only() -> None:
    assert isinstance(Sample(response=Response(status=200), draw="d").usage, MappingProxyType)
