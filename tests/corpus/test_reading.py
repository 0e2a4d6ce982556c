"""The readers of `recordings`, against the corpus' index and on the dialects' smallest examples."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from recordings import READERS, Exchange

pytestmark = pytest.mark.xdist_group("corpus")

CORPUS_README = {"files": 1901, "interactions": 2939, "of providers": 2876}
"""What the corpus says of itself: change it with the corpus."""

TRAITS = {
    # What is to be found in the bytes, so that none of it is lost on the way in.
    "gzip bodies": 116,
    "n above 1": 49,
    "errors": 233,
    "multipart bodies": 51,
    "without a request": 250,
}


def entries(corpus: Path) -> dict[str, Any]:
    index = json.loads((corpus / "index.json").read_bytes())
    return {entry["file"]: entry for entry in index["files"]}


def test_every_file_and_every_interaction_is_read(
    corpus: Path, exchanges: tuple[Exchange, ...]
) -> None:
    read = Counter(exchange.file for exchange in exchanges)

    assert {
        "files": len(read),
        "interactions": len(exchanges),
        "of providers": sum(exchange.llm for exchange in exchanges),
    } == CORPUS_README
    index = entries(corpus)
    assert read == {name: len(entry["interactions"]) for name, entry in index.items()}


def test_method_status_and_host_are_the_indexs(
    corpus: Path, exchanges: tuple[Exchange, ...]
) -> None:
    index = entries(corpus)

    for exchange in exchanges:
        told = index[exchange.file]["interactions"][exchange.place]
        if exchange.request is None:
            assert told["response_only"]
            continue
        assert exchange.request.method == told["method"], exchange.name
        assert exchange.response.status == told["status"], exchange.name
        parts = urlsplit(exchange.request.url)
        assert parts.scheme in ("http", "https"), exchange.name
        if told["host"] and not set(told["host"]) & set("<*"):
            assert told["host"] in parts.netloc, exchange.name


def expected_size(body: bytes, kind: str | None, name: str) -> set[int]:
    """The sizes that the index may tell of *body*: it counts what stands in the file.

    A body that stands there parsed is counted with a space after commas and colons; of bodies kept
    as lines, what is `b64:` is counted so; of chunk files, the file.
    """
    sizes = {len(body)}
    if kind in ("parsed", "parsed_body"):
        sizes.add(len(json.dumps(json.loads(body), ensure_ascii=False).encode()))
    return sizes


def test_bodies_have_the_sizes_that_the_index_tells(
    corpus: Path, exchanges: tuple[Exchange, ...]
) -> None:
    index = entries(corpus)
    odd = Counter[str]()

    for exchange in exchanges:
        told = index[exchange.file]["interactions"][exchange.place]
        sides = (
            (exchange.request.body if exchange.request else None, told.get("req_kind")),
            (exchange.response.body, told.get("resp_kind")),
        )
        for (body, kind), size in zip(sides, exchange.sizes, strict=True):
            if body is None or size is None or size in expected_size(body, kind, exchange.file):
                continue
            why = kind or ("chunks" if exchange.file.endswith(".chunks.txt") else "unknown")
            odd[why] += 1

    # lines: eleven multipart bodies hold a file as `b64:`; chunks: made into events.
    assert odd == {"lines": 11, "chunks": 98}


def test_what_the_corpus_is_prized_for_is_there(exchanges: tuple[Exchange, ...]) -> None:
    requests = [e.request for e in exchanges if e.request is not None]

    assert {
        "gzip bodies": sum(e.response.body.startswith(b"\x1f\x8b") for e in exchanges),
        "n above 1": sum((e.count or 1) > 1 for e in exchanges),
        "errors": sum((e.status or 200) >= 400 for e in exchanges),
        "multipart bodies": sum(
            (r.header("content-type") or "").startswith("multipart/") and r.body != b""
            for r in requests
        ),
        "without a request": len(exchanges) - len(requests),
    } == TRAITS


def test_content_encoding_describes_the_body_as_it_stands(exchanges: tuple[Exchange, ...]) -> None:
    coded = [e for e in exchanges if e.response.header("content-encoding")]

    assert Counter(e.response.header("content-encoding") for e in coded) == {"gzip": 116, "br": 1}
    for exchange in coded:
        if exchange.response.header("content-encoding") == "gzip":
            assert gzip.decompress(exchange.response.body), exchange.name


def test_headers_are_latin_1_text_and_no_framing(exchanges: tuple[Exchange, ...]) -> None:
    for exchange in exchanges:
        asked = exchange.request.headers if exchange.request else ()
        for name, value in (*asked, *exchange.response.headers):
            assert value.encode("latin-1") is not None, exchange.name
            assert not value.startswith(("b'", 'b"')), exchange.name
            assert name.lower() not in ("content-length", "transfer-encoding"), exchange.name


def read(kind: str, content: str | bytes, name: str = "a/b/c/openai/x.yaml") -> Exchange:
    (pair,) = READERS[kind](content.encode() if isinstance(content, str) else content, name)
    return Exchange(
        file=name,
        place=0,
        request=pair[0],
        response=pair[1],
        provider="",
        llm=True,
        status=None,
        stream="",
        count=None,
        sizes=(None, None),
        odd=frozenset(),
    )


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
    ("body", "sent"),
    [
        ("body: null", b""),
        ("body: ü", "ü".encode()),
        ("body: !!binary AP8=", b"\x00\xff"),
        ("body: {a: [1, 1.0, ü]}", '{"a":[1,1.0,"ü"]}'.encode()),
        ("parsed_body: {a: null}", b'{"a":null}'),
    ],
)
def test_vcrpys_bodies_become_bytes(body: str, sent: bytes) -> None:
    exchange = read("vcrpy", vcrpy(body))

    assert exchange.request
    assert exchange.request.body == sent
    assert exchange.request.method == "POST"


def test_names_and_values_of_headers_become_texts() -> None:
    names = "headers:\n      ? !!python/object/apply:multidict._multidict.istr\n      - X-A\n      : [1]\n"
    values = """      X-B: ["b'c'", !!binary Yg==]\n      X-D: é"""

    exchange = read("vcrpy", vcrpy(headers=names + values))

    assert exchange.request
    assert exchange.request.headers == (
        ("X-A", "1"),
        ("X-B", "c"),
        ("X-B", "b"),
        ("X-D", "Ã©"),
    )


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [exit]",
        "!!python/object/new:os.system [exit]",
        "!!python/name:os.system",
        "!!python/object/apply:multidict._multidict.istr {a: b}",
    ],
)
def test_no_tag_is_executed(tag: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read("vcrpy", vcrpy(body=f"body: {tag}"))


@pytest.mark.parametrize(
    ("recorded", "url"),
    [
        ("**REDACTED**", "https://redacted.invalid/%2A%2AREDACTED%2A%2A"),
        ("<OLLAMA_API_BASE>/chat", "https://ollama-api-base.invalid/chat"),
        ("https://a.<AWS_REGION>.b/<X>?k=<Y>", "https://a.aws-region.b/%3CX%3E?k=%3CY%3E"),
        ("https://a.test:1/%2F?a=%20#f", "https://a.test:1/%2F?a=%20"),
    ],
)
def test_a_blanked_url_becomes_a_stable_one(recorded: str, url: str) -> None:
    exchange = read("vcrpy", vcrpy(uri=recorded))

    assert exchange.request
    assert exchange.request.url == url


def test_two_lists_are_read_as_one_list_of_pairs() -> None:
    cassette = {
        "requests": [{"method": "GET", "uri": "http://a.test/", "headers": None, "body": None}],
        "responses": [{"status": {"code": 204, "message": ""}, "headers": {}, "body": "x"}],
    }

    exchange = read("vcrpy", json.dumps(cassette))

    assert exchange.response.status == 204
    assert exchange.response.body == b"x"


def test_a_coding_that_the_body_is_not_in_is_left_out() -> None:
    coded = base64.b64encode(gzip.compress(b"{}")).decode()

    def answer(content: str) -> str:
        return vcrpy().replace(
            "body: {string: x}\n    headers: {}",
            f"body: {{string: {content}}}\n    headers: {{Content-Encoding: gzip, X: y}}",
        )

    plain = read("vcrpy", answer("'{}'"))
    packed = read("vcrpy", answer(f"!!binary {coded}"))

    assert plain.response.headers == (("X", "y"),)
    assert packed.response.header("content-encoding") == "gzip"
    assert gzip.decompress(packed.response.body) == b"{}"


def test_a_trace_of_httprr_is_cut_by_its_lengths_and_dechunked() -> None:
    asked = b"POST http://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n1\n2"
    told = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n1;x=y\r\nc\r\n0\r\n\r\n"
    )
    trace = b"httprr trace v1\n%d %d\n" % (len(asked), len(told)) + asked + told

    exchange = read("httprr", trace)

    assert exchange.request
    assert exchange.request.body == b"1\n2"
    assert exchange.response.body == b"a\nbc"
    with pytest.raises(ValueError, match="no last chunk"):
        read("httprr", trace.replace(b"0\r\n\r\n", b"").replace(b"%d\n" % len(told), b"65\n"))


def test_sessions_of_azure_are_read_by_the_type_of_their_bodies() -> None:
    form, text = {"Content-Type": "multipart/form-data; boundary=b"}, {"Content-Type": "audio/aac"}
    entry = {
        "RequestUri": "https://a.test/",
        "RequestMethod": "POST",
        "RequestHeaders": form,
        "RequestBody": ["--b\r\n", "b64:AP8="],
        "StatusCode": 200,
        "ResponseHeaders": text,
        "ResponseBody": "AP8=",
    }

    exchange = read("azure-session", json.dumps({"Entries": [entry]}))

    assert exchange.request
    assert exchange.request.body == b"--b\r\n\x00\xff"
    assert exchange.response.body == b"\x00\xff"


def test_chunks_become_events_named_by_their_type() -> None:
    named, plain, broken = '{"type":"a","t":"\u2028"}', '{"choices":[]}', '{"type":"b"'

    exchange = read("vercel-fixture", f"{named}\n\n{plain}\n{broken}\n", "x.chunks.txt")

    assert exchange.request is None
    assert exchange.response.body.decode() == (
        f"event: a\ndata: {named}\n\ndata: {plain}\n\ndata: {broken}\n\n"
    )
