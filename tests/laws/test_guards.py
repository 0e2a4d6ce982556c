"""The guards that researchers ask for, through real SDKs: a cap on concurrency, a cap on spending."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from google import genai

import cachesaver
from cachesaver import Budget, BudgetExceededError
from cachesaver.errors import UnknownPriceError
from cachesaver.exchange import Request
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.app import Theatre

pytestmark = pytest.mark.filterwarnings(  # google-genai's
    "ignore:Inheritance class AiohttpClientSession"
)

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}
MESSAGE: Any = CHAT | {"max_tokens": 100}

OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
Anthropic: Any = anthropic.Anthropic
AsyncAnthropic: Any = anthropic.AsyncAnthropic
Gemini: Any = genai.Client

# --- how many are under way ---


class Desk:
    """Counts the requests that the provider is working on: from its first line to its last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.served = 0

    def over(self, app: Any) -> Any:
        """Return *app*, counted."""

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self._come()
            left = False

            async def told(message: Any) -> None:
                nonlocal left
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    self._go()
                    left = True
                await send(message)

            try:
                await app(scope, receive, told)
            finally:
                if not left:
                    self._go()

        return counted

    def _come(self) -> None:
        with self.lock:
            self.now += 1
            self.served += 1
            self.most = max(self.most, self.now)

    def _go(self) -> None:
        with self.lock:
            self.now -= 1


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk of the provider `busy`."""
    desk, app = Desk(), Theatre.app

    def counted(theatre: Theatre) -> Any:
        return desk.over(app(theatre))

    monkeypatch.setattr(Theatre, "app", counted)
    return desk


@pytest.fixture
def busy(desk: Desk) -> Iterator[Rehearsal]:
    """A provider that takes its time, so that calls overlap."""
    with Rehearsal(seed=0, latency="0.03+0.001/token") as provider:
        yield provider


def in_threads(url: str, *, stream: bool) -> list[str]:
    with OpenAI(base_url=url, api_key="k", max_retries=0) as client, ThreadPoolExecutor(20) as pool:

        def ask(_: int) -> str:
            return said(client.chat.completions.create(**CHAT, stream=stream))

        return list(pool.map(ask, range(20)))


def in_tasks(url: str, *, stream: bool) -> list[str]:
    async def main() -> list[str]:
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:

            async def ask() -> str:
                answer = await client.chat.completions.create(**CHAT, stream=stream)
                if not stream:
                    return said(answer)
                return said([each async for each in answer])

            return await asyncio.gather(*(ask() for _ in range(20)))

    return asyncio.run(main())


def said(answer: Any) -> str:
    """The text of an answer, whole or in pieces."""
    if hasattr(answer, "usage"):
        return str(answer.choices[0].message.content)
    return "".join(each.choices[0].delta.content or "" for each in answer if each.choices)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("run", [in_threads, in_tasks])
def test_no_more_calls_are_under_way_than_allowed(
    busy: Rehearsal,
    desk: Desk,
    run: Callable[..., list[str]],
    stream: bool,  # noqa: FBT001
) -> None:
    apart: Any = {"window": 0}  # else the tasks share one call
    with cachesaver.install(store="memory://", quiet=True, max_concurrency=3, **apart):
        answers = run(busy.openai_url, stream=stream)

    assert len(set(answers)) == 20
    assert (desk.served, desk.most) == (20, 3)


def test_threads_and_tasks_share_one_cap(busy: Rehearsal, desk: Desk) -> None:
    apart: Any = {"window": 0}
    with (
        cachesaver.install(store="memory://", quiet=True, max_concurrency=3, **apart),
        ThreadPoolExecutor(2) as pool,
    ):
        asked = [pool.submit(run, busy.openai_url, stream=False) for run in (in_threads, in_tasks)]
        answers = [text for each in asked for text in each.result(60)]

    assert len(set(answers)) == 40
    assert (desk.served, desk.most) == (40, 3)


@pytest.mark.parametrize("way", ["read", "closed", "dropped"])
def test_an_open_stream_holds_its_permit_until_it_is_over(rehearsal: Rehearsal, way: str) -> None:
    """Given one permit and a stream half read, then another thread waits, who reads the stream does
    not wait for itself, and however the stream ends, the other goes."""
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, max_concurrency=1),
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        stream = client.chat.completions.create(**CHAT, stream=True)
        next(iter(stream))
        other: Future[Any] = pool.submit(client.chat.completions.create, **CHAT)
        try:
            mine = client.chat.completions.create(**CHAT)
            with pytest.raises(TimeoutError):
                other.result(0.5)
        finally:
            if way == "read":
                list(stream)
            elif way == "closed":
                stream.close()
            del stream
            gc.collect()
        theirs = other.result(20)

    assert said(mine) != said(theirs)


# --- how much is bought ---


def openai_ask(url: str, **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return client.chat.completions.create(**CHAT)


def openai_aask(url: str, **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
            return await client.chat.completions.create(**CHAT)

    return asyncio.run(run())


def openai_stream(url: str, **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return list(client.chat.completions.create(**CHAT, stream=True))


def responses_ask(url: str, **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return client.responses.create(model="gpt-5-mini", input="Hello")


def anthropic_ask(url: str, **options: Any) -> Any:
    with Anthropic(base_url=url, api_key="k", **options) as client:
        return client.messages.create(**MESSAGE)


def anthropic_aask(url: str, **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncAnthropic(base_url=url, api_key="k", **options) as client:
            return await client.messages.create(**MESSAGE)

    return asyncio.run(run())


def gemini_ask(url: str, **_: Any) -> Any:
    client = Gemini(api_key="k", http_options={"base_url": url})
    try:
        return client.models.generate_content(model="gemini-2.5-flash", contents="Say something.")
    finally:
        client.close()


ASKS = (
    *(openai_ask, openai_aask, openai_stream, responses_ask),
    *(anthropic_ask, anthropic_aask, gemini_ask),
)


@pytest.mark.parametrize("ask", ASKS)
def test_the_call_that_would_exceed_the_budget_is_not_sent(
    rehearsal: Rehearsal, ask: Callable[..., Any]
) -> None:
    """Given ten samples, when an eleventh is asked for, then the error comes through the SDK as it
    is, after one attempt."""
    attempts: list[str] = []

    def counted(request: Request) -> None:
        attempts.append(request.summary)

    with cachesaver.install(
        namespace="a", store="memory://", quiet=True, budget="10 samples", match=counted
    ):
        for _ in range(10):
            ask(rehearsal.url)
        with pytest.raises(BudgetExceededError) as caught:
            ask(rehearsal.url)

    assert [caught.value.cap, caught.value.spent] == [10, 10]
    assert len(attempts) == 11
    assert rehearsal.calls().calls == 10


def test_many_at_once_do_not_exceed_it_together(busy: Rehearsal, desk: Desk) -> None:
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, budget="10 samples"),
        ThreadPoolExecutor(20) as pool,
    ):
        asked = [pool.submit(openai_ask, busy.url) for _ in range(20)]
        errors = [each.exception(60) for each in asked]

    refused = [error for error in errors if error is not None]
    assert [type(error).__name__ for error in refused] == ["BudgetExceededError"] * 10
    assert busy.calls().samples == 10


def test_a_request_for_more_than_is_left_buys_nothing(rehearsal: Rehearsal) -> None:
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, budget="5 samples"),
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client,
    ):
        client.chat.completions.create(**CHAT, n=3)
        with pytest.raises(BudgetExceededError) as caught:
            client.chat.completions.create(**CHAT, n=3)
        more = client.chat.completions.create(**CHAT, n=2)

    assert caught.value.estimate == 3
    assert len(more.choices) == 2
    assert rehearsal.calls().samples == 5


def test_what_is_stored_is_served_after_the_cap(rehearsal: Rehearsal, tmp_path: Path) -> None:
    with cachesaver.install(namespace="a", store=tmp_path / "s", quiet=True):
        bought = [said(openai_ask(rehearsal.url)) for _ in range(3)]
    with cachesaver.install(namespace="b", store=tmp_path / "s", quiet=True, budget="0 calls"):
        served = [said(openai_ask(rehearsal.url)) for _ in range(3)]
        with pytest.raises(BudgetExceededError):
            openai_ask(rehearsal.url)

    assert served == bought
    assert rehearsal.calls().calls == 3


def test_a_failed_call_costs_nothing(rehearsal: Rehearsal) -> None:
    rehearsal.fault("500;times=1")
    rehearsal.fault("cut-stream;times=1")
    with cachesaver.install(namespace="a", store="memory://", quiet=True, budget="1 call"):
        with pytest.raises(openai.InternalServerError):
            openai_ask(rehearsal.url, max_retries=0)
        with pytest.raises(openai.APIConnectionError):
            openai_ask(rehearsal.url, max_retries=0)
        openai_ask(rehearsal.url, max_retries=0)
        with pytest.raises(BudgetExceededError):
            openai_ask(rehearsal.url, max_retries=0)

    assert rehearsal.calls().calls == 3


def test_a_429_is_the_sdks_business_under_both_guards(rehearsal: Rehearsal) -> None:
    """Given one permit and one sample, when the provider says 429 twice, then the SDK's third try
    has both; and without retries the SDK raises its own error."""
    rehearsal.fault("429;times=3;retry-after=0.001")
    with cachesaver.install(
        namespace="a", store="memory://", quiet=True, max_concurrency=1, budget="1 sample"
    ):
        with pytest.raises(openai.RateLimitError) as caught:
            openai_ask(rehearsal.url, max_retries=0)
        openai_ask(rehearsal.url, max_retries=2)
        with pytest.raises(BudgetExceededError):
            openai_ask(rehearsal.url, max_retries=2)

    assert caught.value.response.headers["retry-after"] == "0.001"
    assert rehearsal.calls().calls == 4


def test_one_call_for_two_namespaces_is_bought_once(busy: Rehearsal, desk: Desk) -> None:
    def ask(namespace: str) -> str:
        with cachesaver.namespace(namespace):
            return said(openai_ask(busy.url))

    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, budget="1 sample"),
        ThreadPoolExecutor(2) as pool,
    ):
        first, second = pool.map(ask, ("b", "c"))
        with pytest.raises(BudgetExceededError):
            ask("b")

    assert first == second
    assert desk.served == 1


def test_dollars_are_never_exceeded_by_a_bounded_call(rehearsal: Rehearsal) -> None:
    """Given a cent a token and answers of 50 tokens at most, then a dollar is spent at most."""
    budget = Budget(usd=1, prices={"gpt-5-mini": (0, 10_000)})

    def spend(client: Any) -> None:
        for _ in range(50):
            client.chat.completions.create(**CHAT, max_tokens=50)

    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, budget=budget),
        OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client,
        pytest.raises(BudgetExceededError) as caught,
    ):
        spend(client)

    paid = rehearsal.calls().total.completion_tokens
    assert caught.value.spent * 100 == paid
    assert 50 < paid <= 100


def test_a_model_without_a_price_is_not_called(rehearsal: Rehearsal) -> None:
    with (
        cachesaver.install(namespace="a", store="memory://", quiet=True, budget=5),
        OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
        pytest.raises(UnknownPriceError, match="'rehearsal-1'"),
    ):
        client.chat.completions.create(**(CHAT | {"model": "rehearsal-1"}))

    assert rehearsal.calls().calls == 0


def test_a_program_is_given_a_budget_from_outside(rehearsal: Rehearsal, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import openai
            client = openai.OpenAI(base_url={rehearsal.openai_url!r}, api_key="k")
            for _ in range(3):
                client.chat.completions.create(**{CHAT!r})
            """
        )
    )
    command = [sys.executable, "-m", "cachesaver", "run", "--store", str(tmp_path / "s")]
    caps = ["--budget", "2 samples", "--max-concurrency", "1"]

    done = subprocess.run(
        [*command, *caps, "--", sys.executable, program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert "BudgetExceededError: a call to gpt-5-mini may cost 1 sample," in done.stderr
    assert rehearsal.calls().calls == 2
