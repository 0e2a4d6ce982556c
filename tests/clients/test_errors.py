"""What goes wrong comes out as it does without us: the SDK's own errors, retries and time limits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors

import cachesaver
from cachesaver.errors import NotRecordedError
from cachesaver.exchange import Request
from cachesaver.rehearsal import Rehearsal

CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}
MESSAGE: Any = CHAT | {"max_tokens": 100}
GENERATE: Any = {"model": "gemini-2.5-flash", "contents": "Say something."}

# The SDK's own business.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")

Ask = Callable[..., Any]
"""Asks the provider once, with headers, through one SDK: `ask(url, headers, **options)`."""


# Any, because the overloads of the SDKs do not survive `**ask`.
OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI
Anthropic: Any = anthropic.Anthropic
AsyncAnthropic: Any = anthropic.AsyncAnthropic
Gemini: Any = genai.Client


def openai_ask(url: str, headers: dict[str, str], **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return client.chat.completions.create(**CHAT, extra_headers=headers)


def openai_aask(url: str, headers: dict[str, str], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
            return await client.chat.completions.create(**CHAT, extra_headers=headers)

    return asyncio.run(run())


def openai_stream(url: str, headers: dict[str, str], **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return list(client.chat.completions.create(**CHAT, extra_headers=headers, stream=True))


def responses_ask(url: str, headers: dict[str, str], **options: Any) -> Any:
    with OpenAI(base_url=f"{url}/v1", api_key="k", **options) as client:
        return client.responses.create(model="gpt-5-mini", input="Hello", extra_headers=headers)


def anthropic_ask(url: str, headers: dict[str, str], **options: Any) -> Any:
    with Anthropic(base_url=url, api_key="k", **options) as client:
        return client.messages.create(**MESSAGE, extra_headers=headers)


def anthropic_aask(url: str, headers: dict[str, str], **options: Any) -> Any:
    async def run() -> Any:
        async with AsyncAnthropic(base_url=url, api_key="k", **options) as client:
            return await client.messages.create(**MESSAGE, extra_headers=headers)

    return asyncio.run(run())


def anthropic_stream(url: str, headers: dict[str, str], **options: Any) -> Any:
    with (
        Anthropic(base_url=url, api_key="k", **options) as client,
        client.messages.stream(**MESSAGE, extra_headers=headers) as stream,
    ):
        return stream.get_final_message()


def gemini_ask(url: str, headers: dict[str, str], **_: Any) -> Any:
    client = Gemini(api_key="k", http_options={"base_url": url, "headers": headers})
    with contextlib.closing(client):
        return client.models.generate_content(**GENERATE)


def gemini_aask(url: str, headers: dict[str, str], **_: Any) -> Any:
    async def run() -> Any:
        options = {"base_url": url, "headers": headers}
        async with Gemini(api_key="k", http_options=options).aio as client:
            return await client.models.generate_content(**GENERATE)

    return asyncio.run(run())


STAINLESS = (
    openai_ask,
    openai_aask,
    openai_stream,
    responses_ask,
    anthropic_ask,
    anthropic_aask,
    anthropic_stream,
)
"""Those of SDKs that retry by themselves, and take `max_retries` and `timeout`."""


@pytest.fixture
def installed(rehearsal: Rehearsal) -> Iterator[cachesaver.Session]:
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as session:
        yield session


def stored(session: cachesaver.Session) -> int:
    return session.store.summary().samples


def sdk_of(ask: Ask) -> Any:
    return openai if ask.__name__.startswith(("openai", "responses")) else anthropic


ERRORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    404: "NotFoundError",
    429: "RateLimitError",
    500: "InternalServerError",
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("ask", STAINLESS)
def test_errors_are_the_sdks_own_and_are_not_stored(
    rehearsal: Rehearsal, installed: cachesaver.Session, ask: Ask, status: int
) -> None:
    kind = getattr(sdk_of(ask), ERRORS[status])

    for _ in range(2):
        with pytest.raises(kind) as caught:
            ask(rehearsal.url, {"x-rehearsal-fault": str(status)}, max_retries=0)
        assert caught.value.status_code == status

    assert (rehearsal.calls().calls, stored(installed)) == (2, 0)


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("ask", [gemini_ask, gemini_aask])
def test_geminis_errors_too(
    rehearsal: Rehearsal, installed: cachesaver.Session, ask: Ask, status: int
) -> None:
    kind = genai_errors.ServerError if status >= 500 else genai_errors.ClientError

    with pytest.raises(kind) as caught:
        ask(rehearsal.url, {"x-rehearsal-fault": str(status)})

    assert caught.value.code == status
    assert (rehearsal.calls().calls, stored(installed)) == (1, 0)


@pytest.mark.parametrize("ask", STAINLESS)
def test_a_retry_of_the_sdk_is_the_same_draw(rehearsal: Rehearsal, ask: Ask) -> None:
    """Given two failures and the SDK's retries, then a later run that meets none gets the same."""
    faulty = {"x-rehearsal-fault": "429;times=2;retry-after=0.001"}
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as session:
        answers = [ask(rehearsal.url, headers, max_retries=2) for headers in (faulty, {})]
        calls = rehearsal.calls().calls
        with cachesaver.namespace("b"):
            again = [ask(rehearsal.url, {}, max_retries=0) for _ in range(2)]

        assert again == answers
        assert answers[0] != answers[1]
        assert (rehearsal.calls().calls, stored(session)) == (calls, 2)
        assert calls == 4


