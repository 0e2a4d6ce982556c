"""Applications that answer for a host, by clients that believe it is on the network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager

import aiohttp
import httpx
import pytest
import requests

import cachesaver
from cachesaver.contexts import inside
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.mounts import MOUNTS, Mount, mount_of
from cachesaver.stores.memory import MemoryStore
from cachesaver.wiring import mount

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Counting:
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def body(self, request: Request) -> bytes:
        self.asked.append(request)
        said = (
            '{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,'
            '"message": {"role": "assistant", "content": "%d"}, "finish_reason": "stop"}]}'
        )
        return (said % len(self.asked)).encode()

    def send(self, request: Request) -> Reply:
        chunks = iter([self.body(request)])
        return Reply(status=200, headers=HEADERS, chunks=chunks, close=lambda: None)

    async def asend(self, request: Request) -> AsyncReply:
        async def chunks() -> AsyncIterator[bytes]:
            yield self.body(request)

        async def close() -> None:
            """Nothing is held."""

        return AsyncReply(status=200, headers=HEADERS, chunks=chunks(), close=close)


HEADERS = (("content-type", "application/json"),)
URL = "http://local/v1/chat/completions"


@contextmanager
def mounted(host: str = "local") -> Generator[Counting]:
    answering = Counting()
    undo = mount(host, Mount(send=answering.send, asend=answering.asend))
    try:
        yield answering
    finally:
        undo()


def said(answer: httpx.Response | requests.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


async def by_aiohttp() -> str:
    async with aiohttp.ClientSession() as client, client.post(URL, json=ASK) as answer:
        return str((await answer.json())["choices"][0]["message"]["content"])


async def by_async_httpx() -> str:
    async with httpx.AsyncClient() as client:
        return said(await client.post(URL, json=ASK))


def test_any_client_reaches_it_without_a_session() -> None:
    with mounted() as answering:
        heard = [
            said(httpx.post(URL, json=ASK)),
            said(requests.post(URL, json=ASK, timeout=5)),
            asyncio.run(by_aiohttp()),
            asyncio.run(by_async_httpx()),
        ]

    assert heard == ["1", "2", "3", "4"]
    assert {each.url for each in answering.asked} == {URL}


def test_calls_go_through_the_session_like_any_providers() -> None:
    with mounted(), cachesaver.install(store="memory://", quiet=True) as session:
        with cachesaver.namespace("a"):
            first = said(httpx.post(URL, json=ASK))
        with cachesaver.namespace("b"):
            second = asyncio.run(by_aiohttp())

        assert (first, second) == ("1", "1")
        assert (session.stats().hits, session.stats().fetched) == (1, 1)


def test_what_is_no_provider_call_reaches_it_too() -> None:
    with mounted() as answering, cachesaver.install(store="memory://", quiet=True):
        httpx.get("http://local/v1/models")

    assert [each.method for each in answering.asked] == ["GET"]


OURS = {"x-cachesaver-request-id": "a"}


async def by_async_httpx_named() -> str:
    async with httpx.AsyncClient() as client:
        return said(await client.post(f"{URL}?a=b", json=ASK, headers=OURS))


def by_httpx_named() -> str:
    return said(httpx.post(f"{URL}?a=b", json=ASK, headers=OURS))


def asked() -> list[str]:
    """Return what is said in four namespaces, to one question; its samples are shared."""
    heard = list[str]()
    for number in range(4):
        with cachesaver.namespace(str(number)):
            heard.append(asyncio.run(by_async_httpx_named()) if number % 2 else by_httpx_named())
    return heard


def test_what_the_session_does_not_want_goes_straight_there() -> None:
    """Given no session that would answer elsewhere, then each call is made, without our headers."""
    store = MemoryStore()
    with mounted() as answering, cachesaver.install(store=store, quiet=True) as session:
        kept = asked()
        with inside():
            from_inside = asked()
        with cachesaver.install(store=store, mode="live", quiet=True):
            live = asked()
        session.close()
        closed = asked()

    assert kept == ["1"] * 4
    assert from_inside == ["2", "3", "4", "5"]
    assert live == ["6", "7", "8", "9"]
    assert closed == ["10", "11", "12", "13"]
    assert {each.url for each in answering.asked} == {f"{URL}?a=b"}
    assert {each.header("x-cachesaver-request-id") for each in answering.asked} == {None}


def test_other_hosts_are_as_before() -> None:
    with mounted() as answering, pytest.raises(httpx.ConnectError):
        httpx.post("http://127.0.0.1:9/v1/chat/completions", json=ASK)

    assert answering.asked == []


def test_afterwards_nothing_is_there() -> None:
    original = httpx.Client._send_single_request
    with mounted():
        assert httpx.Client._send_single_request is not original

    assert httpx.Client._send_single_request is original
    assert MOUNTS == {}


def test_a_session_that_ends_leaves_it_mounted() -> None:
    with mounted():
        with cachesaver.install(store="memory://", quiet=True):
            pass
        assert said(httpx.post(URL, json=ASK)) == "1"


def test_one_that_ends_leaves_the_session_installed() -> None:
    with cachesaver.install(store="memory://", quiet=True) as session:
        with mounted("other"):
            pass
        with mounted():
            said(httpx.post(URL, json=ASK))
        assert session.stats().requests == 1


def test_a_host_is_taken_once() -> None:
    with mounted(), pytest.raises(ConfigurationError, match="'local'"), mounted():
        pass


def test_undoing_twice_does_no_harm() -> None:
    answering = Counting()
    undo = mount("local", Mount(send=answering.send, asend=answering.asend))
    undo()
    with mounted():
        undo()
        assert said(httpx.post(URL, json=ASK)) == "1"


def test_who_answers_is_told_by_the_host_alone() -> None:
    with mounted() as answering:
        found = mount_of(Request(method="GET", url="https://LOCAL:8443/x"))
        other = mount_of(Request(method="GET", url="https://local.test/x"))

    assert found is not None
    assert found.send == answering.send
    assert other is None
    assert mount_of(Request(method="GET", url="https://local/x")) is None
