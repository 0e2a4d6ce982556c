"""No file is touched on the thread of a running event loop: detectors of blocking calls fail such tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import openai
import pytest
import trio

import cachesaver
import cachesaver.recording
from cachesaver.errors import NotRecordedError
from cachesaver.rehearsal import Rehearsal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


async def ask(url: str, text: str = "Hi", *, fault: str = "") -> str:
    headers = {"x-rehearsal-fault": fault} if fault else {}
    async with openai.AsyncOpenAI(base_url=url, api_key="x") as client:
        answer = await client.chat.completions.create(
            model="gpt-5-mini",
            messages=[{"role": "user", "content": text}],
            extra_headers=headers,
        )
    return str(answer.choices[0].message.content)


async def stream(url: str) -> str:
    async with openai.AsyncOpenAI(base_url=url, api_key="x") as client:
        chunks = await client.chat.completions.create(
            model="gpt-5-mini", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        return "".join(
            [each.choices[0].delta.content or "" async for each in chunks if each.choices]
        )


async def everything(url: str) -> list[str]:
    said = await asyncio.gather(ask(url, "a"), ask(url, "a"), ask(url, "b"), stream(url))
    return [*said, await ask(url, "c", fault="429;times=1;retry-after=0.01")]


@pytest.fixture
def detected(rehearsal: Rehearsal) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine; fails where it blocks. What clients do the first time is not looked at."""
    blockbuster = pytest.importorskip("blockbuster", reason="it is in the dependency group 'test'")
    asyncio.run(everything(rehearsal.openai_url))
    rehearsal.reset()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with blockbuster.blockbuster_ctx():
            return asyncio.run(coroutine)

    return run


Run = Callable[[Coroutine[Any, Any, Any]], Any]


def test_neither_recording_nor_replaying_blocks(
    rehearsal: Rehearsal, path: Path, detected: Run
) -> None:
    url = rehearsal.openai_url
    with cachesaver.use_cassette(path, record_errors=True):
        said = detected(everything(url))
    with cachesaver.use_cassette(path, record_mode="none"):
        assert detected(everything(url)) == said
        with pytest.raises(NotRecordedError):
            detected(ask(url, "never"))


def test_a_block_on_a_loop_opens_and_closes_its_file_elsewhere(
    rehearsal: Rehearsal, path: Path, detected: Run
) -> None:
    url = rehearsal.openai_url

    @cachesaver.use_cassette(path)
    async def decorated() -> str:
        return await ask(url)

    async def block() -> str:
        async with cachesaver.use_cassette(path) as cassette:
            said = await ask(url)
        assert cassette.all_played
        return said

    assert detected(decorated()) == detected(block())
    assert rehearsal.calls().calls == 1


def test_trio_has_its_turn_meanwhile(rehearsal: Rehearsal, path: Path) -> None:
    async def block() -> None:
        async with cachesaver.use_cassette(path, record_mode="none"):
            with pytest.raises(NotRecordedError):
                await ask(rehearsal.openai_url)

    trio.run(block)
    assert cachesaver.current_session() is None


def test_what_a_block_on_a_loop_cannot_open_is_said(path: Path) -> None:
    path.write_text("interactions: []")

    async def block() -> None:
        async with cachesaver.use_cassette(path):
            pass

    with pytest.raises(cachesaver.StoreError, match="import"):
        asyncio.run(block())


def test_who_is_cancelled_while_it_opens_leaves_nothing_installed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = threading.Event(), threading.Event()
    begin = cachesaver.recording.Cassette._begin

    def slowly(cassette: cachesaver.recording.Cassette) -> None:
        began.set()
        go.wait(20)
        begin(cassette)

    monkeypatch.setattr(cachesaver.recording.Cassette, "_begin", slowly)

    async def block() -> None:
        async with cachesaver.use_cassette(path):
            pytest.fail("it was cancelled before")

    async def cancelled() -> None:
        task = asyncio.create_task(block())
        await asyncio.to_thread(began.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()

    asyncio.run(cancelled())
    for thread in threading.enumerate():
        if thread.name.startswith("cachesaver-cassette"):
            thread.join(20)
    assert cachesaver.current_session() is None
