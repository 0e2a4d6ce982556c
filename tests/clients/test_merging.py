"""Real clients over real sockets: what several ask at once is one call, and each gets its own."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import httpx
import httpx2
import openai
import pytest
import requests
import trio
from google import genai
from google.genai import types

import cachesaver
from cachesaver import leases
from cachesaver.rehearsal import Rehearsal

OpenAI: Any = openai.OpenAI
AsyncAnthropic: Any = anthropic.AsyncAnthropic

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}


def AsyncOpenAI(**options: Any) -> Any:  # noqa: N802  # stands for the class
    """Return a client that knows its platform: the first calls of one find it out in threads."""
    client: Any = openai.AsyncOpenAI(**options)
    client._platform = "Other"
    return client


def text_of(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


def counts(provider: Rehearsal) -> list[int]:
    """How many samples each call asked for, in the order of arrival."""
    return [json.loads(each.body).get("n", 1) for each in provider.calls().received]


@pytest.fixture
def session(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[cachesaver.Session]:
    rehearsal.latency = 0.02
    with cachesaver.install(
        namespace="a", store=tmp_path / "s", quiet=True, strict=True
    ) as installed:
        yield installed
    rehearsal.latency = 0


async def together(url: str, *asks: Any, **options: Any) -> list[Any]:
    """Ask all of *asks* in one turn of the event loop."""
    settled = {"max_retries": 0, "timeout": 20, **options}
    async with AsyncOpenAI(base_url=url, api_key="k", **settled) as client:
        create = client.chat.completions.create
        return await asyncio.gather(*(create(**ask) for ask in asks), return_exceptions=True)


def bought(session: cachesaver.Session, provider: Rehearsal) -> None:
    """What we say was billed is what the provider billed, and nothing is held any more."""
    total = provider.calls().total
    assert session.stats().tokens_bought == total.prompt_tokens + total.completion_tokens
    assert session._answers()._engine._leases.held == {}
    assert session._answers()._engine.flights._up == {}


class TestOneCall:
    def test_for_the_tasks_of_one_turn(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        answers = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 6))

        assert counts(rehearsal) == [6]
        assert len({text_of(answer) for answer in answers}) == 6
        assert len({answer.id for answer in answers}) == 6, "else they look like one message"
        assert [choice.index for answer in answers for choice in answer.choices] == [0] * 6
        prompt = rehearsal.calls().total.prompt_tokens
        assert {answer.usage.prompt_tokens for answer in answers} == {prompt}
        completion = sum(answer.usage.completion_tokens for answer in answers)
        assert completion == rehearsal.calls().total.completion_tokens
        bought(session, rehearsal)

    def test_and_each_draw_is_answered_the_same_again(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        first = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 5))

        with cachesaver.namespace("b"):
            again = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 5))

        assert [a.model_dump() for a in again] == [a.model_dump() for a in first]
        assert counts(rehearsal) == [5]

    def test_for_those_who_want_one_and_those_who_want_several(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        asks = [{**CHAT, "n": 2}, {**CHAT, "n": 3}, CHAT]

        answers = asyncio.run(together(rehearsal.openai_url, *asks))

        texts = [choice.message.content for answer in answers for choice in answer.choices]
        assert [len(answer.choices) for answer in answers] == [2, 3, 1]
        assert [choice.index for choice in answers[1].choices] == [0, 1, 2]
        assert len(set(texts)) == 6
        assert counts(rehearsal) == [6]
        bought(session, rehearsal)

    def test_for_two_namespaces_that_want_the_same(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        async def ask(client: Any, namespace: str) -> str:
            with cachesaver.namespace(namespace):
                return text_of(await client.chat.completions.create(**CHAT))

        async def main() -> list[str]:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                return await asyncio.gather(*(ask(client, n) for n in ("b", "c", "b", "c", "b")))

        texts = asyncio.run(main())

        assert counts(rehearsal) == [3]
        assert [texts[0], texts[2]] == [texts[1], texts[3]]
        assert len(set(texts)) == 3
        bought(session, rehearsal)

    def test_but_not_for_two_questions_or_two_accounts(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        other: Any = {**CHAT, "messages": [{"role": "user", "content": "Say another thing."}]}

        async def main() -> None:
            async with (
                AsyncOpenAI(base_url=rehearsal.openai_url, api_key="sk-mine-0123456789") as mine,
                AsyncOpenAI(base_url=rehearsal.openai_url, api_key="sk-yours-0123456789") as yours,
            ):
                clients = [mine, mine, yours, yours]
                creates = [client.chat.completions.create for client in clients]
                await asyncio.gather(*(c(**a) for c in creates for a in (CHAT, other)))

        asyncio.run(main())

        assert counts(rehearsal) == [2, 2, 2, 2]
        bought(session, rehearsal)

    def test_but_not_for_two_keys_of_one_tool(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        """Given LiteLLM's key in the body, which is no part of the question, then each pays its own."""

        async def main() -> None:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                create = client.chat.completions.create
                keys = [{"api_key": key} for key in ("one", "one", "two", "two")]
                await asyncio.gather(*(create(**CHAT, extra_body=key) for key in keys))

        asyncio.run(main())

        assert counts(rehearsal) == [2, 2]
        bought(session, rehearsal)

    def test_but_not_for_streams(self, rehearsal: Rehearsal, session: cachesaver.Session) -> None:
        async def one(client: Any) -> str:
            stream = await client.chat.completions.create(**CHAT, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        async def main() -> list[str]:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                return [*await asyncio.gather(one(client), one(client))]

        assert len(set(asyncio.run(main()))) == 2
        assert counts(rehearsal) == [1, 1]

    @pytest.mark.parametrize("window", [0.3, "flight"])
    def test_for_threads_with_a_window(self, rehearsal: Rehearsal, window: Any) -> None:
        rehearsal.latency = 0.3
        with (
            cachesaver.install(
                store="memory://", window=window, quiet=True, strict=True
            ) as session,
            OpenAI(base_url=rehearsal.openai_url, api_key="k", timeout=20) as client,
            ThreadPoolExecutor(6) as pool,
        ):
            going = [pool.submit(client.chat.completions.create, **CHAT) for _ in range(6)]
            texts = {text_of(each.result()) for each in going}
            bought(session, rehearsal)
        rehearsal.latency = 0

        assert len(texts) == 6
        assert sum(counts(rehearsal)) == 6
        assert len(counts(rehearsal)) <= 2, "the first does not wait for a flight"

    def test_closes_when_there_are_enough(self, rehearsal: Rehearsal) -> None:
        with (
            cachesaver.install(store="memory://", window=30, size=3, quiet=True, strict=True),
            OpenAI(base_url=rehearsal.openai_url, api_key="k", timeout=20) as client,
            ThreadPoolExecutor(3) as pool,
        ):
            going = [pool.submit(client.chat.completions.create, **CHAT) for _ in range(3)]
            assert len({text_of(each.result()) for each in going}) == 3

        assert counts(rehearsal) == [3]


class TestEveryClient:
    @pytest.mark.parametrize("module", [httpx, httpx2])
    def test_trio(self, rehearsal: Rehearsal, session: cachesaver.Session, module: Any) -> None:
        url, texts = f"{rehearsal.openai_url}/chat/completions", list[str]()

        async def ask(client: Any) -> None:
            answer = (await client.post(url, json=CHAT)).json()
            texts.append(answer["choices"][0]["message"]["content"])

        async def main() -> None:
            async with module.AsyncClient() as client, trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask, client)

        trio.run(main)

        assert len(set(texts)) == 5
        assert counts(rehearsal) == [5]
        bought(session, rehearsal)

    def test_aiohttp(self, rehearsal: Rehearsal, session: cachesaver.Session) -> None:
        async def ask(client: aiohttp.ClientSession) -> str:
            url = f"{rehearsal.openai_url}/chat/completions"
            async with client.post(url, json=CHAT) as answer:
                return str((await answer.json())["choices"][0]["message"]["content"])

        async def main() -> list[str]:
            async with aiohttp.ClientSession() as client:
                return await asyncio.gather(*(ask(client) for _ in range(5)))

        assert len(set(asyncio.run(main()))) == 5
        assert counts(rehearsal) == [5]
        bought(session, rehearsal)

    def test_requests(self, rehearsal: Rehearsal) -> None:
        url = f"{rehearsal.openai_url}/chat/completions"

        def ask(_: int) -> str:
            answer = requests.post(url, json=CHAT, timeout=20).json()
            return str(answer["choices"][0]["message"]["content"])

        with (
            cachesaver.install(store="memory://", window=30, size=4, quiet=True, strict=True),
            ThreadPoolExecutor(4) as pool,
        ):
            assert len(set(pool.map(ask, range(4)))) == 4

        assert counts(rehearsal) == [4]

    # google-genai inherits from a class of aiohttp that warns of it
    @pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")
    def test_gemini_takes_eight_at_the_most(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        options = types.HttpOptions(base_url=rehearsal.gemini_url)

        async def main() -> list[Any]:
            client: Any = genai.Client(api_key="k", http_options=options)
            ask = client.aio.models.generate_content
            asks = [ask(model="gemini-3-flash", contents="Say something.") for _ in range(19)]
            answers = await asyncio.gather(*asks)
            await client.aio.aclose()
            client.close()
            return answers

        answers = asyncio.run(main())

        bodies = [json.loads(each.body) for each in rehearsal.calls().received]
        asked = [each.get("generationConfig", {}).get("candidateCount", 1) for each in bodies]
        # The SDK's first calls do not reach us in one turn: it looks for its client in threads.
        assert (sum(asked), max(asked)) == (19, 8)
        assert len({answer.text for answer in answers}) == 19
        assert len({answer.response_id for answer in answers}) == 19
        bought(session, rehearsal)

    def test_anthropic_gives_one_at_a_time(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        async def main() -> list[Any]:
            async with AsyncAnthropic(base_url=rehearsal.anthropic_url, api_key="k") as client:
                messages = CHAT["messages"]
                asks = [
                    client.messages.create(model="claude", max_tokens=99, messages=messages)
                    for _ in range(3)
                ]
                return await asyncio.gather(*asks)

        answers = asyncio.run(main())

        assert len({answer.content[0].text for answer in answers}) == 3
        assert rehearsal.calls().calls == 3
        bought(session, rehearsal)


class TestAProviderThatWillNot:
    def test_gets_each_asked_alone_and_is_not_asked_for_several_again(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        rehearsal.fault("refuse-many")

        first = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))
        second = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))

        assert len({text_of(answer) for answer in first + second}) == 8
        assert counts(rehearsal) == [4, *[1] * 8]
        bought(session, rehearsal)

    def test_is_asked_for_several_again_if_the_question_was_what_was_wrong(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        rehearsal.fault("400;times=4")

        first = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 3))
        second = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 3))

        assert {type(answer) for answer in first} == {openai.BadRequestError}
        assert len({text_of(answer) for answer in second}) == 3
        assert counts(rehearsal) == [3, 1, 1, 1, 3]
        bought(session, rehearsal)

    @pytest.mark.parametrize(("most", "calls"), [(1, [5, 1, 1, 1, 1]), (2, [5, 1, 1, 1])])
    def test_that_gives_fewer_is_asked_for_the_rest_and_then_for_so_many(
        self, rehearsal: Rehearsal, session: cachesaver.Session, most: int, calls: list[int]
    ) -> None:
        rehearsal.fault(f"few;most={most}")

        first = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 5))
        assert counts(rehearsal) == calls
        second = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))

        assert len({text_of(answer) for answer in first + second}) == 9
        assert counts(rehearsal)[len(calls) :] == [most] * (4 // most)
        bought(session, rehearsal)

    def test_now_is_shown_to_all_and_each_tries_again(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        rehearsal.fault("429;times=1;retry-after=0.01")

        answers = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4, max_retries=3))

        assert len({text_of(answer) for answer in answers}) == 4
        assert counts(rehearsal)[0] == 4
        assert rehearsal.calls().samples == 4
        with cachesaver.namespace("b"):
            again = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))
        assert [text_of(a) for a in again] == [text_of(a) for a in answers]
        bought(session, rehearsal)

    def test_at_all_is_shown_to_all(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        rehearsal.fault("500;times=1")

        failed = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))
        answers = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))

        assert {type(answer) for answer in failed} == {openai.InternalServerError}
        assert len({text_of(answer) for answer in answers}) == 4
        assert counts(rehearsal) == [4, 2, 2], "half as many are tried next"
        bought(session, rehearsal)

    def test_go_on_leaves_the_others_to_ask_for_themselves(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        """Given a call cut off in its answer, then only the one whose call it was has to retry."""
        rehearsal.fault("cut-stream;times=1")

        answers = asyncio.run(together(rehearsal.openai_url, *[CHAT] * 4))

        failed = [answer for answer in answers if isinstance(answer, Exception)]
        assert [type(each) for each in failed] == [openai.APIConnectionError]
        assert len({text_of(a) for a in answers if not isinstance(a, Exception)}) == 3
        assert counts(rehearsal) == [4, 1, 1, 1]
        assert session._answers()._engine._leases.held == {}

    def test_be_reached_is_everybodys_own_error(
        self, session: cachesaver.Session, unused_url: str
    ) -> None:
        answers = asyncio.run(together(unused_url, *[CHAT] * 3))

        assert [type(answer) for answer in answers] == [openai.APIConnectionError] * 3
        assert session._answers()._engine._leases.held == {}
        assert session._answers()._engine.flights._up == {}


@pytest.fixture
def unused_url() -> str:
    with Rehearsal() as gone:
        return gone.openai_url


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what happens in another thread."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # there is nothing to be woken by
            await asyncio.sleep(0.002)


async def in_a_group(*coroutines: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for each in coroutines:
            group.create_task(each)


async def stubborn(client: Any) -> tuple[int, str]:
    """Ask again when cancelled; return how often it was asked, and the answer."""
    for tries in range(1, 9):
        try:
            return tries, text_of(await client.chat.completions.create(**CHAT))
        except asyncio.CancelledError:
            continue
    raise AssertionError("it never got through")


class TestWhoLeaves:
    """Of the tasks that ask together one is cancelled: the others get theirs, with no more calls."""

    @pytest.mark.parametrize("who", [[0], [1], [3], [0, 1], [0, 1, 2]])
    @pytest.mark.parametrize("turns", range(0, 40, 4))
    def test_at_any_turn_before(
        self, rehearsal: Rehearsal, session: cachesaver.Session, who: list[int], turns: int
    ) -> None:
        async def main() -> list[Any]:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                create = client.chat.completions.create
                tasks = [asyncio.create_task(create(**CHAT)) for _ in range(4)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for place in who:
                    tasks[place].cancel()
                answers = await asyncio.gather(*tasks, return_exceptions=True)
                await until(lambda: not session._answers()._engine._leases.held)
                return answers

        answers = asyncio.run(main())

        gone = [place for place, a in enumerate(answers) if isinstance(a, BaseException)]
        assert gone == who
        assert len({text_of(a) for a in answers if not isinstance(a, BaseException)}) == 4 - len(
            who
        )
        bought(session, rehearsal)
        assert rehearsal.calls().calls <= 1

    @pytest.mark.parametrize("who", [[0], [2], [0, 2], [0, 1, 2, 3]])
    def test_while_the_call_is_under_way(
        self,
        rehearsal: Rehearsal,
        session: cachesaver.Session,
        monkeypatch: pytest.MonkeyPatch,
        who: list[int],
    ) -> None:
        monkeypatch.setattr(leases, "_USUAL", 20.0)  # the call is waited for, however late it is
        rehearsal.latency = 0.6

        async def main() -> list[tuple[int, str]]:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                tasks = [asyncio.create_task(stubborn(client)) for _ in range(4)]
                await until(lambda: bool(rehearsal.calls().calls))
                await asyncio.sleep(0.1)  # long before the answer
                for place in who:
                    tasks[place].cancel()
                return await asyncio.gather(*tasks)

        answers = asyncio.run(main())

        assert [place for place, (tries, _) in enumerate(answers) if tries > 1] == who
        assert len({text for _, text in answers}) == 4
        assert counts(rehearsal) == [4], "the call went on, and its answer was kept"
        bought(session, rehearsal)

    def test_with_a_limit_on_time_and_tries_again(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        """Given a call that hangs, when all give up and try again, then they get through."""
        rehearsal.fault("hang;times=1")

        async def patient(client: Any) -> str:
            for _ in range(9):
                try:
                    async with asyncio.timeout(0.4):
                        return text_of(await client.chat.completions.create(**CHAT))
                except TimeoutError:
                    continue
            raise AssertionError("it never got through")

        async def main() -> list[str]:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                return await asyncio.gather(*(patient(client) for _ in range(3)))

        assert len(set(asyncio.run(main()))) == 3
        assert session._answers()._engine._leases.held == {}

    def test_because_a_sibling_fails(
        self, rehearsal: Rehearsal, session: cachesaver.Session
    ) -> None:
        rehearsal.latency = 0.05

        async def fail() -> None:
            await until(lambda: bool(rehearsal.calls().calls))
            raise ValueError("another thing")

        async def main() -> None:
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                create = client.chat.completions.create
                with pytest.raises(ExceptionGroup):
                    await in_a_group(fail(), create(**CHAT), create(**CHAT), create(**CHAT))
                await until(lambda: session.store.summary().samples == 3)
                await until(
                    lambda: not session._answers()._engine.flights._up
                )  # they land after that

        asyncio.run(main())

        assert session.store.summary().samples == 3, "they are paid for"
        assert counts(rehearsal) == [3]
        bought(session, rehearsal)

    @pytest.mark.parametrize("ends", ["run", "close"])
    def test_when_the_loop_ends(
        self,
        rehearsal: Rehearsal,
        session: cachesaver.Session,
        caplog: pytest.LogCaptureFixture,
        ends: str,
    ) -> None:
        """Given a detached call, when its loop is gone, then nothing is said and nothing held."""
        rehearsal.latency = 0.2

        async def main() -> None:
            client = httpx.AsyncClient()
            url = f"{rehearsal.openai_url}/chat/completions"
            tasks = [asyncio.create_task(client.post(url, json=CHAT)) for _ in range(3)]
            await until(lambda: bool(rehearsal.calls().calls))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        if ends == "run":
            asyncio.run(main())
        else:
            loop = asyncio.new_event_loop()
            loop.run_until_complete(main())
            loop.close()
            session._answers()._engine.leave()
        gc.collect()

        assert session._answers()._engine._leases.held == {}
        assert [r.message for r in caplog.records if r.name in ("asyncio", "cachesaver")] == []
        rehearsal.latency = 0
        texts = [text_of(a) for a in asyncio.run(together(rehearsal.openai_url, *[CHAT] * 3))]
        assert len(set(texts)) == 3

    def test_when_the_session_is_closed(
        self, rehearsal: Rehearsal, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        rehearsal.latency = 0.1

        async def main() -> list[Any]:
            session = cachesaver.install(store=tmp_path / "s", quiet=True)
            async with AsyncOpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
                create = client.chat.completions.create
                tasks = [asyncio.create_task(create(**CHAT)) for _ in range(3)]
                await until(lambda: bool(rehearsal.calls().calls))
                tasks[0].cancel()
                session.uninstall()
                return await asyncio.gather(*tasks, return_exceptions=True)

        answers = asyncio.run(main())
        rehearsal.latency = 0

        assert isinstance(answers[0], asyncio.CancelledError)
        assert len({text_of(answer) for answer in answers[1:]}) == 2
