"""The readers of recordings, against the corpus' index."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recordings import ANSWERS, Exchange

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


def test_chunks_become_events_named_by_their_type() -> None:
    named, plain, broken = '{"type":"a","t":"\u2028"}', '{"choices":[]}', '{"type":"b"'

    content = f"{named}\n\n{plain}\n{broken}\n".encode()

    ((request, response),) = ANSWERS["vercel-fixture"](content, "x.chunks.txt")

    assert request is None
    assert response.body.decode() == (
        f"event: a\ndata: {named}\n\ndata: {plain}\n\ndata: {broken}\n\n"
    )
