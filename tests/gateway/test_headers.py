"""Which headers go on, and which are of one connection."""

from __future__ import annotations

import importlib.util

import pytest

from cachesaver.exchange import Headers
from cachesaver.gateway.headers import HOP_BY_HOP, end_to_end, for_upstream, with_status

HAS_BROTLI = any(importlib.util.find_spec(name) for name in ("brotli", "brotlicffi"))


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_what_is_of_one_connection_stays_there(name: str) -> None:
    assert end_to_end(((name.title(), "x"), ("accept", "y"))) == (("accept", "y"),)


def test_so_does_what_connection_names() -> None:
    headers = (
        *(("connection", "close, X-Mine ,x-other"), ("x-mine", "1"), ("X-Other", "2")),
        *(("x-third", "3"), ("connection", "x-third"), ("authorization", "kept")),
    )

    assert end_to_end(headers) == (("authorization", "kept"),)


def test_nobody_takes_the_frame_away() -> None:
    headers = (("connection", "content-length, host"), ("content-length", "2"), ("host", "x"))

    assert end_to_end(headers) == headers[1:]


def test_what_is_ours_or_set_anew_does_not_go_to_the_provider() -> None:
    headers = (
        *(("host", "127.0.0.1"), ("content-length", "2"), ("expect", "100-continue")),
        *(("x-cachesaver-key", "secret"), ("X-CacheSaver-Namespace", "a"), ("x-api-key", "k")),
    )

    assert for_upstream(headers, decodable=True) == (("x-api-key", "k"),)


def test_which_sample_is_meant_goes_as_far_as_who_knows_who_answers() -> None:
    """Given the number of a sample, then the session sees it; where it does not look, nobody does."""
    headers = (("x-cachesaver-first-index", "4"), ("x-cachesaver-key", "secret"))

    assert for_upstream(headers, decodable=True) == headers[:1]
    assert for_upstream(headers, decodable=False) == ()


@pytest.mark.parametrize(
    ("accepted", "asked"),
    [
        ("gzip, deflate", "gzip, deflate"),
        ("gzip, deflate, br", "gzip, deflate, br" if HAS_BROTLI else "gzip, deflate"),
        ("compress, *", "identity"),
        ("gzip;q=1.0, compress;q=0.5, zstd", "gzip;q=1.0, zstd"),
        ("", "identity"),
    ],
)
def test_only_codings_are_asked_for_that_can_be_taken_off(accepted: str, asked: str) -> None:
    headers: Headers = (("accept-encoding", accepted),)

    assert for_upstream(headers, decodable=True) == (("accept-encoding", asked),)
    assert for_upstream(headers, decodable=False) == headers


def test_every_answer_says_where_it_came_from() -> None:
    foreign = ("Cache-Status", "Cloudflare; hit")
    ours = ("cache-status", "cachesaver; hit")

    assert with_status((foreign,)) == (foreign, ("cache-status", "cachesaver; fwd=bypass"))
    assert with_status((foreign, ours)) == (foreign, ours)
