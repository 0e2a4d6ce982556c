"""What is one question and what is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
import pytest

from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.generic import Generic
from cachesaver.differences import difference
from cachesaver.exchange import Request
from cachesaver.identity import Dropped, identify, questions_body
from cachesaver.options import Rules

URL = "https://api.x.test/v1/chat"
KEY = "key-0123456789"


class Toy(BaseDialect):
    name = "toy"
    volatile: Mapping[str, str] = MappingProxyType(
        {"stream": "form", "n": "count", "user": "accounting", "metadata.trace": "accounting"}
    )
    defaults: Mapping[str, object] = MappingProxyType(
        {"temperature": 1, "top_p": 1.0, "logprobs": False}
    )
    null_is_absent = True
    headers = frozenset({"x-version"})
    converts = True

    def count(self, body: Mapping[str, object]) -> int:
        n = body.get("n", 1)
        return n if isinstance(n, int) else 1


class OneForm(Toy):
    name = "one-form"
    converts: bool = False


def request(body: Any, url: str = URL, headers: tuple[tuple[str, str], ...] = ()) -> Request:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Request(method="POST", url=url, headers=headers, body=content)


def fingerprint(body: Any, url: str = URL, rules: Rules | None = None, **headers: str) -> str:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return identify(request(body, url, named), Toy(), rules=rules).fingerprint


ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 1}


@pytest.mark.parametrize(
    "more",
    [
        {"user": "me"},
        {"n": 5},
        {"n": None},
        {"stream": True},
        {"temperature": 1},
        {"temperature": 1.0},
        {"temperature": None},
        {"top_p": 1},
        {"logprobs": False},
        {"anything": None},
        {"metadata": None},
    ],
)
def test_what_does_not_shape_the_answer_is_not_in_the_question(more: dict[str, Any]) -> None:
    assert fingerprint(ASK | more) == fingerprint(ASK)


def test_a_dotted_path_reaches_into_an_object_and_leaves_its_caller_alone() -> None:
    body = ASK | {"metadata": {"trace": "t", "kept": 1}}

    assert fingerprint(body) == fingerprint(ASK | {"metadata": {"kept": 1}})
    assert fingerprint(body) != fingerprint(ASK | {"metadata": {"kept": 2}})
    assert body["metadata"] == {"trace": "t", "kept": 1}


@pytest.mark.parametrize(
    "more",
    [
        {"seed": 2},
        {"model": "M"},
        {"messages": [{"role": "user", "content": "Hi "}]},
        {"messages": [{"role": "user", "content": "Hi"}] * 2},
        {"messages": []},
        {"temperature": 0.9999999},
        {"temperature": True},
        {"logprobs": 0},
        {"logprobs": True},
        {"tools": []},
        {"unknown": 1},
    ],
)
def test_everything_else_is(more: dict[str, Any]) -> None:
    assert fingerprint(ASK | more) != fingerprint(ASK)


def test_the_order_of_messages_and_of_tools_counts() -> None:
    first, second = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}

    assert fingerprint({"messages": [first, second]}) != fingerprint({"messages": [second, first]})
    assert fingerprint({"tools": [first, second]}) != fingerprint({"tools": [second, first]})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.y.test/v1/chat",
        "http://api.x.test/v1/chat",
        "https://api.x.test:8443/v1/chat",
        "https://api.x.test/v2/chat",
        "https://api.x.test/v1/chat?version=2",
        "https://api.x.test/v1/chat/",
    ],
)
def test_origin_path_and_query_count(url: str) -> None:
    assert fingerprint(ASK, url) != fingerprint(ASK)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.x.test:443/v1/chat",
        "https://API.x.test/v1/chat",
        "https://user:secret@api.x.test/v1/chat",
        f"https://api.x.test/v1/chat?key={KEY}",
        f"https://api.x.test/v1/chat?K%65y={KEY}&",
    ],
)
def test_spelling_of_the_origin_and_credentials_do_not(url: str) -> None:
    assert fingerprint(ASK, url) == fingerprint(ASK)


def test_a_key_of_azure_functions_is_a_credential_there_and_a_word_elsewhere() -> None:
    there = "https://acme.azurewebsites.net/api/v1/chat"

    assert fingerprint(ASK, f"{there}?code={KEY}") == fingerprint(ASK, there)
    assert fingerprint(ASK, f"{URL}?code={KEY}") != fingerprint(ASK)


def tool(**more: Any) -> dict[str, Any]:
    return ASK | {"tools": [{"type": "mcp", "server_url": "https://mcp.test", **more}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tool(authorization="one-token-1"), tool(authorization="another-2")),
        (tool(authorization="one-token-1"), tool()),
        (
            tool(headers={"Authorization": "Bearer a", "x-b": "1"}),
            tool(headers={"authorization": "Bearer c", "X-API-Key": "d", "x-b": "1"}),
        ),
        (ASK | {"api_key": "one"}, ASK | {"api_key": "two"}),
        (
            ASK | {"mcp_servers": [{"url": "u", "authorization_token": "one"}]},
            ASK | {"mcp_servers": [{"url": "u", "authorization_token": "two"}]},
        ),
    ],
)
def test_a_credential_in_the_body_is_no_part_of_the_question(one: Any, other: Any) -> None:
    """Given a token that was renewed, then the question is the one that was asked before."""
    before = orjson.dumps(one)

    assert fingerprint(one) == fingerprint(other)
    assert orjson.dumps(one) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tool(headers={"X-MCP-Toolsets": "repos"}), tool(headers={"X-MCP-Toolsets": "issues"})),
        (tool(authorization={"a": 1}), tool(authorization={"a": 2})),
        (tool(server_url="https://a.test"), tool(server_url="https://b.test")),
    ],
)
def test_what_stands_beside_a_credential_is_part_of_it(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_of_an_unread_api_all_of_the_body_counts() -> None:
    one, other = (identify(request(tool(authorization=key)), Generic()) for key in "ab")

    assert one.fingerprint != other.fingerprint


def test_what_is_kept_of_an_unread_question_holds_no_credential() -> None:
    """Given headers and a query of which nobody knows what they are, then they count by a digest."""
    asked = identify(request(ASK, f"{URL}?token={KEY}&q=1", (("X-Acme-Key", KEY),)), Generic())

    assert KEY.encode() not in asked.canonical
    assert b"\nq=1&token=" in asked.canonical
    assert b"\nx-acme-key: " in asked.canonical


def test_an_ipv6_origin_is_not_mistaken() -> None:
    assert fingerprint(ASK, "http://[::1]:8000/v1") != fingerprint(ASK, "http://[::1]:8001/v1")
    assert fingerprint(ASK, "http://[::1]:80/v1") == fingerprint(ASK, "http://[::1]/v1")


def test_only_answer_shaping_headers_count() -> None:
    assert fingerprint(ASK, x_version="1") != fingerprint(ASK, x_version="2")
    assert fingerprint(ASK, X_Version="1") == fingerprint(ASK, x_version=" 1 ")
    assert fingerprint(ASK, authorization="Bearer a", traceparent="0-1") == fingerprint(ASK)


def test_the_dialect_counts() -> None:
    ask = request(ASK)

    assert identify(ask, Toy()).fingerprint != identify(ask, OneForm()).fingerprint


def test_where_the_forms_cannot_be_turned_into_each_other_they_are_two_questions() -> None:
    whole, stream = request(ASK), request(ASK | {"stream": True})

    assert identify(whole, OneForm()).fingerprint != identify(stream, OneForm()).fingerprint
    assert (
        identify(request(ASK | {"stream": False}), OneForm()).fingerprint
        == identify(whole, OneForm()).fingerprint
    )


def test_the_users_rules_ignore_blank_and_alias() -> None:
    rules = Rules(
        ignore=("trace", "tools.*.id", "messages.*.meta.at"),
        blank=(re.compile(r"\d{4}-\d\d-\d\d"),),
        aliases={"https://api.y.test": "https://api.x.test"},
    )

    def ask(trace: str, date: str) -> dict[str, Any]:
        return {
            "trace": trace,
            "tools": [{"id": trace, "name": "f"}],
            "messages": [{"content": f"Today is {date}.", "meta": {"at": date, "by": "me"}}],
        }

    one = fingerprint(ask("a", "2026-01-01"), rules=rules)

    assert one == fingerprint(ask("b", "2026-02-02"), "https://api.y.test/v1/chat", rules=rules)
    assert one != fingerprint(ask("a", "2026-01-01"))
    assert one != fingerprint(ask("a", "yesterday"), rules=rules)


def test_explain_lists_what_was_dropped_and_why() -> None:
    dropped = list[Dropped]()
    body = ASK | {"user": "me", "temperature": 1, "trace": "t"}
    ask = request(body, f"{URL}?key={KEY}", (("Authorization", "Bearer x"), ("X-Version", "1")))

    identify(ask, Toy(), rules=Rules(ignore=("trace",)), dropped=dropped)

    assert {(each.where, each.why) for each in dropped} == {
        ("query.key", "a credential"),
        ("header.authorization", "does not shape the answer"),
        ("body.user", "accounting"),
        ("body.temperature", "states the documented default"),
        ("body.trace", "ignored by your rules"),
    }


def test_what_is_kept_of_a_question_holds_no_credential() -> None:
    body = {"messages": [{"content": f"my key is {KEY}, and sk-proj-abcdefghij0123456789"}]}
    ask = request(body, f"https://u:{KEY}@api.x.test/?key={KEY}", (("x-api-key", KEY),))

    kept = questions_body(identify(ask, Toy()))

    assert KEY.encode() not in kept
    assert b"sk-proj" not in kept


def test_a_difference_shows_the_member_that_differs() -> None:
    one = identify(request(ASK), Toy()).canonical
    other = identify(request(ASK | {"seed": 2}), Toy()).canonical

    assert '-  "seed": 1' in difference(one, other)
    assert '+  "seed": 2' in difference(one, other)


PINNED = "e01a18dba8d6f97761d7e90a30659a2b075f8cfe8b20db3886f8042e2b731bce"
"""Of the request below. A change of it is a change of every user's store: if it must be, raise
`identity.VERSION` with it and say so in the changelog."""

PROGRAM = r"""
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.generic import Generic
from cachesaver.exchange import Request
from cachesaver.identity import identify
body = b'{"b": {"y": 1.0, "x": [2e0, "\\u00e9"]}, "a": null}'
ask = Request(method="POST", url="https://x.test/v1?b=2&a=1", body=body)
print(identify(ask, BaseDialect()).fingerprint)
"""


def test_fingerprints_are_stable_across_releases_processes_and_hash_seeds() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1", "2")
    }

    assert printed == {PINNED}


class Heard(Toy):
    volatile: Mapping[str, str] = MappingProxyType({"file.filename": "what it is called"})


def heard(called: str, field: str = "file") -> Request:
    body = (
        f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{called}"\r\n\r\n'
        "RIFF\r\n--b--\r\n"
    )
    headers = (("content-type", "multipart/form-data; boundary=b"),)
    return Request(method="POST", url=URL, headers=headers, body=body.encode())


class TestFileNames:
    @pytest.mark.parametrize("called", ["b.wav", "tmp12.WAV", ".wav", "a.b.wav"])
    def test_only_the_extension_counts_where_a_dialect_says_so(self, called: str) -> None:
        one, other = identify(heard("a.wav"), Heard()), identify(heard(called), Heard())

        assert one.fingerprint == other.fingerprint

    @pytest.mark.parametrize("called", ["a.mp3", "wav", "", "a.wav/b"])
    def test_and_that_does(self, called: str) -> None:
        one, other = identify(heard("a.wav"), Heard()), identify(heard(called), Heard())

        assert one.fingerprint != other.fingerprint

    def test_elsewhere_all_of_it_counts(self) -> None:
        for dialect, field in ((Toy(), "file"), (Heard(), "mask")):
            one, other = (identify(heard(name, field), dialect) for name in ("a.wav", "b.wav"))
            assert one.fingerprint != other.fingerprint

    def test_it_is_told_what_was_left_out(self) -> None:
        dropped = list[Dropped]()

        identify(heard("a.wav"), Heard(), dropped=dropped)

        assert Dropped(where="body.file.filename", why="what it is called") in dropped
