"""Requests of httpcore as ours, and back."""

from __future__ import annotations

from typing import Any, cast

import httpcore
import httpcore2
import pytest

from cachesaver.exchange import Request
from cachesaver.transports.httpcore_messages import ours, theirs, twin
from cachesaver.transports.streams import Body

LIBS = pytest.mark.parametrize("lib", [httpcore, httpcore2])


@LIBS
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.test:80/v1/x?y=%20", "http://a.test/v1/x?y=%20"),
        ("https://a.test:443", "https://a.test/"),
        ("https://a.test:80/", "https://a.test:80/"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_a_url_is_absolute_and_without_its_schemes_port(lib: Any, url: str, expected: str) -> None:
    assert ours(lib.Request("post", url), b"").url == expected


@LIBS
def test_a_target_that_tells_the_whole_url_is_the_url(lib: Any) -> None:
    told = b"http://a.test/v1/x?y=http://b.test"
    request = lib.Request("POST", "http://a.test/", extensions={"target": told})

    assert ours(request, b"").url == told.decode()


@LIBS
def test_what_is_not_changed_is_sent_as_it_was(lib: Any) -> None:
    request: Any = lib.Request(
        "POST", "http://a.test/v1", headers=[("X-One", "1")], extensions={"timeout": {"read": 1}}
    )
    asked = ours(request, b"body")

    made: Any = twin(lib, request, asked, asked)

    assert (made.method, made.url, made.headers) == (request.method, request.url, request.headers)
    assert b"".join(made.stream) == b"body"
    assert made.extensions is request.extensions


@LIBS
def test_what_is_changed_is_sent_so(lib: Any) -> None:
    request = lib.Request("POST", "http://a.test/v1", headers=[("X-One", "1")])
    wanted = Request(method="PUT", url="http://b.test/v2?x", headers=(("X-Two", "é"),), body=b"b")

    made = twin(lib, request, ours(request, b""), wanted)

    assert (made.method, bytes(made.url)) == (b"PUT", b"http://b.test/v2?x")
    assert (made.headers, b"".join(cast("Any", made.stream))) == ([(b"X-Two", b"\xe9")], b"b")


@LIBS
def test_a_switch_of_protocols_is_handed_on(lib: Any) -> None:
    from cachesaver.transports.httpcore_messages import reply

    native = lib.Response(101, content=b"")
    shown = reply(native)

    assert theirs(lib, shown, Body(shown)) is native
