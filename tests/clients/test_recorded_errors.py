"""Recorded errors through each SDK: it tries again at once, and shows what was recorded."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import cohere
import groq
import openai
import pytest
import together
from google import genai
from google.genai import errors as genai_errors
from mistralai.client import Mistral
from mistralai.client.utils import BackoffStrategy, RetryConfig

import cachesaver
from aws import ClientError, Config, boto3
from cachesaver.rehearsal import Rehearsal

pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:.*google.genai:DeprecationWarning"),
]

SAY: Any = {"messages": [{"role": "user", "content": "Say something."}]}
CHAT: Any = {"model": "gpt-5-mini", **SAY}

Ask = Callable[[str, dict[str, str], int], str]
"""Asks the provider at a URL with headers, and tries again so many times; returns what it said."""


def stainless(module: Any, **more: str) -> Ask:
    kind = {"openai": "OpenAI", "groq": "Groq", "together": "Together"}[module.__name__]

    def ask(url: str, headers: dict[str, str], retries: int) -> str:
        base = url + more.get("prefix", "")
        with getattr(module, kind)(base_url=base, api_key="k", max_retries=retries) as client:
            answer = client.chat.completions.create(**CHAT, extra_headers=headers)
        return str(answer.choices[0].message.content)

    return ask


def openai_async(url: str, headers: dict[str, str], retries: int) -> str:
    async def run() -> Any:
        kind: Any = openai.AsyncOpenAI
        async with kind(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
            return await client.chat.completions.create(**CHAT, extra_headers=headers)

    return str(asyncio.run(run()).choices[0].message.content)


def openai_stream(url: str, headers: dict[str, str], retries: int) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
        chunks = client.chat.completions.create(**CHAT, extra_headers=headers, stream=True)
        return "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)


def openai_embed(url: str, headers: dict[str, str], retries: int) -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=retries) as client:
        found = client.embeddings.create(
            model="text-embedding-3-small", input=["a", "b"], extra_headers=headers
        )
    return str([each.embedding[:2] for each in found.data])


def claude(url: str, headers: dict[str, str], retries: int) -> str:
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=retries) as client:
        answer: Any = client.messages.create(
            model="claude-haiku-4-5", max_tokens=99, **SAY, extra_headers=headers
        )
    return str(answer.content[0].text)


def cohere_v2(url: str, headers: dict[str, str], retries: int) -> str:
    with cohere.ClientV2(api_key="k", base_url=url, max_retries=retries) as client:
        answer: Any = client.chat(
            model="command-a-03-2025", **SAY, request_options={"additional_headers": headers}
        )
    return str(answer.message.content[0].text)


def mistral(url: str, headers: dict[str, str], retries: int) -> str:
    backoff = BackoffStrategy(5000, 5000, 1.5, 60_000)
    again = RetryConfig("backoff" if retries else "none", backoff, retry_connection_errors=False)
    with Mistral(api_key="k", server_url=url) as client:
        answer: Any = client.chat.complete(
            model="mistral-small-latest", **SAY, http_headers=headers, retries=again
        )
    return str(answer.choices[0].message.content)


def gemini(url: str, headers: dict[str, str], retries: int) -> str:
    options: Any = {"base_url": url, "headers": headers}
    if retries:
        options["retry_options"] = {"attempts": retries + 1, "initial_delay": 0.01, "jitter": 0.01}
    kind: Any = genai.Client
    with contextlib.closing(kind(api_key="k", http_options=options)) as client:
        answer = client.models.generate_content(model="gemini-2.5-flash", contents="Say something.")
    return str(answer.text)


SDKS = {
    "openai": (stainless(openai, prefix="/v1"), openai.RateLimitError),
    "openai async": (openai_async, openai.RateLimitError),
    "openai stream": (openai_stream, openai.RateLimitError),
    "openai embeddings": (openai_embed, openai.RateLimitError),
    "anthropic": (claude, anthropic.RateLimitError),
    "groq": (stainless(groq), groq.RateLimitError),
    "together": (stainless(together, prefix="/v1"), together.RateLimitError),
    "cohere": (cohere_v2, cohere.TooManyRequestsError),
    "mistralai": (mistral, Exception),
    "google-genai": (gemini, genai_errors.ClientError),
}
"""With the error that a status of 429 is there."""

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
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    ours = {"cache-status", "content-length", "transfer-encoding"}
    ours |= {"openai-organization", "anthropic-organization-id"}  # are not recorded
    kept = sorted((name.lower(), value) for name, value in headers.items())
    return getattr(error, "body", str(error)), [each for each in kept if each[0] not in ours]


def test_botocore_waits_as_it_likes_and_shows_what_was_recorded(
    rehearsal: Rehearsal, path: Path
) -> None:
    """No header makes it wait less than it has diced: see the page on cassettes."""

    def ask(attempts: int) -> str:
        client = boto3.client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=rehearsal.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )
        client.meta.events.register(
            "before-send.*",
            lambda request, **_: request.headers.update({"x-rehearsal-fault": "503;times=1"}),
        )
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
