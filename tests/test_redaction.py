"""No credential survives, and nothing else is touched."""

from __future__ import annotations

import base64
import json
import time

import pytest

from cachesaver.exchange import Request, Response
from cachesaver.redaction import (
    BLANK,
    SECRET_HOLDERS,
    SECRET_NAMES,
    hides_credentials,
    redact_headers,
    redact_response,
    redact_text,
    secrets_in,
)

KEY = "not-a-known-shape-0123456789"


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
        "ABSK" + "QmVkcm9ja0FQSUtleS0x" * 4 + "==",
        "bedrock-api-key-" + "YmVkcm9jay5hbWF6b25h" * 4,
        "nvapi-" + "a1B2_c3-" * 8,
        "github_pat_" + "11ABCDEFG0_" * 6,
        "glpat-abcdefghij1234567890",
        "sk_live_51HabcdefghijklmnoPQRST",
        "rk_test_51HabcdefghijklmnoPQRST",
        "tvly-dev-abcdefghij1234567890",
        "jina_" + "0a1b" * 12,
    ],
)
def test_known_token_shapes_are_blanked_in_text(token: str) -> None:
    request = Request(method="POST", url="https://x.test/")

    assert redact_text(b'{"k":"%s"}' % token.encode(), request) == b'{"k":"%s"}' % BLANK


def test_headers_with_credentials_go_and_others_stay() -> None:
    headers = (("Set-Cookie", "a=b"), ("X-Request-Id", "r"), ("OpenAI-Organization", "acme"))

    assert redact_headers(headers) == (("X-Request-Id", "r"),)


OPAQUE = "Zm9vYmFy0123456789abcd"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (f"https://a.test/cb?a=1&access_token={OPAQUE}&b=2", "https://a.test/cb?a=1&access_token=[redacted]&b=2"),
        (f"/cb#id_token={OPAQUE}", "/cb#id_token=[redacted]"),
        (f"https://a.test/file?TOKEN={OPAQUE}", "https://a.test/file?TOKEN=[redacted]"),
        ("https://ada:lovelace1@a.test/", "https://[redacted]@a.test/"),
        ("https://a.test/?sig=abc%2Bdef", "https://a.test/?sig=[redacted]"),
        ("https://a.test/?token=Hello&page=2", None),
        ("https://a.test/?api_key=YOUR_API_KEY_GOES_HERE", None),
        ("https://a.test/?access_token={access_token_1234}", None),
        ('max-age=31536000; ma="1", h3=":443"', None),
        ("café=1", None),
    ],
)  # fmt: skip
def test_a_credential_in_the_address_that_a_header_names_goes(value: str, kept: str | None) -> None:
    response = Response(status=201, headers=(("Location", value),))

    found = redact_response(response, Request(method="POST", url="https://x.test/"))

    assert found.headers == (("Location", value if kept is None else kept),)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (f'{{"token": "{OPAQUE}", "expires_at": 9}}', True),
        ('{"token":"tid=1f0c;exp=1764140000;sku=free"}', True),
        ('{"token": "Hello", "logprob": -0.1, "bytes": [72]}', False),
        ('{"token": " internationalisation", "logprob": -0.1}', False),
        ('{"token": "================================", "logprob": -3}', False),
        ('{"token": "00000000000000000000", "logprob": -3}', False),
        ('{"token": "<|reserved_special_token_12|>", "id": 9}', False),
        (f'{{"next": "{OPAQUE}"}}', False),
    ],
)
def test_a_token_is_told_from_a_bit_of_a_word(text: str, is_one: bool) -> None:  # noqa: FBT001
    assert [kind for kind, _ in secrets_in(text.encode())] == ["token in a body"] * is_one


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


NOBODY = Request(method="POST", url="https://x.test/")


