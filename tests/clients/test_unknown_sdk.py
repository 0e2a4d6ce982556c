"""An SDK nobody has heard of, in ten lines, on each client: it is answered like any other.

Bought, asked again, streamed, refused, timed out and left half way, against the rehearsal. niquests
takes another client's place where it is installed, so its turn comes by `make apart`.
"""

# ruff: noqa: ASYNC109 - an SDK takes a timeout, and gives it to its client

from __future__ import annotations

import asyncio
import http.client
import importlib
import inspect
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver import leases
from cachesaver.rehearsal import Rehearsal

Told = tuple[int, bytes]
Headers = dict[str, str]
JSON = {"Content-Type": "application/json"}


def module(name: str) -> Any:
    return importlib.import_module(name)


# --- ten lines each: `ask` tells status and body, `begin` iterates a body while it arrives


class HttpxSDK:
    lib = "httpx"

    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        answer = module(self.lib).post(url, content=body, headers=headers, timeout=timeout)
        return answer.status_code, answer.content

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        with module(self.lib).stream("POST", url, content=body, headers=headers) as answer:
            yield from answer.iter_raw()


class Httpx2SDK(HttpxSDK):
    lib = "httpx2"


class HttpcoreSDK:
    lib = "httpcore"

    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        times = {"timeout": {"read": timeout}}
        with module(self.lib).ConnectionPool() as pool:
            answer = pool.request(
                "POST", url, content=body, headers=list(headers.items()), extensions=times
            )
            return answer.status, answer.content

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        with module(self.lib).stream(
            "POST", url, content=body, headers=list(headers.items())
        ) as answer:
            yield from answer.iter_stream()


class Httpcore2SDK(HttpcoreSDK):
    lib = "httpcore2"


class RequestsSDK:
    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        answer = module("requests").post(url, data=body, headers=headers, timeout=timeout)
        return answer.status_code, answer.content

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        with module("requests").post(url, data=body, headers=headers, stream=True) as answer:
            yield from answer.iter_content(None)


class Urllib3SDK:
    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        with module("urllib3").PoolManager(retries=False) as manager:
            answer = manager.request("POST", url, body=body, headers=headers, timeout=timeout)
            return answer.status, answer.data

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        with module("urllib3").PoolManager(retries=False) as manager:
            answer = manager.request("POST", url, body=body, headers=headers, preload_content=False)
            try:
                yield from answer.stream()
            finally:
                answer.close()


class HttpClientSDK:
    def _asked(
        self, url: str, body: bytes, headers: Headers, timeout: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        host, _, path = url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=timeout)
        try:
            connection.request("POST", "/" + path, body, headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        connection, answer = self._asked(url, body, headers, timeout)
        told = answer.status, answer.read()
        connection.close()
        return told

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        connection, answer = self._asked(url, body, headers, 9)
        try:
            while chunk := answer.read1():
                yield chunk
        finally:
            connection.close()


class UrllibSDK:
    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=9) as answer:  # noqa: S310 - as above
            yield from answer


class NiquestsSDK:
    def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        answer = module("niquests").post(url, data=body, headers=headers, timeout=timeout)
        return answer.status_code, answer.content

    def begin(self, url: str, body: bytes, headers: Headers) -> Iterator[bytes]:
        with module("niquests").post(url, data=body, headers=headers, stream=True) as answer:
            yield from answer.iter_content(-1)


class AsyncHttpxSDK:
    lib = "httpx"

    async def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        async with module(self.lib).AsyncClient(timeout=timeout) as client:
            answer = await client.post(url, content=body, headers=headers)
            return answer.status_code, answer.content

    async def begin(self, url: str, body: bytes, headers: Headers) -> AsyncIterator[bytes]:
        async with (
            module(self.lib).AsyncClient() as client,
            client.stream("POST", url, content=body, headers=headers) as answer,
        ):
            async for chunk in answer.aiter_raw():
                yield chunk


class AsyncHttpx2SDK(AsyncHttpxSDK):
    lib = "httpx2"


