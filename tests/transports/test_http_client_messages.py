"""Heads of http.client as ours, and bodies as they are framed."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from cachesaver.exchange import Headers, Request
from cachesaver.transports.http_client_messages import Head


def head(*headers: str, target: str = "/v1/x", connection: Any = None) -> Head:
    made = connection or http.client.HTTPConnection("a.test")
    made.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    for header in headers:
        made.putheader(*header.split(": "))
    return Head.of(http.client, made)


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (http.client.HTTPConnection("a.test"), "http://a.test/v1/x"),
        (http.client.HTTPConnection("a.test", 81), "http://a.test:81/v1/x"),
        (http.client.HTTPSConnection("a.test"), "https://a.test/v1/x"),
        (http.client.HTTPSConnection("a.test", 80), "https://a.test:80/v1/x"),
        (http.client.HTTPConnection("[::1]"), "http://[::1]/v1/x"),
    ],
)
def test_where_it_goes(connection: Any, expected: str) -> None:
    assert head(connection=connection).url == expected


def test_a_value_in_several_lines_is_one() -> None:
    made = http.client.HTTPConnection("a.test")
    made.putrequest("POST", "/", skip_host=True, skip_accept_encoding=True)
    made.putheader("X-One", "1", "2")

    assert Head.of(http.client, made).headers == (("X-One", "1 2"),)


@pytest.mark.parametrize(
    ("headers", "sent", "expected"),
    [
        ((), b"", b""),
        (("Content-Length: 3",), b"ab", None),
        (("Content-Length: 3",), b"abc", b"abc"),
        (("Content-Length: x",), b"abc", b"abc"),
        (("Transfer-Encoding: chunked",), b"", None),
        (("Transfer-Encoding: chunked",), b"3\r\nab", None),
        (("Transfer-Encoding: chunked",), b"3\r\nabc\r\n0\r\n", None),
        (("Transfer-Encoding: chunked",), b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (("Transfer-Encoding: chunked",), b"3;x\r\nabc\r\n0\r\nY: 1\r\n", None),
        (("Transfer-Encoding: chunked",), b"3;x\r\nabc\r\n0\r\nY: 1\r\n\r\n", b"abc"),
        (("Transfer-Encoding: chunked",), b"no size\r\nabc", None),
    ],
)
def test_when_a_body_is_complete(
    headers: tuple[str, ...], sent: bytes, expected: bytes | None
) -> None:
    assert head(*headers).body(sent) == expected


WANTED = Request(method="POST", url="http://a.test/v2?y", headers=(("A", "é"),), body=b"body")


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/v1/x", (), b"POST /v2?y HTTP/1.1\r\n\r\nbody"),
        ("http://a.test/v1/x", (), b"POST http://a.test/v2?y HTTP/1.1\r\n\r\nbody"),
        (
            "/v1/x",
            (("Transfer-Encoding", "chunked"),),
            b"POST /v2?y HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        ),
        ("/v1/x", (("A", "é"),), b"POST /v2?y HTTP/1.1\r\nA: \xe9\r\n\r\nbody"),
    ],
)
def test_what_is_changed_is_written_so(target: str, headers: Headers, expected: bytes) -> None:
    made = head(target=target)
    wanted = Request(method="POST", url=WANTED.url, headers=headers, body=b"body")

    assert made.wire(made.request(b""), wanted) == expected


def test_no_body_in_chunks_is_the_last_chunk_alone() -> None:
    wanted = Request(
        method="PUT", url="http://a.test/v1/x", headers=(("Transfer-Encoding", "chunked"),)
    )
    made = head()

    assert made.wire(made.request(b""), wanted).endswith(b"\r\n\r\n0\r\n\r\n")
