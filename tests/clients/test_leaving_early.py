"""Who is cancelled, gives up or walks away in the middle: the draw is free again, at once."""

from __future__ import annotations

import asyncio
import gc
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import anyio
import httpx2
import openai
import pytest
import requests
import trio

import cachesaver
from cachesaver import leases
from cachesaver.rehearsal import Rehearsal

OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
Anthropic: Any = anthropic.Anthropic

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}
HANG: Any = {"extra_headers": {"x-rehearsal-fault": "hang;times=1"}}
SILENT: Any = {"extra_headers": {"x-rehearsal-fault": "hang;after=3;times=1"}, "stream": True}


def text_of(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks what a cancelled caller had asked waits for that call a moment only."""
    monkeypatch.setattr(leases, "_USUAL", 0.1)


@pytest.fixture
def session(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[cachesaver.Session]:
    with cachesaver.install(
        namespace="a", store=tmp_path / "s", quiet=True, strict=True
    ) as installed:
        yield installed


@pytest.fixture
def client(rehearsal: Rehearsal, session: cachesaver.Session) -> Iterator[Any]:
    with OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0, timeout=20) as made:
        yield made


@pytest.fixture
def first_again(rehearsal: Rehearsal, session: cachesaver.Session, client: Any) -> Iterator[None]:
    """Afterwards, the next ask of *CHAT* is the first draw: it gets the first sample, at once."""
    yield
    gc.collect()
    assert session.store.summary().samples == 0
    text = text_of(client.chat.completions.create(**CHAT))
    with cachesaver.namespace("b"):
        assert text_of(client.chat.completions.create(**CHAT)) == text
    assert session.store.summary().samples == 1
    assert [index for index, _ in samples(session)] == [0]


def samples(session: cachesaver.Session) -> list[tuple[int, Any]]:
    (question,) = session.store.questions()
    return list(session.store.samples(question[0]))


def asking(rehearsal: Rehearsal, use: Callable[[Any], Any]) -> None:
    async def main() -> None:
        url = rehearsal.openai_url
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            await use(client)

    asyncio.run(main())


async def seen(rehearsal: Rehearsal) -> None:
    """Return when the provider has got a request."""
    while not rehearsal.calls().calls:  # noqa: ASYNC110  # it counts in a thread of its own
        await anyio.sleep(0.005)


@pytest.mark.usefixtures("first_again")
class TestWhole:
    def test_a_task_is_cancelled(self, rehearsal: Rehearsal) -> None:
        async def use(client: Any) -> None:
            task = asyncio.create_task(client.chat.completions.create(**CHAT, **HANG))
            await seen(rehearsal)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asking(rehearsal, use)

    def test_before_it_ran_at_all(self, rehearsal: Rehearsal) -> None:
        async def use(client: Any) -> None:
            task = asyncio.create_task(client.chat.completions.create(**CHAT))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asking(rehearsal, use)

    def test_wait_for_runs_out(self, rehearsal: Rehearsal) -> None:
        async def use(client: Any) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.chat.completions.create(**CHAT, **HANG), 0.2)

        asking(rehearsal, use)

    def test_a_sibling_in_a_task_group_fails(self, rehearsal: Rehearsal) -> None:
        async def fail() -> None:
            await seen(rehearsal)
            raise LookupError

        async def use(client: Any) -> None:
            with pytest.RaisesGroup(LookupError):
                async with asyncio.TaskGroup() as group:
                    group.create_task(client.chat.completions.create(**CHAT, **HANG))
                    group.create_task(fail())

        asking(rehearsal, use)

    def test_the_loop_ends_under_it(self, rehearsal: Rehearsal) -> None:
        """Given a task nobody waits for, when `asyncio.run` returns, then it has been cancelled."""
        kept = list[Any]()

        async def use(client: Any) -> None:
            kept.append(asyncio.create_task(client.chat.completions.create(**CHAT, **HANG)))
            await seen(rehearsal)

        asking(rehearsal, use)
        assert kept[0].done()

    def test_a_trio_scope_is_cancelled(self, rehearsal: Rehearsal) -> None:
        async def main() -> None:
            url = rehearsal.openai_url
            async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
                with trio.move_on_after(0.2) as scope:
                    await client.chat.completions.create(**CHAT, **HANG)
                assert scope.cancelled_caught

        trio.run(main)

    def test_the_sdk_runs_out_of_time(self, client: Any) -> None:
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=0.2).chat.completions.create(**CHAT, **HANG)

    def test_requests_runs_out_of_time(self, rehearsal: Rehearsal) -> None:
        with pytest.raises(requests.Timeout):
            requests.post(
                f"{rehearsal.openai_url}/chat/completions",
                json=CHAT,
                headers=HANG["extra_headers"],
                timeout=0.2,
            )


@pytest.mark.usefixtures("first_again")
class TestStream:
    def test_a_reader_breaks_off(self, client: Any) -> None:
        with client.chat.completions.create(**CHAT, stream=True) as stream:
            for _ in stream:
                break

    def test_a_reader_breaks_off_and_forgets_to_close(self, client: Any) -> None:
        for _ in client.chat.completions.create(**CHAT, stream=True):
            break

    def test_a_reader_never_reads(self, client: Any) -> None:
        client.chat.completions.create(**CHAT, stream=True).close()

    def test_an_async_reader_breaks_off(self, rehearsal: Rehearsal) -> None:
        async def use(client: Any) -> None:
            async with await client.chat.completions.create(**CHAT, stream=True) as stream:
                async for _ in stream:
                    break

        asking(rehearsal, use)

    def test_an_async_reader_breaks_off_and_forgets_to_close(self, rehearsal: Rehearsal) -> None:
        async def use(client: Any) -> None:
            async for _ in await client.chat.completions.create(**CHAT, stream=True):
                break

        asking(rehearsal, use)

    def test_a_reader_is_cancelled(self, rehearsal: Rehearsal) -> None:
        begun = asyncio.Event()

        async def read(client: Any) -> None:
            async for _ in await client.chat.completions.create(**CHAT, **SILENT):
                begun.set()

        async def use(client: Any) -> None:
            task = asyncio.create_task(read(client))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asking(rehearsal, use)

    def test_a_reader_runs_out_of_time(self, client: Any) -> None:
        limited = client.with_options(timeout=0.2)
        with pytest.raises((openai.APITimeoutError, httpx2.ReadTimeout)):
            list(limited.chat.completions.create(**CHAT, **SILENT))

    def test_a_plain_client_breaks_off(self, rehearsal: Rehearsal) -> None:
        url, ask = f"{rehearsal.openai_url}/chat/completions", CHAT | {"stream": True}
        with httpx2.stream("POST", url, json=ask) as answer:
            next(answer.iter_bytes())
        with requests.post(url, json=ask, stream=True, timeout=20) as other:
            next(other.iter_content(20))


@pytest.mark.parametrize("last", ["message_delta", "message_stop"])
def test_a_reader_who_leaves_after_the_last_word_has_paid_for_something(
    rehearsal: Rehearsal, session: cachesaver.Session, last: str
) -> None:
    """Given a reader who stops where it is told why, and never closes, then the sample is stored.

    So does litellm, at `message_delta`.
    """
    with Anthropic(base_url=rehearsal.anthropic_url, api_key="k") as client:
        for event in client.messages.create(**CHAT, max_tokens=50, stream=True):
            if event.type == last:
                break

    assert session.store.summary().samples == 1


def test_a_waiter_takes_over_from_a_leader_who_is_cancelled(
    rehearsal: Rehearsal, session: cachesaver.Session
) -> None:
    """Given two namespaces after one sample, when the one who fetches is cancelled, then the other does."""

    async def use(client: Any) -> None:
        leader = asyncio.create_task(client.chat.completions.create(**CHAT, **HANG))
        await seen(rehearsal)
        with cachesaver.namespace("b"):
            waiter = asyncio.create_task(client.chat.completions.create(**CHAT))
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert text_of(await asyncio.wait_for(waiter, 20))

    asking(rehearsal, use)

    assert session.store.summary().samples == 1
    assert rehearsal.calls().calls == 2


def test_a_session_that_ends_under_a_stream_leaves_nobody_waiting(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a half read stream, when its session ends, then the next one asks, and the stream goes on."""
    with OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client:
        create = client.chat.completions.create
        with cachesaver.install(namespace="a", store=tmp_path, quiet=True, strict=True):
            stream = create(**CHAT, stream=True)
            begun = next(stream)
        with cachesaver.install(namespace="b", store=tmp_path, quiet=True, strict=True) as session:
            assert create(**CHAT).id != begun.id
            assert session.stats().fetched == 1
            rest = list(stream)

    assert {chunk.id for chunk in rest} == {begun.id}
    assert rest[-1].choices[0].finish_reason == "stop"


def test_a_session_inside_another_does_not_wait_for_its_streams(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a stream half read in the outer session, when the inner one asks the same, then it buys."""
    with (
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client,
        cachesaver.install(namespace="a", store=tmp_path, quiet=True, strict=True),
    ):
        create = client.chat.completions.create
        stream = create(**CHAT, stream=True)
        begun = next(stream)
        with cachesaver.install(namespace="b", store=tmp_path, quiet=True, strict=True):
            assert create(**CHAT).id != begun.id
        assert {chunk.id for chunk in stream} == {begun.id}


def test_another_process_is_not_kept_waiting(
    rehearsal: Rehearsal, tmp_path: Path, python: Any
) -> None:
    """Given processes that were killed, or left a stream, while buying, then the next one just asks."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import os, sys, cachesaver, httpx2
            cachesaver.install(namespace="a", store={str(tmp_path / "s")!r}, quiet=True, strict=True)
            url, ask = "{rehearsal.openai_url}/chat/completions", {CHAT!r}
            if sys.argv[1] == "asked":
                print(httpx2.post(url, json=ask, timeout=20).json()["id"])
                sys.exit()
            stream = httpx2.Client().send(
                httpx2.Request("POST", url, json=ask | dict(stream=True)), stream=True)
            print(next(stream.iter_lines()))
            if sys.argv[1] == "killed":
                os._exit(9)
            """
        )
    )

    killed, left, asked, again = (
        python(program, how, timeout=60) for how in ("killed", "left", "asked", "asked")
    )

    assert killed.returncode == 9
    for each in (left, asked, again):
        assert (each.returncode, each.stderr) == (0, "")
    assert asked.stdout == again.stdout != ""
    assert rehearsal.calls().calls == 3


def test_a_process_ends_by_itself_and_says_one_line(
    rehearsal: Rehearsal, tmp_path: Path, python: Any
) -> None:
    """Given every SDK, clients left open, streams half read, then status 0 and our summary."""
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import asyncio, cachesaver
            cachesaver.install(namespace="a", store={str(tmp_path / "s")!r})
            import anthropic, openai
            from google import genai
            from concurrent.futures import ThreadPoolExecutor
            url, ask = {rehearsal.url!r}, {CHAT!r}
            chat = openai.OpenAI(base_url=url + "/v1", api_key="k").chat.completions
            next(iter(chat.create(**ask, stream=True)))
            half = iter(chat.create(**ask, stream=True))
            next(half)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: chat.create(**ask), range(8)))
            anthropic.Anthropic(base_url=url, api_key="k").messages.create(**ask, max_tokens=9)
            gemini = genai.Client(api_key="k", http_options=dict(base_url=url))
            gemini.models.generate_content(model="gemini-2.5-flash", contents="Hello")
            open_clients = []  # one that is collected in another's loop complains there, with or without us
            async def main():
                client = openai.AsyncOpenAI(base_url=url + "/v1", api_key="k")
                open_clients.append(client)
                await asyncio.gather(*(client.chat.completions.create(**ask) for _ in range(4)))
            for _ in range(2):
                asyncio.run(main())
            """
        )
    )

    ran = python(program, timeout=60)

    assert (ran.returncode, ran.stdout) == (0, "")
    assert (
        ran.stderr == "cachesaver: namespace 'a': 0 hits, 18 fetched, 0 tokens saved, 1 bypassed\n"
    )
