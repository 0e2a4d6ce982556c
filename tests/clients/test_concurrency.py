"""Threads, tasks and event loops of every make: all samples distinct, and the same ones again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx2
import openai
import pytest
import trio
import uvloop

import cachesaver
from cachesaver.rehearsal import Latency, Rehearsal

OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
AsyncAnthropic: Any = anthropic.AsyncAnthropic

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}


def about(topic: object) -> Any:
    return CHAT | {"messages": [{"role": "user", "content": f"Say something about {topic}."}]}


def text_of(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


def texts_of(answers: Any) -> list[str]:
    return [text_of(answer) for answer in answers]


@pytest.fixture(autouse=True)
def _platform_known(rehearsal: Rehearsal) -> None:
    """Before its first call, the SDK asks a thread what platform this is: tasks arrive in any order.

    Equal questions of siblings are exchangeable then, and so are their answers.
    """
    with OpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
        client.models.list()
    rehearsal.reset()


@pytest.fixture
def installed(rehearsal: Rehearsal) -> Iterator[cachesaver.Session]:
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as session:
        yield session


async def agent(create: Any, name: int) -> list[str]:
    history = [*about(f"agent {name % 3}")["messages"]]
    said = list[str]()
    for _ in range(4):
        text = text_of(await create(model="gpt-5-mini", messages=history))
        history += [{"role": "assistant", "content": text}, CHAT["messages"][0]]
        said.append(text)
    return said


# --- one run, and the same program again


class TestAgain:
    """A program of many calls, run live, and again in a fresh namespace: the same samples, no call."""

    @pytest.fixture
    def twice(self, rehearsal: Rehearsal) -> Callable[[Callable[[str], list[str]]], None]:
        def run(program: Callable[[str], list[str]]) -> None:
            with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True):
                cold = program(rehearsal.openai_url)
                calls = rehearsal.calls()
                with cachesaver.namespace("b"):
                    warm = program(rehearsal.openai_url)

            assert len(set(cold)) == len(cold)
            assert warm == cold
            assert calls.samples == len(cold)
            assert rehearsal.calls().calls == calls.calls

        return run

    def test_sync_clients_one_after_the_other(self, twice: Any) -> None:
        def program(url: str) -> list[str]:
            with OpenAI(base_url=url, api_key="k") as client:
                return [text_of(client.chat.completions.create(**CHAT)) for _ in range(5)]

        twice(program)

    @pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
    def test_fifty_equal_and_fifty_different_questions_at_once(self, twice: Any, loop: Any) -> None:
        async def ask(url: str) -> list[str]:
            async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
                create = client.chat.completions.create
                asked = [create(**CHAT) for _ in range(50)]
                asked += [create(**about(number)) for number in range(50)]
                return texts_of(await asyncio.gather(*asked))

        def program(url: str) -> list[str]:
            with asyncio.Runner(loop_factory=loop) as runner:
                return runner.run(ask(url))

        twice(program)

    def test_trio(self, twice: Any) -> None:
        async def ask(url: str) -> list[str]:
            answers = list[str]()

            async def one(client: Any, number: int) -> None:
                answer = await client.post(f"{url}/chat/completions", json=about(number))
                answers.append(answer.json()["choices"][0]["message"]["content"])

            async with httpx2.AsyncClient() as client, trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(one, client, number)
            return sorted(answers)

        def program(url: str) -> list[str]:
            return trio.run(ask, url)

        twice(program)

    # The SDK leaves generators of its own unfinished, live as well, and trio says so.
    @pytest.mark.filterwarnings("ignore:Async generator 'openai:ResourceWarning")
    def test_openai_on_trio(self, twice: Any) -> None:
        async def ask(url: str) -> list[str]:
            async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
                create = client.chat.completions.create
                whole = [text_of(await create(**CHAT)) for _ in range(3)]
                stream = await create(**CHAT, stream=True)
                said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
                return [*whole, said]

        def program(url: str) -> list[str]:
            return trio.run(ask, url)

        twice(program)

    def test_anthropic_on_trio(self, twice: Any) -> None:
        async def ask(url: str) -> list[str]:
            base = url.removesuffix("/v1")
            async with AsyncAnthropic(base_url=base, api_key="k", max_retries=0) as client:
                answers = [await client.messages.create(**CHAT, max_tokens=50) for _ in range(3)]
                return [answer.content[0].text for answer in answers]

        def program(url: str) -> list[str]:
            return trio.run(ask, url)

        twice(program)

    def test_several_loops_one_after_the_other_and_one_sync_client(self, twice: Any) -> None:
        def program(url: str) -> list[str]:
            async def main(number: int) -> list[str]:
                async with AsyncOpenAI(base_url=url, api_key="k") as client:
                    create = client.chat.completions.create
                    both = [create(**CHAT), create(**about(number))]
                    asked = texts_of(await asyncio.gather(*both))
                    return [*asked, text_of(lasting.chat.completions.create(**CHAT))]

            with OpenAI(base_url=url, api_key="k") as lasting:
                return [text for number in range(3) for text in asyncio.run(main(number))]

        twice(program)

    def test_a_task_group(self, twice: Any) -> None:
        async def ask(url: str) -> list[str]:
            async with (
                AsyncOpenAI(base_url=url, api_key="k") as client,
                asyncio.TaskGroup() as group,
            ):
                create = client.chat.completions.create
                tasks = [group.create_task(create(**about(n % 5))) for n in range(20)]
            return texts_of(task.result() for task in tasks)

        def program(url: str) -> list[str]:
            return asyncio.run(ask(url))

        twice(program)

    def test_wait_for_and_shield(self, twice: Any) -> None:
        async def ask(url: str) -> list[str]:
            async with AsyncOpenAI(base_url=url, api_key="k") as client:
                create = client.chat.completions.create
                bounded = [asyncio.wait_for(create(**CHAT), 30) for _ in range(5)]
                shielded = [asyncio.shield(create(**about("shields"))) for _ in range(5)]
                return texts_of(await asyncio.gather(*bounded, *shielded))

        def program(url: str) -> list[str]:
            return asyncio.run(ask(url))

        twice(program)

    def test_agents_of_several_steps(self, twice: Any) -> None:
        """Given agents whose next question holds the last answer, then histories repeat."""

        async def ask(url: str) -> list[str]:
            async with AsyncOpenAI(base_url=url, api_key="k") as client:
                agents = [agent(client.chat.completions.create, name) for name in range(9)]
                return [text for said in await asyncio.gather(*agents) for text in said]

        def program(url: str) -> list[str]:
            return asyncio.run(ask(url))

        twice(program)


def test_thirty_two_threads(rehearsal: Rehearsal, installed: cachesaver.Session) -> None:
    """Given threads that share a client, then no two draw one sample, and no more is bought again."""

    def ask(number: int, namespace: str) -> tuple[int, str]:
        with cachesaver.namespace(namespace):
            return number % 8, text_of(client.chat.completions.create(**about(number % 8)))

    with (
        OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
        ThreadPoolExecutor(32) as pool,
    ):
        cold = list(pool.map(ask, range(128), ["a"] * 128))
        warm = list(pool.map(ask, range(128), ["b"] * 128))

    assert len({text for _, text in cold}) == 128
    # Which thread of a pool gets which job is open, so who gets which of the equal ones is, too.
    assert sorted(warm) == sorted(cold)
    assert rehearsal.calls().calls == rehearsal.calls().samples == 128


def test_a_sync_call_on_a_running_loop_never_waits_for_that_loop(rehearsal: Rehearsal) -> None:
    """Given a task's flight of a sample, when its loop's thread wants the same one, blocking."""
    rehearsal.latency = 1.0  # the flight is still up when the blocking call comes

    async def main() -> list[str]:
        async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
            flying = asyncio.create_task(client.chat.completions.create(**CHAT))
            while not rehearsal.calls().calls:  # noqa: ASYNC110  # it counts in a thread of its own
                await asyncio.sleep(0.005)
            with (
                cachesaver.namespace("b"),
                OpenAI(base_url=rehearsal.openai_url, api_key="k", timeout=30) as blocking,
            ):
                blocked = text_of(blocking.chat.completions.create(**CHAT))
            return [text_of(await flying), blocked]

    with cachesaver.install(store="memory://", quiet=True, strict=True) as session:
        first, second = asyncio.run(main())

        assert first != second, "who may not wait is given another sample"
        assert session.store.summary().samples == 2
    assert rehearsal.calls().calls == 2


def test_two_namespaces_share_a_flight(rehearsal: Rehearsal, installed: cachesaver.Session) -> None:
    rehearsal.latency = 0.1

    async def ask(client: Any, namespace: str) -> str:
        with cachesaver.namespace(namespace):
            return text_of(await client.chat.completions.create(**CHAT))

    async def main() -> list[str]:
        async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
            return await asyncio.gather(*(ask(client, f"n{number}") for number in range(20)))

    try:
        texts = asyncio.run(main())
    finally:
        rehearsal.latency = 0

    assert len(set(texts)) == 1
    assert rehearsal.calls().calls == 1


@pytest.mark.parametrize("library", ["openai", "agents", "aiohttp"])
def test_the_order_of_completion_decides_nothing(tmp_path: Path, library: str) -> None:
    """Given a provider that answers in another order, then a fresh namespace gets the same again."""

    async def by_openai(url: str) -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            create = client.chat.completions.create
            return texts_of(await asyncio.gather(*(create(**about(n % 4)) for n in range(40))))

    async def by_aiohttp(url: str) -> list[str]:
        async def one(number: int) -> str:
            ask = about(number % 4)
            async with session.post(f"{url}/chat/completions", json=ask) as answer:
                body = await answer.json()
            return str(body["choices"][0]["message"]["content"])

        async with aiohttp.ClientSession() as session:
            return await asyncio.gather(*(one(number) for number in range(40)))

    async def by_agents(url: str) -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            agents = [agent(client.chat.completions.create, name) for name in range(10)]
            return [text for said in await asyncio.gather(*agents) for text in said]

    programs: dict[str, Callable[[str], Coroutine[Any, Any, list[str]]]] = {
        "openai": by_openai,
        "agents": by_agents,
        "aiohttp": by_aiohttp,
    }
    program = programs[library]
    said = list[list[str]]()
    port = 0
    for seed in (1, 2, 3):
        latency = Latency(base=0.05, jitter=0.9, seed=seed)
        with (
            Rehearsal(latency=latency, port=port) as provider,
            cachesaver.install(
                namespace=f"n{seed}", store=tmp_path / "s", quiet=True, strict=True
            ) as session,
        ):
            port = int(provider.url.rpartition(":")[2])
            said.append(asyncio.run(program(provider.openai_url)))
            fetched = session.stats().fetched
            assert provider.calls().samples == fetched == (40 if seed == 1 else 0)

    assert len(set(said[0])) == 40
    assert said[0] == said[1] == said[2]


def test_a_longer_run_reuses_the_head_whatever_the_latencies(tmp_path: Path) -> None:
    """Given half the draws stored, when all are drawn, then the halves are kept apart."""

    async def ask(url: str, names: range) -> dict[int, str]:
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            create = client.chat.completions.create
            answers = await asyncio.gather(*(create(**CHAT) for _ in names))
            return dict(zip(names, texts_of(answers), strict=True))

    said = list[dict[int, str]]()
    with Rehearsal() as provider:
        for count, seed in ((10, 1), (20, 2), (20, 3)):
            provider.latency = Latency(base=0.05, jitter=0.9, seed=seed)
            with cachesaver.install(
                namespace=f"n{len(said)}", store=tmp_path / "s", quiet=True, strict=True
            ):
                said.append(asyncio.run(ask(provider.openai_url, range(count))))
        assert provider.calls().samples == 20

    assert said[1] == said[2]
    assert said[1].items() >= said[0].items()
    assert len(set(said[1].values())) == 20
