"""What a path says, read in one way only; and where nobody may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.errors import ConfigurationError
from cachesaver.gateway.refusals import Refusal
from cachesaver.gateway.routing import Map, Route, checked_origin, checked_pattern, is_pattern

ALLOWING = Map(
    allowed=("api.acme.test", "*.wild.test", "localhost:8000", "[::1]:8000", "127.0.0.1")
)


def route(path: str, *, query: str = "", at: Map = ALLOWING, **headers: str) -> Route:
    said = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return at.route(path, query, said)


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/openai/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("/anthropic/v1/messages", "https://api.anthropic.com/v1/messages"),
        (
            "/gemini/v1beta/models/m:g",
            "https://generativelanguage.googleapis.com/v1beta/models/m:g",
        ),
        ("/openai", "https://api.openai.com/"),
        ("/openai/", "https://api.openai.com/"),
        ("/openai//v1", "https://api.openai.com//v1"),
        ("/openai/a%2Fb/../c", "https://api.openai.com/a%2Fb/../c"),
        ("/https/api.openai.com/v1/x", "https://api.openai.com/v1/x"),
        ("/https/API.OpenAI.com:443/v1/x", "https://api.openai.com/v1/x"),
        ("/https/api.acme.test", "https://api.acme.test/"),
        ("/https/a.b.wild.test/x", "https://a.b.wild.test/x"),
        ("/http/api.acme.test/x", "http://api.acme.test/x"),
        ("/http/localhost:8000/v1", "http://localhost:8000/v1"),
        ("/http/[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("/http/127.0.0.1:80/v1", "http://127.0.0.1/v1"),
        ("/ns/exp1/openai/v1", "https://api.openai.com/v1"),
        ("/ns/openai/openai/ns/x", "https://api.openai.com/ns/x"),
    ],
)
def test_a_path_leads_to_one_address(path: str, url: str) -> None:
    assert route(path).url == url


def test_a_query_goes_along_as_it_came() -> None:
    assert route("/gemini/x", query="alt=sse&key=%2F").target == "/x?alt=sse&key=%2F"


def test_parts_in_front_say_how_to_draw() -> None:
    path = "/key/s%2Fcret/ns/a%2Fb/replicate/3/run/job%207/id/agent-3/openai/v1"

    found = route(path)

    said = (found.namespace, found.replicate, found.run, found.request_id, found.key)
    assert said == ("a/b", "3", "job 7", "agent-3", "s/cret")
    assert found.target == "/v1"


def test_headers_say_the_same_and_win() -> None:
    found = route(
        "/ns/path/openai/v1",
        x_cachesaver_namespace="a%20header",
        x_cachesaver_replicate="2",
        x_cachesaver_run="r",
        x_cachesaver_request_id="i",
        x_cachesaver_key="100%25",
    )

    said = (found.namespace, found.replicate, found.run, found.request_id, found.key)
    assert said == ("a header", "2", "r", "i", "100%25"), "a key is taken as it is"


def test_no_key_is_shown() -> None:
    assert "secret" not in repr(route("/key/secret/openai/v1"))


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        # to whom nothing leads
        ("/", 404, "no_provider"),
        ("/nobody/v1", 404, "no_provider"),
        ("/v1/chat/completions", 404, "no_provider"),
        ("/%6fpenai/v1", 404, "no_provider"),
        ("/../openai/v1", 404, "no_provider"),
        ("//openai/v1", 404, "no_provider"),
        # absolute forms and CONNECT's: this is no forward proxy
        ("http://api.openai.com/v1", 400, "absolute"),
        ("api.openai.com:443", 400, "absolute"),
        ("*", 400, "absolute"),
        # said twice, or nothing
        ("/ns/a/ns/b/openai/v1", 400, "bad_path"),
        ("/ns//openai/v1", 400, "bad_path"),
        ("/ns", 400, "bad_path"),
        # what could be read in two ways
        ("/https/", 400, "bad_address"),
        ("/https/api.openai.com@evil.test/", 400, "bad_address"),
        ("/https/evil.test%23.api.openai.com/", 400, "bad_address"),
        ("/https/api.openai.com%2f@evil.test/", 400, "bad_address"),
        ("/https/api.openai.com\\@evil.test/", 400, "bad_address"),
        ("/https/api.openai.com:/", 400, "bad_address"),
        ("/https/api.openai.com:443:1/", 400, "bad_address"),
        ("/https/api.openai.com./", 400, "bad_address"),
        ("/https/../x", 400, "bad_address"),
        ("/https/[::1/", 400, "bad_address"),
        # where nobody may go
        ("/https/evil.test/", 403, "not_allowed"),
        ("/https/api.openai.com:8443/", 403, "not_allowed"),
        ("/http/api.openai.com/", 403, "not_allowed"),
        ("/http/169.254.169.254/latest/meta-data/", 403, "not_allowed"),
        ("/http/[::ffff:169.254.169.254]/latest/", 403, "not_allowed"),
        ("/http/2852039166/latest/", 403, "not_allowed"),
        ("/http/0xa9fea9fe/latest/", 403, "not_allowed"),
        ("/http/metadata.google.internal/", 403, "not_allowed"),
        ("/http/127.0.0.1:6379/", 403, "not_allowed"),
        ("/http/127.1/", 403, "not_allowed"),
        ("/http/0/", 403, "not_allowed"),
        ("/http/localhost/", 403, "not_allowed"),
        ("/https/wild.test/", 403, "not_allowed"),
        ("/http/a.wild.test/", 403, "not_allowed"),
        ("/https/a.wild.test:8443/", 403, "not_allowed"),
        ("/https/api.acme.test.evil.test/", 403, "not_allowed"),
    ],
)
def test_some_paths_lead_nowhere(path: str, status: int, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        route(path)

    assert (caught.value.status, caught.value.code) == (status, code)


@given(
    host=st.text(st.characters(codec="ascii"), max_size=30),
    scheme=st.sampled_from(["http", "https"]),
)
def test_nothing_is_called_that_is_neither_known_nor_allowed(host: str, scheme: str) -> None:
    """Given any text for a host, when nothing is allowed, then it is refused, or a provider's."""
    try:
        found = Map().route(f"/{scheme}/{host}/x", "", ())
    except Refusal:
        return

    assert found.origin.startswith("https://")
    assert found.target.endswith("/x")


