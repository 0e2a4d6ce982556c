"""Requests as vcrpy's users know them: held against vcrpy's own."""

from __future__ import annotations

import io

import pytest

from cachesaver import exchange
from cachesaver.vcr.request import Headers, Request, body_of
from vcrs import vcr

URL = "https://user@api.test:8443/v1/x?b=2&a=1&empty="


@pytest.mark.parametrize(
    "attribute",
    ["method", "uri", "url", "scheme", "protocol", "host", "port", "path", "query", "body"],
)
@pytest.mark.parametrize("url", [URL, "http://api.test", "https://api.test/?q=%20"])
def test_every_attribute_says_what_vcrpys_says(attribute: str, url: str) -> None:
    ours = Request("POST", url, b"{}", {"A": "1"})
    theirs = vcr.request.Request("POST", url, b"{}", {"A": "1"})

    assert getattr(ours, attribute) == getattr(theirs, attribute)


def test_headers_are_found_in_any_case_and_keep_their_first_spelling() -> None:
    headers = Headers({"Content-Type": ["application/json", "text/html"], "X": "1"})
    headers["content-type"] = "text/plain"
    copy = headers.copy()
    del copy["x"]

    assert dict(headers) == {"Content-Type": "text/plain", "X": "1"}
    assert headers == {"CONTENT-TYPE": "text/plain", "x": "1"}
    assert dict(copy) == {"Content-Type": "text/plain"}


def test_a_request_is_read_from_and_told_to_a_cassette_as_vcrpy_does() -> None:
    told = {"method": "GET", "uri": URL, "body": "text", "headers": {"A": ["1"]}}

    ours, theirs = Request._from_dict(told), vcr.request.Request._from_dict(told)

    assert ours._to_dict() == theirs._to_dict()
    assert ours.body == b"text"


def test_a_clients_request_becomes_one() -> None:
    sent = exchange.Request(method="POST", url=URL, headers=(("A", "1"), ("a", "2")), body=b"\xff")

    made = Request.of(sent)

    assert (made.method, made.uri, dict(made.headers), made.body) == (
        "POST",
        URL,
        {"A": "1"},
        b"\xff",
    )


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (None, b""),
        ("é", "é".encode()),
        (b"x", b"x"),
        (io.BytesIO(b"file"), b"file"),
        (iter([b"a", b"b"]), b"ab"),
        ([b"a", b"b"], b"ab"),
        ({"a": [1]}, b'{"a": [1]}'),
    ],
)
def test_any_body_is_bytes_where_bytes_are_wanted(body: object, content: bytes) -> None:
    assert body_of(Request("GET", URL, body, {})) == content


def test_vcrpys_own_requests_are_read_too() -> None:
    assert body_of(vcr.request.Request("GET", URL, io.BytesIO(b"file"), {})) == b"file"
