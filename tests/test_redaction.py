"""No credential survives, and nothing else is touched."""

from __future__ import annotations

import base64

import pytest

from cachesaver.exchange import Request, Response
from cachesaver.redaction import (
    BLANK,
    SECRET_HEADERS,
    SECRET_QUERY,
    credentials,
    hides_credentials,
    redact_headers,
    redact_response,
    redact_text,
)

KEY = "not-a-known-shape-0123456789"


@pytest.mark.parametrize("name", sorted(SECRET_HEADERS))
@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}"])
def test_every_secret_header_gives_a_credential(name: str, value: str) -> None:
    request = Request(method="POST", url="https://x.test/", headers=((name.title(), value),))

    assert KEY.encode() in credentials(request)


@pytest.mark.parametrize("name", sorted(SECRET_QUERY))
def test_every_secret_query_field_gives_a_credential(name: str) -> None:
    request = Request(method="POST", url=f"https://x.test/p?alt=sse&{name.upper()}={KEY}%2B1")

    assert credentials(request) == {f"{KEY}+1".encode(), f"{KEY}%2B1".encode()}


def test_userinfo_is_a_credential() -> None:
    request = Request(method="POST", url=f"https://someuser1:{KEY}@x.test/")

    assert credentials(request) == {b"someuser1", KEY.encode()}


@pytest.mark.parametrize("word", ["t", "1", "test", "lm-studio", "not-needed", "Sanitized"])
def test_a_placeholder_is_no_credential(word: str) -> None:
    """Given a key that is none, then the word is not cut out of every text."""
    headers = (("authorization", f"Bearer {word}"), ("x-api-key", word))
    request = Request(method="POST", url="https://x.test/", headers=headers)

    told = f"a test of {word}.".encode()
    assert redact_text(told, request) == told


@pytest.mark.parametrize("key", ["abc12345", "correct-horse-battery"])
def test_what_may_be_a_key_is_one(key: str) -> None:
    request = Request(method="POST", url="https://x.test/", headers=(("x-api-key", key),))

    assert redact_text(f"a test of {key}.".encode(), request) == b"a test of [redacted]."


@pytest.mark.parametrize(
    "token",
    [
        "sk-proj-abcdefghij0123456789",
        "sk-ant-api03-abcdefghij0123456789",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "gsk_abcdefghij0123456789",
        "hf_abcdefghij0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "ek_abcdefghij0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
        "1//0abcdefghijklmnopqrstuvwxyz0123456789",
    ],
)
def test_known_token_shapes_are_blanked_in_text(token: str) -> None:
    request = Request(method="POST", url="https://x.test/")

    assert redact_text(b'{"k":"%s"}' % token.encode(), request) == b'{"k":"%s"}' % BLANK


def test_headers_with_credentials_go_and_others_stay() -> None:
    headers = (("Set-Cookie", "a=b"), ("X-Request-Id", "r"), ("OpenAI-Organization", "acme"))

    assert redact_headers(headers) == (("X-Request-Id", "r"),)


def test_a_response_that_echoes_the_key_is_kept_without_it() -> None:
    """Given the caller's key across a seam, then body and headers are blanked and the seam is gone."""
    request = Request(method="POST", url="https://x.test/", headers=(("x-api-key", KEY),))
    response = Response(
        status=200,
        headers=(("x-echo", f"<{KEY}>"),),
        chunks=(KEY[:9].encode(), KEY[9:].encode()),
        offsets=(0.1, 0.2),
    )

    kept = redact_response(response, request)

    assert (kept.body, kept.headers) == (BLANK, (("x-echo", "<[redacted]>"),))
    assert kept.offsets == (0.2,)


def test_a_made_up_key_in_an_answer_stays() -> None:
    """Given a model that writes code with a key in it, then a replay gives what was seen live."""
    request = Request(method="POST", url="https://x.test/", headers=(("x-api-key", KEY),))
    response = Response(status=200, chunks=(b"OpenAI(api_key='sk-", b"abcdefghij0123456789')"))

    assert redact_response(response, request).chunks == response.chunks


ECHOED = "abc/def+12345678/xyz"
SIGNED = Request(method="POST", url="https://a.test", headers=(("x-amz-security-token", ECHOED),))
FRAMES = (("content-type", "application/vnd.amazon.eventstream"),)


@pytest.mark.parametrize(
    ("body", "hides"),
    [
        (b"frame " + ECHOED.encode() + b" frame", True),
        (b'{"bytes":"' + base64.b64encode(b'{"text":"' + ECHOED.encode() + b'"}') + b'"}', True),
        (b'{"bytes":"' + base64.b64encode(b'{"text":"nothing"}') + b'"}', False),
        (b'{"bytes":"AAA"} and "bytes":"%%%"', False),
    ],
)
def test_a_credential_in_a_frame_with_a_checksum_is_seen(body: bytes, *, hides: bool) -> None:
    """Given frames, in which nothing can be blanked, then it is told that they may not be kept."""
    assert hides_credentials(Response(status=200, headers=FRAMES, chunks=(body,)), SIGNED) is hides
    assert not hides_credentials(Response(status=200, chunks=(body,)), SIGNED)


def test_a_key_that_json_escapes_is_blanked_too() -> None:
    told = Response(status=200, chunks=(b'{"echo":"abc\\/def+12345678\\/xyz"}',))

    assert redact_response(told, SIGNED).body == b'{"echo":"[redacted]"}'