@pytest.mark.parametrize("name", sorted(SECRET_NAMES))
@pytest.mark.parametrize("spelled", ['"%s":"%s"', '"%s" : "%s"'])
def test_what_stands_where_a_credential_is_meant_to_stand_is_blanked(
    name: str, spelled: str
) -> None:
    """Given a member that is made for a credential, then its text goes, however deep, and no other."""
    said = '{"a":[{' + spelled % (name, 'a \\"short\\" one \\\\') + ',"b":"left"}]}'

    told = redact_text(said.encode(), NOBODY)

    assert told.replace(b" : ", b":") == b'{"a":[{"%s":"[redacted]","b":"left"}]}' % name.encode()


@pytest.mark.parametrize("name", sorted(SECRET_HOLDERS))
def test_everything_a_tool_is_told_in_headers_is_blanked(name: str) -> None:
    said = (
        b'{"tools":[{"%s":{"type":"api_key","X-Acme":"a{}b","Y":""},"x":"left"}]}' % name.encode()
    )

    assert redact_text(said, NOBODY) == (
        b'{"tools":[{"%s":{"type":"api_key","X-Acme":"[redacted]","Y":"[redacted]"},"x":"left"}]}'
        % name.encode()
    )


SIGNED_UNTIL = "https://x.test/a?se=1{}sig=AFx2%2BRq{}sp=r"


@pytest.mark.parametrize("ampersand", [r"\u0026", r"\\u0026", r"\\\\u0026", "&amp;"])
def test_an_ampersand_may_be_escaped(ampersand: str) -> None:
    """Given an address in HTML, or in JSON (in JSON), then what opens it goes all the same."""
    said = f"{SIGNED_UNTIL} https://x.test/b?a=1{{}}token={OPAQUE} /c?top=1{{}}design=2"
    blanked = said.replace("AFx2%2BRq", "[redacted]").replace(OPAQUE, "[redacted]")
    text, kept = (each.format(*[ampersand] * 4).encode() for each in (said, blanked))

    assert redact_text(text, NOBODY) == kept
    assert sorted(kind for kind, _ in secrets_in(text)) == [
        "key in an address",
        "signature of an address",
    ]


@pytest.mark.parametrize("name", ["token", "access_token", "API_KEY", "client_secret"])
@pytest.mark.parametrize("deep", [1, 2])
def test_a_credential_in_json_that_is_a_text_in_json_is_blanked(name: str, deep: int) -> None:
    """Given what a tool said, then the credential in it goes; words in its place stay."""

    def said(value: str) -> bytes:
        text = json.dumps({name: value, "b": "left", "c": [{"password": "correct horse"}]})
        for _ in range(deep):
            text = json.dumps({"content": text})
        return text.encode()

    assert redact_text(said(OPAQUE), NOBODY) == said("[redacted]")
    assert list(secrets_in(said(OPAQUE))) == [("member of a text in a body", OPAQUE.encode())]
    assert redact_text(said("internationalisation"), NOBODY) == said("internationalisation")


@pytest.mark.parametrize("token", [r"A1b2C3d4E5f6\/G7h8I9j0K1l2", "12|A1b2C3d4E5f6G7h8I9j0K1l2"])
def test_a_token_is_found_as_other_languages_write_it(token: str) -> None:
    assert list(secrets_in(b'{"token":"%s"}' % token.encode())) == [
        ("token in a body", token.encode())
    ]


