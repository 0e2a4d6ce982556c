"""Each planted secret is found in every format, and none is shown."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.exports import _entry, _recorded
from cachesaver.cassettes.format import Head, document, written
from cachesaver.cassettes.readers import FORMATS, Interaction, format_of
from cachesaver.cassettes.readers.values import Body, interaction
from cachesaver.cassettes.scanning import scan
from cachesaver.exchange import Headers, Request, Response, Sample
from recordings import Exchange
from recordings.planting import PLANTED, planted


def exchange() -> Interaction:
    """An exchange with every credential that the tests know of."""
    plain = Exchange(
        file="",
        place=0,
        request=Request(
            method="POST",
            url="https://api.acme.test/v1/chat",
            headers=(("content-type", "application/json"),),
            body=b'{"model":"m"}',
        ),
        response=Response(
            status=200, headers=(("content-type", "application/json"),), chunks=(b'{"ok":1}',)
        ),
        provider="",
        llm=True,
        status=200,
        stream="",
        count=None,
        sizes=(None, None),
        odd=frozenset(),
    )
    found = planted(plain)
    assert found.request
    return Interaction(request=found.request, response=found.response)


def listed(headers: Headers) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def vcrpy(each: Interaction) -> bytes:
    return yaml.safe_dump({"interactions": [_recorded(each)], "version": 1}).encode()


def vcrpy_json(each: Interaction) -> bytes:
    return json.dumps({"interactions": [_recorded(each)], "version": 1}).encode()


def har(each: Interaction) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": [_entry(each)]}}).encode()


def ruby(each: Interaction) -> bytes:
    side = {"encoding": "UTF-8"}
    asked, told = each.request, each.response
    pair: dict[str, Any] = {
        "request": {
            "method": "post",
            "uri": asked.url,
            "body": side | {"base64_string": base64.b64encode(asked.body).decode()},
            "headers": listed(asked.headers),
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": listed(told.headers),
            "body": side | {"string": told.body.decode()},
        },
    }
    return yaml.safe_dump({"http_interactions": [pair]}).encode()


def go_vcr(each: Interaction) -> bytes:
    asked, told = each.request, each.response
    pair: dict[str, Any] = {
        "request": {
            "body": asked.body.decode(),
            "headers": listed(asked.headers),
            "url": asked.url,
            "method": "POST",
        },
        "response": {
            "body": told.body.decode(),
            "headers": listed(told.headers),
            "status": "200 OK",
            "code": 200,
        },
    }
    return yaml.safe_dump({"version": 2, "interactions": [pair]}).encode()


def cassetter(each: Interaction) -> bytes:
    asked, told = each.request, each.response
    pair: dict[str, Any] = {
        "request": {
            "method": "POST",
            "uri": asked.url,
            "headers": listed(asked.headers),
            "body": {"type": "json", "content": json.loads(asked.body)},
        },
        "response": {
            "status": 200,
            "headers": listed(told.headers),
            "body": {"type": "text", "content": told.body.decode()},
        },
    }
    return yaml.safe_dump({"version": 1, "interactions": [pair]}).encode()


def azure(each: Interaction) -> bytes:
    asked, told = each.request, each.response
    entry = {
        "RequestUri": asked.url,
        "RequestMethod": "POST",
        "RequestHeaders": listed(asked.headers),
        "RequestBody": json.loads(asked.body),
        "StatusCode": 200,
        "ResponseHeaders": listed(told.headers),
        "ResponseBody": json.loads(told.body),
    }
    return json.dumps({"Entries": [entry]}).encode()


def rig(each: Interaction) -> bytes:
    """It keeps no authority: what stands there in others is put in a header here."""
    asked, told = each.request, each.response
    _, _, rest = asked.url.partition("://")
    authority, _, target = rest.partition("/")
    path, _, query = target.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    cookies = (("cookie", authority), ("cookie", unquote(authority)))
    when = {
        "path": "/" + path,
        "method": "POST",
        "query_param": [{"name": name, "value": unquote(value)} for name, _, value in pairs],
        "header": [{"name": n, "value": v} for n, v in (*asked.headers, *cookies)],
        "body": asked.body.decode(),
    }
    header = [{"name": n, "value": v} for n, v in told.headers]
    then = {"status": 200, "header": header, "body": told.body.decode()}
    return yaml.safe_dump({"when": when, "then": then}).encode()


def httprr(each: Interaction) -> bytes:
    def dump(first: str, headers: Headers, body: bytes) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"{first}\r\n{lines}\r\n".encode("latin-1") + body

    asked = dump(f"POST {each.request.url} HTTP/1.1", each.request.headers, each.request.body)
    told = dump("HTTP/1.1 200 OK", each.response.headers, each.response.body)
    return b"httprr trace v1\n%d %d\n" % (len(asked), len(told)) + asked + told


def ours(each: Interaction) -> bytes:
    """As nothing of ours writes it: everything is in the question."""
    request = each.request
    origin, _, target = request.url.partition(".test")
    path, _, query = target.partition("?")
    lines = "".join(f"{name}: {value}\n" for name, value in request.headers)
    question = f"cachesaver/1 generic POST\n{origin}.test\n{path}\n{query}\n{lines}\n".encode()
    members = question_members(question + request.body)
    answer = answer_of(Sample(response=each.response, draw=""))
    return written(Head(), [document("a" * 64, members, [answer])])


WRITTEN: Mapping[str, Callable[[Interaction], bytes]] = {
    "vcrpy": vcrpy,
    "vcrpy in JSON": vcrpy_json,
    "har": har,
    "ruby-vcr": ruby,
    "go-vcr": go_vcr,
    "cassetter": cassetter,
    "azure-session": azure,
    "rig": rig,
    "httprr": httprr,
    "cachesaver": ours,
}


def test_every_format_is_here() -> None:
    assert {name.partition(" ")[0] for name in WRITTEN} == {*FORMATS, "httprr", "cachesaver"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", WRITTEN)
def test_every_planted_secret_is_found(name: str, *, packed: bool) -> None:
    content = WRITTEN[name](exchange())
    assert format_of(content, location="a.yaml") == name.partition(" ")[0]

    found = list(scan(gzip.compress(content) if packed else content, location="a.yaml"))

    secrets = [each.secret for each in found]
    assert [each for each in PLANTED if not any(each in secret for secret in secrets)] == []
    shown = " ".join(f"{each.shown} {each!r}" for each in found).encode()
    assert [each for each in PLANTED if each in shown] == []


def test_where_a_secret_stands_is_told() -> None:
    content = vcrpy(exchange())
    lines = content.split(b"\n")

    found = list(scan(content, location="a.yaml"))

    for each in found:
        longest = max(each.secret.split(), key=len)
        if longest in content:
            assert any(longest in line for line in lines[each.line - 1 : each.line]), each
    assert {each.side for each in found} == {"request", "response"}
    assert {each.place for each in found} == {0}
    kinds = {each.kind for each in found}
    assert {"header x-api-key", "query sig", "userinfo of the URL", "token"} <= kinds


@pytest.mark.parametrize(
    "value",
    [
        *("Bearer <OPENAI_ACCESS_TOKEN>", "**REDACTED**", "Sanitized", "[redacted]", "test"),
        *("Bearer FAKE_KEY_FOR_TESTS_123", "Bearer sk-xxxxxxxxxxxxxxxxxxxxxxxx", "DUMMY-123456789"),
    ],
)
def test_a_placeholder_is_none(value: str) -> None:
    headers = (("authorization", value), ("set-cookie", value))
    asked = ("POST", "https://a.test/?key=lm-studio", headers, Body(content=b"{}"))
    each = interaction(asked, (200, headers, Body(), ""), place=0)

    assert list(scan(vcrpy(each), location="a.yaml")) == []


@pytest.mark.parametrize(
    ("cookie", "count"),
    [
        ("__cf_bm=opaque-0123456789; path=/; domain=.example.com; HttpOnly", 1),
        ("__cf_bm=REDACTED; path=/; expires=Fri, 22-Mar-24 05:07:30 GMT; domain=.acme.test", 0),
        ("theme=<X>; session=opaque-0123456789", 1),
    ],
)
def test_a_cookie_is_told_from_what_stands_beside_it(cookie: str, count: int) -> None:
    told = (200, (("set-cookie", cookie),), Body(), "")
    each = interaction(("GET", "https://a.test/", (), Body()), told, place=0)

    assert len(list(scan(vcrpy(each), location="a.yaml"))) == count


def test_a_token_outside_of_all_interactions_is_found() -> None:
    token = b"gsk_" + b"Qm9ndXNLZXlGb3JUZXN0c09ubHkw"

    (found,) = scan(b"# " + token + b"\ninteractions: []\nversion: 1\n", location="a.yaml")

    assert (found.side, found.place, found.line, found.secret) == ("file", -1, 1, token)


def test_forms_and_coded_bodies_are_looked_into() -> None:
    form = (("content-type", "application/x-www-form-urlencoded"),)
    told = gzip.compress(b'{"access_token": "opaque-token-0123456789"}')
    each = interaction(
        (
            "POST",
            "https://a.test/token",
            form,
            Body(content=b"a=b&refresh_token=opaque-0123456789"),
        ),
        (200, (("content-encoding", "gzip"),), Body(content=told), ""),
        place=0,
    )

    found = {each.kind: each.secret for each in scan(vcrpy(each), location="a.yaml")}

    assert found == {
        "field of a form": b"opaque-0123456789",
        "member of a body": b"opaque-token-0123456789",
    }


def test_who_asked_is_no_secret_unless_it_is_to_be_one() -> None:
    named = (("openai-organization", "org-0123456789"),)
    each = interaction(("GET", "https://a.test/", (), Body()), (200, named, Body(), ""), place=0)

    assert list(scan(vcrpy(each), location="a.yaml")) == []
    (found,) = scan(vcrpy(each), location="a.yaml", accounts=True)
    assert found.kind == "header openai-organization"
