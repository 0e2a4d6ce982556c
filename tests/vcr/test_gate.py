"""Every HTTP request counts, whichever client makes it: recorded, played and refused, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import httpcore
import httpx
import httpx2
import pytest
import requests
import urllib3
import yaml

from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.vcr import UnrecordedRequestError, use_cassette
from vcrs import vcr

Ask = Callable[[str], str]
PLAIN = b"plain " * 20


def by_httpx(url: str) -> str:
    return httpx.get(url, follow_redirects=True).text


def by_httpx2(url: str) -> str:
    return httpx2.get(url, follow_redirects=True).text


def by_requests(url: str) -> str:
    return requests.get(url, timeout=10).text


def by_urllib3(url: str) -> str:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, headers={"accept-encoding": "gzip"}).data.decode()


def by_urllib(url: str) -> str:
    with urllib.request.urlopen(url) as answer:  # noqa: S310
        body: bytes = answer.read()
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()


def by_aiohttp(url: str) -> str:
    async def ask() -> str:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return await answer.text()

    return asyncio.run(ask())


def by_httpx_async(url: str) -> str:
    async def ask() -> str:
        async with httpx.AsyncClient(follow_redirects=True) as client:
            return (await client.get(url)).text

    return asyncio.run(ask())


CLIENTS = (by_aiohttp, by_httpx, by_httpx2, by_httpx_async, by_requests, by_urllib, by_urllib3)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        running.script("/x", Script(chunks=(b"one", b"two")))
        coded = (("content-encoding", "gzip"),)
        running.script("/gzip", Script(headers=coded, chunks=(gzip.compress(PLAIN),)))
        running.script("/old", Script(status=302, headers=(("Location", "/x"),), chunks=(b"",)))
        running.script("/429", Script(status=429, chunks=(b"slow down",)))
        yield running


@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize(
    ("path", "text"), [("/x", "onetwo"), ("/gzip", PLAIN.decode()), ("/old", "onetwo")]
)
def test_what_one_client_records_every_client_is_given(
    ask: Ask, path: str, text: str, server: LoopbackServer, tmp_path: Path
) -> None:
    cassette = str(tmp_path / "a.yaml")
    with use_cassette(cassette):
        assert ask(server.url + path) == text
    asked = len(server.received)

    for other in CLIENTS:
        with use_cassette(cassette, record_mode="none") as played:
            assert other(server.url + path) == text
        assert played.all_played

    assert len(server.received) == asked


@pytest.mark.parametrize("ask", [by_httpx, by_requests, by_aiohttp])
def test_vcrpy_plays_what_is_recorded_here_and_the_reverse(
    ask: Ask, server: LoopbackServer, tmp_path: Path
) -> None:
    ours, theirs = str(tmp_path / "ours.yaml"), str(tmp_path / "theirs.yaml")
    with use_cassette(ours):
        assert ask(server.url + "/gzip") == PLAIN.decode()
    with vcr.use_cassette(theirs):
        assert ask(server.url + "/gzip") == PLAIN.decode()
    asked = len(server.received)

    with vcr.use_cassette(ours, record_mode="none"):
        assert ask(server.url + "/gzip") == PLAIN.decode()
    with use_cassette(theirs, record_mode="none"):
        assert ask(server.url + "/gzip") == PLAIN.decode()

    assert len(server.received) == asked


Told = Mapping[str, str]

FRAMING = ("content-length", "transfer-encoding")


def head_by_httpx(url: str) -> Told:
    return httpx.head(url).headers


def head_by_requests(url: str) -> Told:
    return requests.head(url, timeout=10).headers


def head_by_urllib(url: str) -> Told:
    asked = urllib.request.Request(url, method="HEAD")  # noqa: S310  # our own server
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return dict(answer.headers.items())


def head_by_aiohttp(url: str) -> Told:
    async def ask() -> Told:
        async with aiohttp.ClientSession() as session, session.head(url) as answer:
            assert await answer.read() == b""
            return answer.headers

    return asyncio.run(ask())


def head_by_httpcore(url: str) -> Told:
    with httpcore.ConnectionPool() as pool:
        told = pool.request("HEAD", url).headers
    return {name.decode(): value.decode() for name, value in told}


HEADS = (head_by_aiohttp, head_by_httpcore, head_by_httpx, head_by_requests, head_by_urllib)


@pytest.mark.parametrize(
    ("chunks", "framing"),
    [
        ((b"twelve bytes",), {"content-length": "12"}),
        ((b"twelve ", b"bytes"), {"transfer-encoding": "chunked"}),
    ],
    ids=["length", "chunks"],
)
@pytest.mark.parametrize("ask", HEADS)
def test_a_head_is_recorded_and_played_with_the_framing_of_what_it_is_the_head_of(
    ask: Callable[[str], Told],
    chunks: tuple[bytes, ...],
    framing: Told,
    server: LoopbackServer,
    tmp_path: Path,
) -> None:
    url = server.script("/whole", Script(chunks=chunks))

    def asked(ask: Callable[[str], Told]) -> Told:
        told = {name.lower(): value for name, value in ask(url).items()}
        return {name: told[name] for name in FRAMING if name in told}

    assert asked(ask) == framing
    with use_cassette(str(tmp_path / "a.yaml")) as cassette:
        assert asked(ask) == framing
    assert [each.method for each in cassette.requests] == ["HEAD"]
    assert len(server.received) == 2

    for other in HEADS:
        with use_cassette(str(tmp_path / "a.yaml"), record_mode="none"):
            assert asked(other) == framing

    assert len(server.received) == 2


@pytest.mark.parametrize("ask", CLIENTS)
def test_what_is_not_recorded_is_refused_and_never_sent(
    ask: Ask, server: LoopbackServer, tmp_path: Path
) -> None:
    with (
        use_cassette(str(tmp_path / "a.yaml"), record_mode="none") as cassette,
        pytest.raises(UnrecordedRequestError, match="there is no cassette"),
    ):
        ask(server.url + "/x")

    assert server.received == []
    assert len(cassette.misses) == 1
    assert not (tmp_path / "a.yaml").exists()


def test_threads_are_refused_too(server: LoopbackServer, tmp_path: Path) -> None:
    errors = list[Exception]()

    def ask() -> None:
        try:
            by_httpx(server.url + "/x")
        except UnrecordedRequestError as error:
            errors.append(error)

    with use_cassette(str(tmp_path / "a.yaml"), record_mode="none"):
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(errors) == 3
    assert server.received == []


@pytest.mark.parametrize("ask", [by_httpx, by_requests, by_aiohttp])
def test_what_is_ignored_goes_out_and_is_not_recorded(
    ask: Ask, server: LoopbackServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    with use_cassette(str(path), record_mode="none", ignore_localhost=True):
        assert ask(server.url + "/x") == "onetwo"
    with use_cassette(str(path), ignore_hosts=["127.0.0.1"]):
        assert ask(server.url + "/x") == "onetwo"

    assert len(server.received) == 2
    assert not path.exists()


def test_errors_are_recorded_and_played(server: LoopbackServer, tmp_path: Path) -> None:
    for _ in range(2):
        with use_cassette(str(tmp_path / "a.yaml")):
            answer = httpx.get(server.url + "/429")
        assert (answer.status_code, answer.text) == (429, "slow down")

    assert len(server.received) == 1


def test_a_stream_flows_while_it_is_recorded(server: LoopbackServer, tmp_path: Path) -> None:
    """Given a server that sends the next chunk when the one before was read, nothing waits."""
    path = str(tmp_path / "a.yaml")
    events = (b"data: 1\n\n", b"data: 2\n\n")
    told = Script(
        headers=(("content-type", "text/event-stream"),), chunks=events, holds_chunks=True
    )
    url = server.script("/events", told)
    with use_cassette(path), httpx.stream("GET", url) as answer:
        chunks = answer.iter_raw()
        for event in events:
            assert next(chunks) == event
            server.release()
        assert next(chunks, None) is None

    with use_cassette(path, record_mode="none"), httpx.stream("GET", url) as answer:
        assert b"".join(answer.iter_raw()) == b"".join(events)
    assert len(server.received) == 1


def test_a_stream_that_was_left_is_not_recorded(server: LoopbackServer, tmp_path: Path) -> None:
    with (
        use_cassette(str(tmp_path / "a.yaml")) as cassette,
        httpx.stream("GET", server.url + "/x") as answer,
    ):
        next(answer.iter_raw(1))

    assert len(cassette) == 0


def test_bodies_of_requests_are_recorded_as_vcrpy_does(
    server: LoopbackServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    with use_cassette(str(path)):
        httpx.post(server.url + "/echo", json={"a": "é"})
        httpx.post(server.url + "/echo", content=b"\xff")

    told: list[dict[str, Any]] = yaml.safe_load(path.read_text())["interactions"]

    assert [each["request"]["body"] for each in told] == ['{"a":"é"}', b"\xff"]
    assert told[0]["response"]["body"] == {"string": '{"a":"é"}'}
    assert told[0]["response"]["status"] == {"code": 200, "message": "OK"}


def test_what_cannot_be_read_goes_out_only_where_anything_may(
    server: LoopbackServer, tmp_path: Path
) -> None:
    """Given a body larger than we hold, then it is not sent where nothing is recorded."""

    def pieces() -> Iterator[bytes]:
        for _ in range(70):
            yield b"x" * 2**20

    with (
        use_cassette(str(tmp_path / "a.yaml"), record_mode="none"),
        pytest.raises(UnrecordedRequestError),
    ):
        httpx.post(server.url + "/x", content=pieces())

    assert server.received == []


def test_a_plain_connection_of_the_standard_library_is_seen(
    server: LoopbackServer, tmp_path: Path
) -> None:
    host = server.url.removeprefix("http://")
    for _ in range(2):
        with use_cassette(str(tmp_path / "a.yaml")):
            connection = http.client.HTTPConnection(host)
            connection.request("GET", "/x")
            assert connection.getresponse().read() == b"onetwo"
            connection.close()

    assert len(server.received) == 1
