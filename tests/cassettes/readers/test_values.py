"""Headers, bodies and URLs as they become those of a request."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from cachesaver.cassettes.readers.values import (
    Body,
    Interaction,
    as_body,
    as_headers,
    as_lines,
    as_url,
    decoded,
    interaction,
)
from cachesaver.exchange import Headers


@pytest.mark.parametrize(
    ("recorded", "url"),
    [
        ("**REDACTED**", "https://redacted.invalid/%2A%2AREDACTED%2A%2A"),
        ("<OLLAMA_API_BASE>/chat", "https://ollama-api-base.invalid/chat"),
        ("https://a.<AWS_REGION>.b/<X>?k=<Y>", "https://a.aws-region.b/%3CX%3E?k=%3CY%3E"),
        ("https://a.test:1/%2F?a=%20#f", "https://a.test:1/%2F?a=%20"),
        ("https://a.test/x*y", "https://a.test/x*y"),
        ("/v1/chat", "https://redacted.invalid/v1/chat"),
    ],
)
def test_a_blanked_url_becomes_a_stable_one(recorded: str, url: str) -> None:
    assert as_url(recorded) == url


def test_names_and_values_of_headers_become_texts() -> None:
    pairs: list[tuple[object, object]] = [
        ("X-A", [1]),
        (b"X-B", ["b'c'", b"b"]),
        ("X-D", "é"),
        ("X-E", ("1", "2")),
    ]

    assert as_headers(pairs) == (
        *(("X-A", "1"), ("X-B", "c"), ("X-B", "b"), ("X-D", "Ã©")),
        *(("X-E", "1"), ("X-E", "2")),
    )


@pytest.mark.parametrize(
    ("coding", "body", "stays"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0), True),
        ("gzip", b"{}", False),
        ("zstd", zstandard.compress(b"{}"), True),
        ("zstd", b"{}", False),
        ("br", b"\x8b\x00\x80{}\x03", True),
        ("br", b"{}", False),
        ("unheard-of", b"\xff", False),
    ],
)
def test_a_coding_stays_where_the_body_is_in_it(coding: str, body: bytes, *, stays: bool) -> None:
    found = made(answer=(200, (("Content-Encoding", coding), ("Content-Length", "9")), body))

    assert found.response.headers == ((("Content-Encoding", coding),) if stays else ())
    assert found.response.body == body
    assert bool(found.lossy) is not stays


def test_what_is_lost_is_said_of_either_side() -> None:
    found = made(url="https://<HOST>/", sent=as_body({"a": 1}))

    assert found.lossy == (
        "the URL was blanked",
        "the request's body was kept parsed: its spelling is ours",
    )
    assert made().lossy == ()


def test_bodies_kept_as_lines_or_base64_are_bytes_again() -> None:
    assert as_lines(["--b\r\n", "b64:AP8="]).content == b"--b\r\n\x00\xff"
    assert decoded("AP8=").content == b"\x00\xff"
    assert as_body("\ud800").content == b"\xed\xa0\x80"


def made(
    *,
    url: str = "https://a.test/",
    sent: Body | None = None,
    answer: tuple[int, Headers, bytes] = (200, (), b""),
) -> Interaction:
    status, headers, body = answer
    asked = ("post", url, (), sent or Body())
    return interaction(asked, (status, headers, Body(content=body), ""), place=0)
