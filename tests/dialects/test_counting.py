from __future__ import annotations

import gzip
import json

import pytest

from cachesaver.dialects.counting import asked_n, with_n
from cachesaver.exchange import Request


def request(body: bytes, *headers: tuple[str, str]) -> Request:
    return Request(
        method="POST", url="https://api.test/v1/chat/completions", headers=headers, body=body
    )


@pytest.mark.parametrize(
    ("body", "n"),
    [
        ({}, 1),
        ({"n": None}, 1),
        ({"n": 1}, 1),
        ({"n": 5}, 5),
        ({"n": 5.0}, 5),
        ({"n": 0}, None),
        ({"n": -1}, None),
        ({"n": True}, None),
        ({"n": 1.5}, None),
        ({"n": "2"}, None),
        ({"n": [2]}, None),
        ({"n": float("inf")}, None),
    ],
)
def test_n_is_a_number_of_samples_or_nothing(body: dict[str, object], n: int | None) -> None:
    assert asked_n(body) == n


def test_where_there_was_no_n_every_other_byte_stays() -> None:
    """Given a body with a number no double holds, when n is written, it is what it was."""
    body = b' { "seed" : 12345678901234567890123, "x": 0.10000000000000000001}'

    asked = with_n(request(body, ("Content-Length", "9")), json.loads(body), 3)

    assert asked.body == b'{"n":3, "seed" : 12345678901234567890123, "x": 0.10000000000000000001}'
    assert asked.headers == (("content-length", str(len(asked.body))),)


def test_an_empty_object_gets_no_comma() -> None:
    assert with_n(request(b"{ }"), {}, 2).body == b'{"n":2 }'


@pytest.mark.parametrize(("count", "written"), [(2, b'{"a":1,"n":2}'), (1, b'{"a":1}')])
def test_an_n_that_was_there_is_replaced_or_taken_out(count: int, written: bytes) -> None:
    assert with_n(request(b'{"n":3,"a":1}'), {"n": 3, "a": 1}, count).body == written


def test_large_integers_survive_the_rewriting() -> None:
    body = b'{"n":3,"seed":12345678901234567890123}'

    assert (
        with_n(request(body), {"n": 3, "seed": 0}, 2).body
        == b'{"seed":12345678901234567890123,"n":2}'
    )


def test_a_compressed_body_is_sent_plain() -> None:
    compressed = request(gzip.compress(b'{"a":1}'), ("Content-Encoding", "gzip"))

    asked = with_n(compressed, {"a": 1}, 2)

    assert asked.body == b'{"a":1,"n":2}'
    assert asked.header("content-encoding") is None