@pytest.mark.parametrize("ask", STAINLESS)
def test_the_callers_time_limit_holds(
    rehearsal: Rehearsal, installed: cachesaver.Session, ask: Ask
) -> None:
    with pytest.raises(sdk_of(ask).APITimeoutError):
        ask(rehearsal.url, {"x-rehearsal-fault": "hang"}, max_retries=0, timeout=0.1)

    assert stored(installed) == 0
    assert ask(rehearsal.url, {}, max_retries=0, timeout=20), "nothing is stuck"


@pytest.mark.parametrize("ask", STAINLESS)
def test_no_one_there(installed: cachesaver.Session, ask: Ask) -> None:
    """Given a port that is taken and not listened on, so that no server of another test gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(sdk_of(ask).APIConnectionError) as caught:
            ask(f"http://127.0.0.1:{port}", {}, max_retries=0)

    assert isinstance(caught.value.__cause__, httpx2.ConnectError)
    assert not isinstance(caught.value, sdk_of(ask).APITimeoutError)


@pytest.mark.parametrize("after", [0, 2])
def test_a_connection_that_breaks_in_a_stream(
    rehearsal: Rehearsal, installed: cachesaver.Session, after: int
) -> None:
    cut = {"x-rehearsal-fault": f"cut-stream;after={after};times=1"}

    with pytest.raises(openai.APIConnectionError) as caught:
        openai_stream(rehearsal.url, cut, max_retries=0)
    assert isinstance(caught.value.__cause__, httpx2.RemoteProtocolError)

    assert stored(installed) == 0
    assert openai_stream(rehearsal.url, cut, max_retries=0)
    assert stored(installed) == 1


def test_an_answer_that_breaks_off_is_not_stored(
    rehearsal: Rehearsal, installed: cachesaver.Session
) -> None:
    cut = {"x-rehearsal-fault": "cut-stream;times=1"}

    with pytest.raises(openai.APIConnectionError):
        openai_ask(rehearsal.url, cut, max_retries=0)

    assert stored(installed) == 0
    assert openai_ask(rehearsal.url, cut, max_retries=0)


def test_an_error_inside_a_stream_is_not_stored(
    rehearsal: Rehearsal, installed: cachesaver.Session
) -> None:
    wrong = {"x-rehearsal-fault": "error-event;after=3;times=1"}

    for ask, kind in ((openai_stream, openai.APIError), (anthropic_stream, anthropic.APIError)):
        with pytest.raises(kind):
            ask(rehearsal.url, wrong, max_retries=0)

    assert stored(installed) == 0


class TestMistakes:
    """A typo raises what the SDK, or the provider, says to it; nothing of ours."""

    def test_an_unknown_keyword(self, rehearsal: Rehearsal, installed: cachesaver.Session) -> None:
        with (
            OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
            pytest.raises(TypeError, match="temprature"),
        ):
            client.chat.completions.create(**CHAT, temprature=1)

    def test_no_model(self, rehearsal: Rehearsal, installed: cachesaver.Session) -> None:
        with (
            OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
            pytest.raises(TypeError, match="model"),
        ):
            client.chat.completions.create(messages=CHAT["messages"])

    @pytest.mark.parametrize("wrong", [{"model": ""}, {"messages": []}, {"n": 0}])
    def test_what_the_provider_refuses(
        self, rehearsal: Rehearsal, installed: cachesaver.Session, wrong: Any
    ) -> None:
        with (
            OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
            pytest.raises(openai.BadRequestError),
        ):
            client.chat.completions.create(**CHAT | wrong)

        assert stored(installed) == 0

    def test_a_path_that_is_not_there(
        self, rehearsal: Rehearsal, installed: cachesaver.Session
    ) -> None:
        with (
            OpenAI(base_url=rehearsal.openai_url, api_key="k") as client,
            pytest.raises(openai.NotFoundError),
        ):
            client.post("/chat/completion", cast_to=object, body=CHAT)


class TestReplayMiss:
    """`NotRecordedError` comes through every SDK, after one attempt and no back-off."""

    @pytest.mark.parametrize("ask", [*STAINLESS, gemini_ask, gemini_aask])
    def test_is_seen_through_the_sdk(self, rehearsal: Rehearsal, ask: Ask) -> None:
        attempts: list[str] = []

        def counted(request: Request) -> None:
            attempts.append(request.summary)

        with (
            cachesaver.install(
                namespace="a", store="memory://", mode="replay", quiet=True, match=counted
            ),
            pytest.raises(NotRecordedError) as caught,
        ):
            ask(rehearsal.url, {})

        assert caught.value.namespace == "a"
        assert len(attempts) == 1
        assert rehearsal.calls().calls == 0