def test_a_provider_can_be_elsewhere_and_a_new_one_named() -> None:
    moved = Map(upstreams={"openai": "http://127.0.0.1:8000", "acme": "https://llm.acme.test/api/"})

    assert route("/openai/v1/x", at=moved).url == "http://127.0.0.1:8000/v1/x"
    assert route("/acme/v1/x", at=moved).url == "https://llm.acme.test/api/v1/x"
    assert route("/acme", at=moved).url == "https://llm.acme.test/api"


@pytest.mark.parametrize("host", ["api.acme.test", "*.acme.test", "localhost:8000", "[::1]:80"])
def test_hosts_can_be_allowed(host: str) -> None:
    assert checked_pattern(f" {host.upper()} ") == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "*",
            "*.",
            "https://api.acme.test",
            "api.acme.test/v1",
            "a b",
            "user@host",
            "a*.test",
        ),
        *("169.254.169.254", "[fe80::1]", "metadata.google.internal", "[fd00:ec2::254]:80"),
        *("100.100.100.200", "224.0.0.1", "[::ffff:169.254.169.254]"),
    ],
)
def test_some_hosts_cannot(host: str) -> None:
    assert not is_pattern(host)
    with pytest.raises(ConfigurationError, match="cannot be allowed"):
        checked_pattern(host)


@pytest.mark.parametrize(
    ("name", "where", "origin"),
    [
        ("acme", "https://LLM.acme.test/", "https://llm.acme.test"),
        ("acme", "HTTPS://llm.acme.test:443/Api", "https://llm.acme.test/Api"),
        ("openai", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
    ],
)
def test_a_provider_is_somewhere(name: str, where: str, origin: str) -> None:
    assert checked_origin(name, where) == origin


@pytest.mark.parametrize(
    ("name", "where"),
    [
        *(("ns", "https://x.test"), ("https", "https://x.test"), ("A", "https://x.test")),
        *(("", "https://x.test"), ("a/b", "https://x.test")),
        *(("acme", "x.test"), ("acme", "ftp://x.test"), ("acme", "https://"), ("acme", "")),
        *(("acme", "https://user:key@x.test"), ("acme", "https://x.test?key=1")),
        *(("acme", "http://169.254.169.254"), ("acme", "https://x.test#a")),
    ],
)
def test_some_providers_cannot_be(name: str, where: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_origin(name, where)
