"""Matchers: they say of every pair what vcrpy's say, whoever's requests they are given."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from cachesaver.vcr.matchers import MATCHERS, compared, is_match
from cachesaver.vcr.request import Request
from vcrs import vcr

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SPECIMENS: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "plain": ("GET", "http://a.test/x", b"", {}),
    "no path": ("GET", "http://a.test", b"", {}),
    "slash": ("GET", "http://a.test/", b"", {}),
    "no path, a query": ("GET", "http://a.test?q=1", b"", {}),
    "slash, a query": ("GET", "http://a.test/?q=1", b"", {}),
    "port": ("GET", "http://a.test:80/x", b"", {}),
    "tls": ("GET", "https://a.test/x", b"", {}),
    "host": ("GET", "http://b.test/x", b"", {}),
    "query": ("GET", "http://a.test/x?a=1&b=2", b"", {}),
    "query, turned": ("GET", "http://a.test/x?b=2&a=1", b"", {}),
    "json": ("POST", "http://a.test/x", b'{"a": 1, "b": 2}', JSON),
    "json, turned": ("POST", "http://a.test/x", b'{"b": 2, "a": 1}', JSON),
    "json, other": ("POST", "http://a.test/x", b'{"b": 2}', JSON),
    "no json": ("POST", "http://a.test/x", b"{", JSON),
    "json, untold": ("POST", "http://a.test/x", b'{"a": 1, "b": 2}', {}),
    "form": ("POST", "http://a.test/x", b"a=1&b=2", FORM),
    "form, turned": ("POST", "http://a.test/x", b"b=2&a=1", FORM),
}


@pytest.mark.parametrize("name", sorted(set(MATCHERS)))
def test_a_matcher_says_what_vcrpys_says(name: str) -> None:
    theirs = getattr(vcr.matchers, "uri" if name == "url" else name)
    for one, other in product(SPECIMENS, repeat=2):
        pair = SPECIMENS[one], SPECIMENS[other]
        expected = vcr.matchers.requests_match(
            vcr.request.Request(*pair[0]), vcr.request.Request(*pair[1]), [theirs]
        )

        assert is_match(Request(*pair[0]), Request(*pair[1]), [MATCHERS[name]]) == expected, (
            one,
            other,
        )
        assert is_match(Request(*pair[0]), vcr.request.Request(*pair[1]), [theirs]) == expected


@pytest.mark.parametrize("headers", [JSON, {}])
def test_a_body_that_aiohttp_left_an_object_is_the_json_that_is_sent(
    headers: dict[str, str],
) -> None:
    """Given a cassette of vcrpy's aiohttp stub, which keeps what was given as json=."""
    recorded = Request("POST", "http://a.test/x", {"a": [1, None]}, {})
    made = Request("POST", "http://a.test/x", b'{"a":[1,null]}', headers)
    other = Request("POST", "http://a.test/x", b'{"a":[2,null]}', headers)

    assert is_match(made, recorded, [MATCHERS["body"]])
    assert not is_match(other, recorded, [MATCHERS["body"]])


def test_no_body_is_an_empty_one() -> None:
    """Clients differ in how they say it, and cassettes with them."""
    one, other = (Request("GET", "http://a.test/x", body, {}) for body in (None, b""))

    assert is_match(one, other, [MATCHERS["body"], MATCHERS["raw_body"]])


def test_a_matcher_of_a_project_says_no_by_a_bool_or_by_an_assertion() -> None:
    def never(made: Any, recorded: Any) -> bool:
        return False

    def loud(made: Any, recorded: Any) -> None:
        raise AssertionError("tides differ")

    one = Request("GET", "http://a.test/x", None, {})

    alike, differing = compared(one, one, [MATCHERS["method"], never, loud])

    assert (alike, differing) == (["method"], [("never", None), ("loud", "tides differ")])


def test_a_difference_of_bodies_is_a_short_diff() -> None:
    one, other = (
        Request("POST", "http://a.test/x", b'{"a": %d}' % number, JSON) for number in (1, 2)
    )

    _, ((name, what),) = compared(one, other, [MATCHERS["body"]])

    assert name == "body"
    assert [line for line in (what or "").splitlines() if line[0] in "+-"][2:] == [
        '-  "a": 2',
        '+  "a": 1',
    ]
