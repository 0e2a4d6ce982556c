"""Responses of cassettes as clients get them, and the reverse."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import pytest
import zstandard

from cachesaver.encoding import decoded
from cachesaver.exchange import Response
from cachesaver.vcr.responses import from_recorded, to_recorded


def told(body: object, **headers: object) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status": {"code": 200, "message": "OK"}, "headers": named, "body": {"string": body}}


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (told("héllo", A=["1", "2"]), "héllo".encode()),
        (told(b"\xff", A=["1", "2"]), b"\xff"),
        (told(None, A=["1", "2"]), b""),
        ({**told(b"", A=["1", "2"]), "body": {}}, b""),
        ({**told(b"", A=["1", "2"]), "body": "text"}, b"text"),
        ({"status_code": 200, "content": "text", "headers": {"A": ["1", "2"]}}, b"text"),
        ({"status_code": 200, "content": b"text", "headers": {"A": ["1", "2"]}}, b"text"),
    ],
)
def test_a_body_is_read_in_every_way_vcrpy_has_written_it(
    response: dict[str, Any], body: bytes
) -> None:
    made = from_recorded(response)

    assert (made.status, made.headers, made.body) == (200, (("A", "1"), ("A", "2")), body)


def test_a_header_may_be_one_text_and_framing_is_left_out() -> None:
    made = from_recorded(told(b"", A="1", Transfer_Encoding=["chunked"], B=["é", "✓"]))

    assert made.headers == (("A", "1"), ("B", "é"), ("B", "✓".encode().decode("latin-1")))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "zstd", "br"])
def test_a_body_its_client_had_decoded_is_coded_as_its_headers_say(coding: str) -> None:
    made = from_recorded(told(b"plain", Content_Encoding=[coding]))

    plain = decoded(made)
    assert plain is not None
    assert plain.body == b"plain"
    assert made.body != b"plain" or made.header("content-encoding") is None


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"plain", mtime=0)),
        ("deflate", zlib.compress(b"plain")),
        ("zstd", zstandard.compress(b"plain")),
    ],
)
def test_a_body_that_is_coded_stays_as_it_is(coding: str, body: bytes) -> None:
    assert from_recorded(told(body, Content_Encoding=[coding])).body == body


def test_a_coding_that_nobody_knows_is_not_said() -> None:
    """Given headers that were blanked for the cassette, then the body is what it is."""
    made = from_recorded(told(b"plain", content_encoding=["**REDACTED**"], content_length=["9"]))

    assert (made.headers, made.body) == ((), b"plain")


def test_what_is_recorded_is_decoded_and_says_so() -> None:
    sent = Response(
        status=201,
        headers=(("Content-Encoding", "gzip"), ("content-length", "99"), ("A", "1"), ("A", "2")),
        chunks=(gzip.compress(b"plain")[:9], gzip.compress(b"plain")[9:]),
        reason="Created",
    )

    assert to_recorded(sent) == {
        "status": {"code": 201, "message": "Created"},
        "headers": {"A": ["1", "2"], "content-length": ["5"]},
        "body": {"string": b"plain"},
    }


def test_what_cannot_be_decoded_is_kept_as_it_came() -> None:
    headers = (("Content-Encoding", "rot13"),)
    sent = Response(status=200, headers=headers, chunks=(b"cynva",))

    assert to_recorded(sent)["body"]["string"] == b"cynva"
    assert to_recorded(sent)["headers"] == {"Content-Encoding": ["rot13"]}


def test_what_has_no_body_is_kept_as_it_came() -> None:
    """Given the answer to a HEAD, then what it says of a GET's answer stays."""
    sent = Response(status=200, headers=(("content-encoding", "gzip"), ("content-length", "500")))

    recorded = to_recorded(sent)

    assert recorded["headers"] == {"content-encoding": ["gzip"], "content-length": ["500"]}
    assert recorded["body"] == {"string": b""}


def test_a_compressed_nothing_is_recorded_as_nothing() -> None:
    headers = (("content-encoding", "gzip"), ("content-length", "20"))
    sent = Response(status=200, headers=headers, chunks=(gzip.compress(b""),))

    assert to_recorded(sent)["headers"] == {"content-length": ["0"]}