class AsyncHttpcoreSDK:
    lib = "httpcore"

    async def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        times = {"timeout": {"read": timeout}}
        async with module(self.lib).AsyncConnectionPool() as pool:
            answer = await pool.request(
                "POST", url, content=body, headers=list(headers.items()), extensions=times
            )
            return answer.status, answer.content

    async def begin(self, url: str, body: bytes, headers: Headers) -> AsyncIterator[bytes]:
        async with (
            module(self.lib).AsyncConnectionPool() as pool,
            pool.stream("POST", url, content=body, headers=list(headers.items())) as answer,
        ):
            async for chunk in answer.aiter_stream():
                yield chunk


class AsyncHttpcore2SDK(AsyncHttpcoreSDK):
    lib = "httpcore2"


class AiohttpSDK:
    async def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        time = module("aiohttp").ClientTimeout(sock_read=timeout)
        async with (
            module("aiohttp").ClientSession(timeout=time) as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.read()

    async def begin(self, url: str, body: bytes, headers: Headers) -> AsyncIterator[bytes]:
        async with (
            module("aiohttp").ClientSession() as session,
            session.post(url, data=body, headers=headers) as answer,
        ):
            async for chunk in answer.content.iter_any():
                yield chunk


class AsyncNiquestsSDK:
    async def ask(self, url: str, body: bytes, headers: Headers, timeout: float) -> Told:
        async with module("niquests").AsyncSession() as session:
            answer = await session.post(url, data=body, headers=headers, timeout=timeout)
            return answer.status_code, answer.content

    async def begin(self, url: str, body: bytes, headers: Headers) -> AsyncIterator[bytes]:
        async with module("niquests").AsyncSession() as session:
            answer = await session.post(url, data=body, headers=headers, stream=True)
            try:
                async for chunk in await answer.iter_content(-1):
                    yield chunk
            finally:
                await answer.close()


SDKS: dict[str, Callable[[], Any]] = {
    "httpx": HttpxSDK,
    "httpx async": AsyncHttpxSDK,
    "httpx2": Httpx2SDK,
    "httpx2 async": AsyncHttpx2SDK,
    "httpcore": HttpcoreSDK,
    "httpcore async": AsyncHttpcoreSDK,
    "httpcore2": Httpcore2SDK,
    "httpcore2 async": AsyncHttpcore2SDK,
    "requests": RequestsSDK,
    "urllib3": Urllib3SDK,
    "aiohttp": AiohttpSDK,
    "http.client": HttpClientSDK,
    "urllib.request": UrllibSDK,
    "niquests": NiquestsSDK,
    "niquests async": AsyncNiquestsSDK,
}


# --- what is done with them


class Program:
    """Uses one SDK, blocking or async, in one way."""

    def __init__(self, name: str, provider: Rehearsal, store: Path) -> None:
        self.sdk = SDKS[name]()
        self.provider = provider
        self.store = store
        self.url = f"{provider.url}/v1/chat/completions"

    def body(self, **fields: Any) -> bytes:
        turns = [{"role": "user", "content": "Nobody knows my SDK."}]
        return json.dumps({"model": "gpt-5-mini", "messages": turns, **fields}).encode()

    def ask(self, *, fault: str = "", timeout: float = 9) -> Told:
        headers = {**JSON, **({"x-rehearsal-fault": fault} if fault else {})}
        found = self.sdk.ask(self.url, self.body(), headers, timeout)
        told: Told = asyncio.run(found) if asyncio.iscoroutine(found) else found
        return told

    def stream(self, *, most: int | None = None, fault: str = "") -> list[bytes]:
        """Return what arrives; leave after *most* chunks."""
        headers = {**JSON, **({"x-rehearsal-fault": fault} if fault else {})}
        chunks = self.sdk.begin(self.url, self.body(stream=True), headers)
        if not hasattr(chunks, "__aiter__"):
            return taken(chunks, most)
        return asyncio.run(ataken(chunks, most))

    def installed(self, namespace: str, mode: str = "cache") -> cachesaver.Session:
        return cachesaver.install(
            namespace, store=str(self.store), mode=mode, quiet=True, strict=True
        )

    @property
    def calls(self) -> int:
        return self.provider.calls().calls


def taken(chunks: Any, most: int | None) -> list[bytes]:
    found: list[bytes] = []
    for chunk in chunks:
        found.append(chunk)
        if len(found) == most:
            break
    chunks.close()
    return found


async def ataken(chunks: Any, most: int | None) -> list[bytes]:
    found: list[bytes] = []
    async for chunk in chunks:
        found.append(chunk)
        if len(found) == most:
            break
    await chunks.aclose()
    return found


@pytest.fixture(params=SDKS)
def program(
    request: pytest.FixtureRequest,
    rehearsal: Rehearsal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Program:
    """Each SDK in turn; who asks what a caller that left had asked waits a moment only."""
    for client in {request.param.partition(" ")[0], "httpx", "requests"}:
        pytest.importorskip(client)
    monkeypatch.setattr(leases, "_USUAL", 0.1)
    return Program(request.param, rehearsal, tmp_path / "pool")


def test_what_was_bought_is_asked_for_no_more(program: Program) -> None:
    with program.installed("a"):
        live = program.ask()
    with program.installed("b"):
        warm = program.ask()
    with program.installed("c", "replay"):
        replayed = program.ask()

    assert live == warm == replayed
    assert (live[0], program.calls) == (200, 1)


def test_two_draws_are_two(program: Program) -> None:
    with program.installed("a"):
        first, second = program.ask(), program.ask()

    assert first != second
    assert program.calls == 2


def test_a_stream_is_bought_once_and_has_its_seams(program: Program) -> None:
    with program.installed("a"):
        live = program.stream()
    with program.installed("b", "replay"):
        again = program.stream()

    assert b"".join(live) == b"".join(again)
    assert len(again) > 3
    assert b"[DONE]" in b"".join(again)[-20:]
    assert program.calls == 1


def test_a_sample_that_was_bought_whole_is_streamed(program: Program) -> None:
    with program.installed("a"):
        program.ask()
    with program.installed("b", "replay"):
        streamed = b"".join(program.stream())

    assert streamed.startswith(b"data: ")
    assert program.calls == 1


def test_a_refusal_is_what_it_was_and_is_kept_by_nobody(program: Program) -> None:
    live = program.ask(fault="429")
    with program.installed("a") as session:
        assert program.ask(fault="429") == live
        assert (live[0], session.store.summary().samples) == (429, 0)
        assert program.ask()[0] == 200


def test_a_timeout_is_the_clients_own(program: Program) -> None:
    def raised() -> type[BaseException]:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the client raises
            program.ask(fault="hang", timeout=0.2)
        return type(caught.value)

    live = raised()
    with program.installed("a") as session:
        assert raised() is live
        assert session.store.summary().samples == 0
        assert program.ask()[0] == 200


def test_who_leaves_a_stream_half_way_has_bought_nothing(program: Program) -> None:
    with program.installed("a") as session:
        assert len(program.stream(most=1, fault="hang;after=3;times=1")) == 1
        assert session.store.summary().samples == 0
        assert program.ask()[0] == 200
        assert session.store.summary().samples == 1


def test_who_is_cancelled_is_cancelled(program: Program) -> None:
    """Given an async SDK whose provider hangs, when its task is cancelled, it ends at once."""

    async def ask() -> Told:
        headers = {**JSON, "x-rehearsal-fault": "hang;times=1"}
        told: Told = await program.sdk.ask(program.url, program.body(), headers, 30)
        return told

    async def main() -> None:
        task = asyncio.create_task(ask())
        while not program.calls:  # noqa: ASYNC110 - it counts in a thread of its own
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.shield(task), 5)
        assert task.cancelled()

    if not inspect.iscoroutinefunction(program.sdk.ask):
        pytest.skip("it blocks")
    with program.installed("a"):
        asyncio.run(main())
        assert program.ask()[0] == 200


def test_what_was_never_asked_is_a_miss_that_is_seen(program: Program) -> None:
    with program.installed("a", "replay"), pytest.raises(cachesaver.NotRecordedError):
        program.ask()

    assert program.calls == 0
