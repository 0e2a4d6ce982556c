"""What is none of our business goes out every time; whoever mocks the network keeps it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import anthropic
import httpx
import httpx2
import openai
import pytest
import requests
import responses
import respx
import urllib3
from aioresponses import aioresponses
from pytest_httpx import HTTPXMock

import cachesaver
from cachesaver.rehearsal import Rehearsal

OpenAI: Any = openai.OpenAI
Anthropic: Any = anthropic.Anthropic

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}
URL = "https://api.openai.com/v1/chat/completions"
MOCKED = {
    "id": "chatcmpl-mocked",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "mocked"}}
    ],
}


def by_httpx(method: str, url: str, body: Any) -> Any:
    return httpx.request(method, url, json=body).json()


def by_httpx2(method: str, url: str, body: Any) -> Any:
    return httpx2.request(method, url, json=body).json()


def by_requests(method: str, url: str, body: Any) -> Any:
    return requests.request(method, url, json=body, timeout=20).json()


def by_urllib3(method: str, url: str, body: Any) -> Any:
    return urllib3.request(method, url, json=body).json()


def by_aiohttp(method: str, url: str, body: Any) -> Any:
    async def run() -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, json=body) as answer,
        ):
            return await answer.json()

    return asyncio.run(run())


CLIENTS = [by_httpx, by_httpx2, by_requests, by_urllib3, by_aiohttp]
Ask = Callable[[str, str, Any], Any]


@pytest.fixture
def session() -> Iterator[cachesaver.Session]:
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as session:
        yield session


@pytest.mark.parametrize("ask", CLIENTS)
class TestNoneOfOurBusiness:
    def test_an_order_is_placed_every_time(
        self, rehearsal: Rehearsal, session: cachesaver.Session, ask: Ask
    ) -> None:
        placed = [ask("POST", f"{rehearsal.url}/orders", {"item": "tea"}) for _ in range(3)]

        assert [answer["order"] for answer in placed] == [1, 2, 3]
        assert rehearsal.calls().calls == 3
        assert session.stats().requests == 0

    def test_what_only_looks_like_a_question_in_its_body(
        self, rehearsal: Rehearsal, session: cachesaver.Session, ask: Ask
    ) -> None:
        for _ in range(2):
            ask("POST", f"{rehearsal.url}/orders", CHAT)

        assert rehearsal.calls().calls == 2

    def test_what_only_looks_like_one_in_its_path(
        self, rehearsal: Rehearsal, session: cachesaver.Session, ask: Ask
    ) -> None:
        for _ in range(2):
            ask("POST", f"{rehearsal.url}/v1/chat/completions", {"shop": "tea"})

        assert rehearsal.calls().calls == 2
        assert session.store.summary().samples == 0

    def test_a_get(self, rehearsal: Rehearsal, session: cachesaver.Session, ask: Ask) -> None:
        for _ in range(2):
            assert ask("GET", f"{rehearsal.url}/v1/models", None)["data"]

        assert rehearsal.calls().calls == 2

    def test_everything_with_mode_live(self, rehearsal: Rehearsal, ask: Ask) -> None:
        url = f"{rehearsal.url}/v1/chat/completions"
        with cachesaver.install(store="memory://", quiet=True, mode="live") as session:
            ids = {ask("POST", url, CHAT)["id"] for _ in range(3)}

            assert session.store.summary().samples == 0
        assert len(ids) == rehearsal.calls().calls == 3

    def test_everything_after_uninstall(self, rehearsal: Rehearsal, ask: Ask) -> None:
        url = f"{rehearsal.url}/v1/chat/completions"
        with cachesaver.install(store="memory://", quiet=True):
            first = ask("POST", url, CHAT)
        ids = {ask("POST", url, CHAT)["id"] for _ in range(2)}

        assert len({first["id"], *ids}) == rehearsal.calls().calls == 3


def test_embeddings_and_token_counts_are_asked_for_once(
    rehearsal: Rehearsal, session: cachesaver.Session
) -> None:
    """Given answers that are the same at every draw, then a second one is the first."""
    with (
        OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
        Anthropic(base_url=rehearsal.anthropic_url, api_key="k") as other,
    ):
        vectors = [client.embeddings.create(model="e", input="tea").data for _ in range(2)]
        counts = [other.messages.count_tokens(**CHAT).input_tokens for _ in range(2)]

    assert vectors[0] == vectors[1]
    assert counts[0] == counts[1] > 0
    assert rehearsal.calls().calls == 2
    assert session.store.summary().samples == 2


def test_what_goes_out_is_what_the_client_made(
    rehearsal: Rehearsal, session: cachesaver.Session
) -> None:
    """Given the same call with and without us, then the provider received the same bytes."""

    def ask() -> None:
        with OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client:
            client.chat.completions.create(
                **CHAT, n=2, extra_headers={"x-mine": "1", "x-cachesaver-request-id": "step-1"}
            )

    ask()
    session.uninstall()
    ask()

    with_us, without = rehearsal.calls().received
    assert (with_us.method, with_us.path, with_us.body) == (
        without.method,
        without.path,
        without.body,
    )
    ours = {("x-cachesaver-request-id", "step-1")}
    assert set(without.headers) - set(with_us.headers) == ours
    assert set(with_us.headers) <= set(without.headers)


class TestMocks:
    """Each answers its call, ours is not consulted, and it goes on when we have left."""

    @pytest.fixture(autouse=True)
    def _left_alone(self) -> Iterator[None]:
        with cachesaver.install(store="memory://", quiet=True, strict=True) as session:
            self.session = session
            yield
            assert session.stats().requests == 0
            assert session.store.summary().samples == 0

    def said(self, ask: Callable[[], Any]) -> list[Any]:
        """What *ask* gets, twice with us and once after we have left."""
        with_us = [ask(), ask()]
        self.session.uninstall()
        return [*with_us, ask()]

    def test_respx(self) -> None:
        with respx.mock:
            route = respx.post(URL).respond(json=MOCKED)

            said = self.said(lambda: by_httpx("POST", URL, CHAT))

        assert said == [MOCKED] * 3
        assert route.call_count == 3

    @pytest.mark.httpx_mock(can_send_already_matched_responses=True)
    def test_pytest_httpx(self, httpx_mock: HTTPXMock) -> None:
        httpx_mock.add_response(url=URL, json=MOCKED)

        assert self.said(lambda: by_httpx("POST", URL, CHAT)) == [MOCKED] * 3

    def test_responses(self) -> None:
        with responses.RequestsMock() as mocked:
            mocked.post(URL, json=MOCKED)

            assert self.said(lambda: by_requests("POST", URL, CHAT)) == [MOCKED] * 3

    def test_aioresponses(self) -> None:
        answer = ZeroDivisionError("mocked")  # its responses do not fit every aiohttp; errors do

        def ask() -> None:
            with pytest.raises(ZeroDivisionError):
                by_aiohttp("POST", URL, CHAT)

        with aioresponses() as mocked:
            mocked.add(URL, "POST", exception=answer, repeat=True)  # pyright: ignore[reportUnknownMemberType] # untyped

            assert self.said(ask) == [None] * 3

    def test_a_mock_transport_under_the_openai_sdk(self) -> None:
        def answer(request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200, json=MOCKED)

        def ask() -> str:
            transport = httpx2.MockTransport(answer)
            with OpenAI(api_key="k", http_client=httpx2.Client(transport=transport)) as client:
                text: str = client.chat.completions.create(**CHAT).choices[0].message.content
                return text

        assert self.said(ask) == ["mocked"] * 3


def test_a_mock_started_before_us_works_too(rehearsal: Rehearsal) -> None:
    with respx.mock:
        respx.post(URL).respond(json=MOCKED)
        with cachesaver.install(store="memory://", quiet=True) as session:
            assert by_httpx("POST", URL, CHAT) == MOCKED
            assert session.stats().requests == 0

    with cachesaver.install(store="memory://", quiet=True) as session:
        assert by_httpx("POST", f"{rehearsal.openai_url}/chat/completions", CHAT)["choices"]
        assert session.stats().fetched == 1


def test_clients_are_as_they_were_when_we_have_left() -> None:
    def attributes() -> list[object]:
        return [
            vars(httpx.Client)["_send_single_request"],
            vars(httpx2.AsyncClient)["_send_single_request"],
            vars(urllib3.HTTPConnectionPool)["urlopen"],
            vars(aiohttp.BaseConnector)["connect"],
            vars(asyncio.BaseEventLoop)["create_task"],
            *sys.meta_path,
        ]

    before = attributes()
    with cachesaver.install(store="memory://", quiet=True):
        assert attributes() != before

    assert attributes() == before