@pytest.mark.parametrize(
    "piece",
    ["?token=", "&amp;key=", "eyJ", "eyJaaaaaaaaaaaa", r"\u0026token=", r"\"token\":\"", "\\"],
)
def test_a_long_text_of_beginnings_takes_no_longer_than_another(piece: str) -> None:
    """Given 90 kB that begin a credential over and over, then an event loop does not stand still."""
    text = (piece * (90_000 // len(piece))).encode()

    begun = time.process_time()
    redact_text(text, NOBODY)
    assert list(secrets_in(text)) == []

    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "said",
    [
        rb'{"content":"set \"password\": \"x\" and api_key=y"}',
        b'{"properties":{"password":{"type":"string"},"api_key":{"type":"string"}}}',
        b'{"required":["password","token"],"token":"cat","key":"alpha","headers":[]}',
        b'{"url":"https://x.test:80/@someone?design=1#sig=2","mail":"a:b@c"}',
    ],
)
def test_words_about_credentials_stay(said: bytes) -> None:
    assert redact_text(said, NOBODY) == said


def test_a_form_is_read_too() -> None:
    assert redact_text(b"form\napi_key=abc&q=1&client_secret=x+y", NOBODY) == (
        b"form\napi_key=[redacted]&q=1&client_secret=[redacted]"
    )


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ann:pass@x.test/a.png", "https://[redacted]@x.test/a.png"),
        (
            "https://x.test/a.png?se=2027&sig=a%2Bb&sp=r",
            "https://x.test/a.png?se=2027&sig=[redacted]&sp=r",
        ),
        ("https://x.test/a?X-Goog-Signature=0a1b", "https://x.test/a?X-Goog-Signature=[redacted]"),
    ],
)
def test_addresses_in_a_body_lose_what_opens_them(url: str, shown: str) -> None:
    assert redact_text(f'{{"url":"{url}"}}'.encode(), NOBODY) == f'{{"url":"{shown}"}}'.encode()


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH "])
@pytest.mark.parametrize("end", ["\n", r"\n", r"\\n"])
def test_a_private_key_goes_to_its_last_line(kind: str, end: str) -> None:
    key = f"-----BEGIN {kind}PRIVATE KEY-----{end}MIIEvQ+/{end}a2V5=={end}-----END {kind}PRIVATE KEY-----"

    told = redact_text(f'{{"k":"see {key} here"}}'.encode(), NOBODY)

    assert told == f'{{"k":"see [redacted]-----END {kind}PRIVATE KEY----- here"}}'.encode()


def test_a_response_that_echoes_a_tools_key_is_kept_without_it() -> None:
    """Given a server that says the tools again, then the key of one is blanked, and its words are not."""
    headers = {"Authorization": f"Bearer {KEY}", "MCP-Protocol-Version": "2025-06-18"}
    response = Response(status=200, chunks=(f'{{"t":"{KEY}","on":"2025-06-18"}}'.encode(),))

    kept = redact_response(response, NOBODY, {"tools": [{"type": "mcp", "headers": headers}]})

    assert kept.body == b'{"t":"[redacted]","on":"2025-06-18"}'


def test_no_word_of_a_question_to_an_unread_api_is_cut_out_of_its_answer() -> None:
    request = Request(method="POST", url="https://x.test/ask?key=llama3-8b&token=2025-06-18")
    response = Response(status=200, chunks=(b"llama3-8b of 2025-06-18",))

    assert redact_response(response, request, unread=True).body == response.body


def test_what_would_be_blanked_is_told_with_its_place() -> None:
    """Given a secret of each kind of place, then `secrets_in` tells what `redact_text` blanks."""
    secrets = {
        "token": "gsk_Qm9ndXNLZXlGb3JUZXN0c09ubHkw",
        "member of a body": "opaque-1",
        "userinfo of an address": "ada:opaque-2",
        "signature of an address": "opaque-3",
        "member of headers in a body": "opaque-4",
    }
    token, member, userinfo, signature, header = secrets.values()
    text = (
        f'{{"q": "{token}", "client_secret": "{member}", "u": "https://{userinfo}@a.test/", '
        f'"l": "https://a.test/?sig={signature}&b=1", "headers": {{"x-own": "{header}"}}}}'
    ).encode()

    found = dict(secrets_in(text))
    form = dict(secrets_in(b"form\na=b&refresh_token=opaque-5"))

    assert found == {kind: secret.encode() for kind, secret in secrets.items()}
    assert form == {"field of a form": b"opaque-5"}
    blanked = redact_text(text, NOBODY)
    assert [each for each in secrets.values() if each.encode() in blanked] == []
    assert {secret for _, secret in secrets_in(blanked)} == {BLANK}
