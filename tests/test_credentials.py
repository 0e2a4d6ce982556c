"""Where credentials stand in a request, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from cachesaver.credentials import (
    PERHAPS_SECRET,
    SECRET_AT,
    SECRET_FIELDS,
    SECRET_HEADERS,
    SECRET_QUERY,
    account,
    body_secrets,
    credentials,
    is_secret,
)
from cachesaver.exchange import Request

KEY = "not-a-known-shape-0123456789"
MADE = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"


@pytest.mark.parametrize("name", sorted(SECRET_HEADERS))
@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}"])
def test_every_secret_header_gives_a_credential(name: str, value: str) -> None:
    request = Request(method="POST", url="https://x.test/", headers=((name.title(), value),))

    assert KEY.encode() in credentials(request)


@pytest.mark.parametrize("name", sorted(SECRET_QUERY | PERHAPS_SECRET))
def test_every_secret_query_field_gives_a_credential(name: str) -> None:
    request = Request(method="POST", url=f"https://x.test/p?alt=sse&{name.upper()}={KEY}%2B1")

    assert credentials(request) == {f"{KEY}+1".encode(), f"{KEY}%2B1".encode()}


def test_userinfo_is_a_credential() -> None:
    request = Request(method="POST", url=f"https://someuser1:{KEY}@x.test/")

    assert credentials(request) == {b"someuser1", KEY.encode()}


@pytest.mark.parametrize(
    ("name", "host", "is_one"),
    [
        ("key", "generativelanguage.googleapis.com", True),
        ("sig", "acme.blob.core.windows.net", True),
        ("code", "acme.azurewebsites.net", True),
        ("code", "api.acme.test", False),
        ("key", "googleapis.com.acme.test", False),
        ("token", "api.acme.test", False),
        ("access_token", "api.acme.test", True),
    ],
)
def test_where_a_field_of_a_query_is_secret(name: str, host: str, *, is_one: bool) -> None:
    request = Request(method="POST", url=f"https://{host}/p?{name}=llama3-8b")

    assert is_secret(name, host) is is_one
    assert bool(credentials(request, unread=True)) is is_one


@pytest.mark.parametrize("name", sorted(PERHAPS_SECRET))
@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (MADE, True),
        ("123e4567-e89b-12d3-a456-426614174000", True),
        ("sk-proj-abcdefghij0123456789", True),
        ("gpt-4o-mini-2024-07-18", False),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", False),
        ("a whole sentence, of 2026", False),
    ],
)
def test_what_may_be_a_word_is_a_credential_if_it_looks_like_one(
    name: str, value: str, *, is_one: bool
) -> None:
    """Given an API that nobody reads, then only what a machine made up is taken for a credential."""
    request = Request(method="POST", url=f"https://x.test/p?{name}={value}")

    assert bool(credentials(request, unread=True)) is is_one
    assert credentials(request)


def test_every_row_has_its_source_or_its_hosts() -> None:
    assert all(SECRET_FIELDS.values())
    assert all(SECRET_AT.values())


def holding(path: str, value: str) -> Any:
    """A body with *value* where *path* leads to."""
    name, _, rest = path.partition(".")
    inner: Any = holding(rest, value) if rest else value
    if rest.startswith("*."):
        inner = [inner["*"]]
    return {"Authorization" if name == "*" and not rest else name: inner}


@pytest.mark.parametrize("path", SECRET_FIELDS)
def test_every_field_that_takes_a_credential_gives_one(path: str) -> None:
    body = holding(path, KEY)

    ((steps, value),) = body_secrets(body)

    assert value == KEY
    assert [str(step) for step in steps] == [
        {"*": "0"}.get(step, step)
        for step in path.replace("headers.*", "headers.Authorization").split(".")
    ]
    assert credentials(Request(method="POST", url="https://x.test/"), body) == {KEY.encode()}


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [{"type": "function", "function": {"authorization": KEY}}]},
        {"tools": [{"authorization": {"type": "string"}}, "authorization", None]},
        {"tools": [{"headers": {"X-MCP-Toolsets": KEY}}, {"headers": [KEY]}]},
        {"tools": {"authorization": KEY}, "mcp_servers": KEY, "data_sources": None},
        {"data_sources": [{"parameters": {"authentication": {"type": KEY}}}]},
        {"messages": [{"api_key": KEY}], "api_key": None},
    ],
)
def test_nothing_else_in_a_body_is_one(body: Any) -> None:
    assert list(body_secrets(body)) == []


def test_who_asks_is_told_by_the_body_too() -> None:
    """Given two keys of one tool, then their questions are not bought with one call."""
    request = Request(method="POST", url="https://x.test/", headers=(("OpenAI-Project", "p"),))
    bodies: list[Any] = [{"tools": [{"authorization": key}]} for key in ("one", "two")]

    assert account(request, bodies[0]) != account(request, bodies[1])
    assert account(request, bodies[0]) == {b"one", b"p"}
