"""Recorded errors through each SDK: it tries again at once, and shows what was recorded."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import openai
import pytest

import cachesaver
from aws import ClientError, Config, boto3
from cachesaver.rehearsal import Rehearsal
from refused import SDKS

pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:.*google.genai:DeprecationWarning"),
]

LONG = 30
"""Seconds that providers are made to have asked for."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


def make_long(path: Path) -> None:
    """Let the recorded errors ask for a long wait."""
    text = re.sub(r'"retry-after": "[^"]*"', f'"retry-after": "{LONG}"', path.read_text())
    path.write_text(text)


@pytest.mark.parametrize("sdk", SDKS)
def test_what_tried_again_tries_again_at_once(rehearsal: Rehearsal, path: Path, sdk: str) -> None:
    ask, _ = SDKS[sdk]
    times = 2 if sdk == "openai" else 1
    faulty = {"x-rehearsal-fault": f"429;times={times};retry-after=0.01"}
    with cachesaver.use_cassette(path, record_errors=True):
        said = ask(rehearsal.url, faulty, 2)
    bought = rehearsal.calls().calls
    assert bought == times + 1
    make_long(path)

    begun = time.monotonic()
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        assert ask(rehearsal.url, faulty, 2) == said
    took = time.monotonic() - begun

    assert cassette.session.stats().requests == times + 1
    assert cassette.all_played
    assert rehearsal.calls().calls == bought
    assert took < 1


@pytest.mark.parametrize("sdk", SDKS)
def test_an_error_is_shown_as_it_was_recorded(rehearsal: Rehearsal, path: Path, sdk: str) -> None:
    """Given an error that came to the test, then it comes again with its status, headers and body."""
    ask, kind = SDKS[sdk]
    faulty = {"x-rehearsal-fault": "429;retry-after=9"}

    def caught(mode: str) -> tuple[Any, ...]:
        with (
            cachesaver.use_cassette(path, record_mode=mode, record_errors=[429]),
            pytest.raises(kind) as raised,
        ):
            ask(rehearsal.url, faulty, 0)
        return seen(raised.value)

    live = caught("once")
    assert caught("none") == live
    assert ("retry-after", "9") in live[1]
    assert rehearsal.calls().calls == 1


def seen(error: Any) -> tuple[Any, ...]:
    """Return what *error* says and its headers, wherever its SDK keeps them."""
    response = getattr(error, "response", None)
    headers: Any = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    ours = {"cache-status", "content-length", "transfer-encoding"}
    ours |= {"openai-organization", "anthropic-organization-id"}  # are not recorded
    kept = sorted((name.lower(), value) for name, value in headers.items())
    return getattr(error, "body", str(error)), [each for each in kept if each[0] not in ours]


def test_who_asks_twice_at_once_gets_the_error_and_the_answer(
    rehearsal: Rehearsal, path: Path
) -> None:
    """Given a program that was refused and asked again, when another asks twice, then nothing is missed."""
    refusing = {"x-rehearsal-fault": "400;times=1"}

    async def ask() -> str | int:
        message = {"role": "user", "content": "Hi"}
        async with openai.AsyncOpenAI(base_url=rehearsal.openai_url, api_key="none") as client:
            try:
                answer = await client.chat.completions.create(
                    model="gpt-5-mini",
                    messages=[message],  # type: ignore[list-item]  # a plain dictionary
                    extra_headers=refusing,
                )
            except openai.BadRequestError as error:
                return error.status_code
        return str(answer.choices[0].message.content)

    async def in_turn() -> list[str | int]:
        return [await ask(), await ask()]

    async def at_once() -> list[str | int]:
        return list(await asyncio.gather(ask(), ask()))

    with cachesaver.use_cassette(path, record_errors=True):
        said = asyncio.run(in_turn())
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        assert asyncio.run(at_once()) == said
    assert said[0] == 400
    assert cassette.all_played


def test_who_were_refused_with_one_call_are_each_refused_again(
    rehearsal: Rehearsal, path: Path
) -> None:
    """Given three who ask one question at once, when their one call is refused, then none is missed."""
    refusing = {"x-rehearsal-fault": "429;times=1"}

    async def ask(client: openai.AsyncOpenAI) -> str | int:
        message = {"role": "user", "content": "Hi"}
        try:
            answer = await client.chat.completions.create(
                model="gpt-5-mini",
                messages=[message],  # type: ignore[list-item]  # a plain dictionary
                extra_headers=refusing,
            )
        except openai.RateLimitError as error:
            return error.status_code
        return str(answer.choices[0].message.content)

    async def at_once() -> list[str | int]:
        async with openai.AsyncOpenAI(
            base_url=rehearsal.openai_url, api_key="none", max_retries=0
        ) as client:
            return [*await asyncio.gather(*[ask(client) for _ in range(3)]), await ask(client)]

    with cachesaver.use_cassette(path, record_errors=True):
        said = asyncio.run(at_once())
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        assert asyncio.run(at_once()) == said
    assert said[:3] == [429, 429, 429]
    assert isinstance(said[3], str)
    assert rehearsal.calls().calls == 2
    assert cassette.all_played


def test_botocore_waits_as_it_likes_and_shows_what_was_recorded(
    rehearsal: Rehearsal, path: Path
) -> None:
    """No header makes it wait less than it has diced: see the page on cassettes."""

    def fail_once(request: Any, **_: Any) -> None:
        request.headers["x-rehearsal-fault"] = "503;times=1"

    def ask(attempts: int) -> str:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=rehearsal.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )
        client.meta.events.register("before-send.*", fail_once)
        messages = [{"role": "user", "content": [{"text": "Hi"}]}]
        answer = client.converse(modelId="us.amazon.nova-2-lite-v1:0", messages=messages)
        return str(answer["output"]["message"]["content"])

    with cachesaver.use_cassette(path, record_errors=True):
        said = ask(2)
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        with pytest.raises(ClientError) as caught:
            ask(1)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert ask(1) == said
    assert cassette.all_played
