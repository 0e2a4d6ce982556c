"""vcrpy's cassettes in all their dialects."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from cachesaver.cassettes.readers import Interaction, read
from cachesaver.errors import CassetteError


def only(content: str) -> Interaction:
    (found,) = read(content.encode(), location="c.yaml")
    return found


def vcrpy(
    body: str = "body: '{}'", headers: str = "headers: {}", uri: str = "https://a.test/v1"
) -> str:
    answer = (
        "response:\n    body: {string: x}\n    headers: {}\n    status: {code: 200, message: OK}"
    )
    return (
        f"version: 1\ninteractions:\n- request:\n    {body}\n    {headers}\n"
        f"    method: post\n    uri: '{uri}'\n  {answer}\n"
    )


@pytest.mark.parametrize(
    ("body", "sent", "is_lossy"),
    [
        ("body: null", b"", False),
        ("body: ü", "ü".encode(), False),
        ("body: !!binary AP8=", b"\x00\xff", False),
        ("body: {base64_string: AP8=}", b"\x00\xff", False),
        ("body: {string: !!python/unicode a}", b"a", False),
        ("body: {a: [1, 1.0, ü]}", '{"a":[1,1.0,"ü"]}'.encode(), True),
        ("parsed_body: {a: null, on: 2024-01-01}", b'{"a":null,"true":"2024-01-01"}', True),
        ("body: 'a\ufffdb'", "a\ufffdb".encode(), True),
    ],
)
def test_bodies_become_bytes(body: str, sent: bytes, *, is_lossy: bool) -> None:
    found = only(vcrpy(body))

    assert found.request.body == sent
    assert found.request.method == "POST"
    assert bool(found.lossy) is is_lossy


def test_where_an_interaction_stands_is_told() -> None:
    one = vcrpy()
    two = one + one[one.index("- request") :]

    assert [(each.place, each.line) for each in read(two.encode(), location="")] == [
        (0, 3),
        (1, 12),
    ]


def test_what_old_versions_wrote_for_httpx_is_read() -> None:
    answer: dict[str, Any] = {"content": "told", "status_code": 201, "headers": {"x": ["1", "2"]}}
    asked: dict[str, Any] = {"method": "GET", "uri": "http://a.test/", "headers": {}, "body": ""}

    found = only(json.dumps({"interactions": [{"request": asked, "response": answer}]}))

    assert (found.response.status, found.response.body) == (201, b"told")
    assert found.response.headers == (("x", "1"), ("x", "2"))


def test_two_lists_are_read_as_one_list_of_pairs() -> None:
    cassette = {
        "requests": [{"method": "GET", "uri": "http://a.test/", "headers": None, "body": None}],
        "responses": [{"status": {"code": 204, "message": ""}, "headers": {}, "body": "x"}],
    }

    found = only(json.dumps(cassette))

    assert found.response.status == 204
    assert found.response.body == b"x"
    with pytest.raises(CassetteError):
        only(json.dumps({**cassette, "responses": []}))


def test_a_coding_that_the_body_is_not_in_is_left_out() -> None:
    coded = base64.b64encode(gzip.compress(b"{}")).decode()

    def answer(content: str) -> str:
        return vcrpy().replace(
            "body: {string: x}\n    headers: {}",
            f"body: {{string: {content}}}\n    headers: {{Content-Encoding: gzip, X: y}}",
        )

    plain = only(answer("'{}'"))
    packed = only(answer(f"!!binary {coded}"))

    assert plain.response.headers == (("X", "y"),)
    assert plain.lossy == ("the answer's body was kept without its coding (gzip)",)
    assert packed.response.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.response.body) == b"{}"
    assert packed.lossy == ()
