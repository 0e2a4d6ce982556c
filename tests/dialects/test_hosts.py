from __future__ import annotations

import re

import pytest

from cachesaver.dialects.hosts import (
    OPENAI,
    RESPONSES,
    address_of,
    host_of,
    is_named,
    is_named_host,
    may_be,
    path_of,
    stateful,
)


@pytest.mark.parametrize(
    ("url", "host", "address", "path"),
    [
        ("https://API.openai.com/v1/x?key=1", "api.openai.com", "api.openai.com:443", "/v1/x"),
        ("http://u:p@localhost:8000/a", "localhost", "localhost:8000", "/a"),
        ("http://[::1]:11434/api/chat", "::1", "::1:11434", "/api/chat"),
        ("http://host", "host", "host:80", ""),
        ("http://[::1/x", "", ":", ""),
        ("http://h:99999/x", "", ":", ""),
        ("", "", ":", ""),
    ],
)
def test_a_url_is_read_and_what_is_none_names_nothing(
    url: str, host: str, address: str, path: str
) -> None:
    assert (host_of(url), address_of(url), path_of(url)) == (host, address, path)


@pytest.mark.parametrize(
    ("pattern", "url", "named"),
    [
        ("api.acme.test", "https://api.acme.test/v1", True),
        ("API.acme.test", "http://api.ACME.test:8000/v1", True),
        ("api.acme.test", "https://api.acme.test.evil.test/v1", False),
        ("api.acme.test", "https://xapi.acme.test/v1", False),
        ("api.acme.test", "https://apixacme.test/v1", False),
        ("*.acme.test", "https://a.b.acme.test/v1", True),
        ("*.acme.test", "https://acme.test/v1", False),
        ("api.acme.test:8000", "http://api.acme.test:8000/v1", True),
        ("api.acme.test:8000", "http://api.acme.test/v1", False),
        ("api.acme.test:443", "https://api.acme.test/v1", True),
        ("localhost:*", "http://localhost:1/v1", True),
        ("https://api.acme.test/", "https://api.acme.test/v1", True),
        ("[::1]:8000", "http://[::1]:8000/v1", True),
        ("[::1]", "http://[::1]:8000/v1", True),
        ("::1", "http://[::1]:8000/v1", True),
        ("*", "https://anything.test/v1", True),
        ("api.acme.test", "not a url", False),
    ],
)
def test_a_pattern_names_hosts_and_perhaps_a_port(pattern: str, url: str, *, named: bool) -> None:
    assert is_named(url, [pattern]) is named
    if named:
        assert is_named_host(host_of(url), [pattern])


def test_a_host_may_be_named_on_another_port() -> None:
    """Given a pattern with a port, when only the host is known, then it may be meant."""
    assert is_named_host("localhost", ["localhost:8000"])
    assert not is_named_host("localhost", ["remote:8000"])
    assert not is_named_host("localhost", [])


@pytest.mark.parametrize("host", ["api.openai.com", "eu.api.openai.com", "us.api.openai.com"])
def test_openai_is_known_in_every_region(host: str) -> None:
    assert OPENAI.fullmatch(host)
    assert RESPONSES.fullmatch(host)


@pytest.mark.parametrize(
    "host", ["openai.com", "api.openai.com.evil.test", "xapi.openai.com", "api-openai.com", ""]
)
def test_others_are_not_openai(host: str) -> None:
    assert not OPENAI.fullmatch(host)
    assert not RESPONSES.fullmatch(host)


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/v1/responses", {"background": True}, "a job, polled"),
        ("/v1/chat/completions", {"deferred": True}, "a job, polled"),
        ("/v1/responses", {"conversation": "conv_1"}, "state on the server"),
        ("/v1/responses", {"conversation": {"id": "conv_1"}}, "state on the server"),
        (
            "/v1/responses",
            {"tools": [{"type": "code_interpreter", "container": "cntr_1"}]},
            "state on the server",
        ),
        (
            "/v1/responses",
            {
                "tools": [
                    {
                        "type": "shell",
                        "environment": {"type": "container_reference", "container_id": "c"},
                    }
                ]
            },
            "state on the server",
        ),
        ("/v1/responses", {"background": False, "conversation": None}, ""),
        (
            "/v1/responses",
            {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}, 1]},
            "",
        ),
        ("/v1/responses", {"previous_response_id": "resp_1", "store": False}, ""),
        ("/v1/other", {"conversation": "c"}, ""),
        ("/v1/responses", {"tools": "x"}, ""),
    ],
)
def test_a_body_tells_of_state_on_the_server(
    path: str, body: dict[str, object], reason: str
) -> None:
    assert stateful(f"https://h.test{path}", body) == reason


@pytest.mark.parametrize(
    ("host", "addresses", "expected"),
    [
        ("api.acme.test", r"api\.acme\.test:443", True),
        ("gpu7", r".*:11434|ollama\.com:443", True),
        ("ollama.com", r"ollama\.com:443", True),
        ("example.test", r"api\.acme\.test:443", False),
        ("example.test", r"api\.acme\.test:.*", True),  # no port to be tried: it may be
    ],
)
def test_a_host_may_be_at_home_on_some_port(host: str, addresses: str, *, expected: bool) -> None:
    assert may_be(host, re.compile(addresses)) is expected
