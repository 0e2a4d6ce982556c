"""The google-genai SDK as it is, over httpx2, httpx and aiohttp, whichever it takes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from typing import Any

import pytest
from google import genai
from pydantic import BaseModel

import cachesaver

TOOLS: Any = [
    {
        "function_declarations": [
            {
                "name": "get_weather",
                "parameters": {
                    "type": "OBJECT",
                    "properties": {"city": {"type": "STRING"}},
                    "required": ["city"],
                },
            }
        ]
    }
]

OF_THE_HOP = {"cache-status", "content-length", "transfer-encoding"}


class Answer(BaseModel):
    text: str
    score: int


@contextlib.contextmanager
def made(url: str) -> Generator[Any]:
    client = genai.Client(api_key="k", http_options={"base_url": url})
    try:
        yield client
    finally:
        client.close()


def about(topic: str) -> Any:
    return {"model": "gemini-2.5-flash", "contents": topic}


def dumped(answer: Any) -> Any:
    """Everything the SDK knows of an answer; of the headers it kept, those that carry meaning."""
    said: dict[str, Any] = answer.model_dump(mode="json", warnings=False)
    http: dict[str, Any] = said.pop("sdk_http_response", None) or {}
    headers: dict[str, str] = http.get("headers") or {}
    said["headers"] = {k.lower(): v for k, v in headers.items() if k.lower() not in OF_THE_HOP}
    return said


# --- programs: functions of the rehearsal's address


def whole(url: str) -> Any:
    with made(url) as client:
        answers = [dumped(client.models.generate_content(**about("whole"))) for _ in range(2)]
    assert answers[0] != answers[1]
    return answers


async def awaited(url: str) -> Any:
    with made(url) as client:
        async with client.aio as aio:
            return dumped(await aio.models.generate_content(**about("awaited")))


def streamed(url: str) -> Any:
    with made(url) as client:
        stream = client.models.generate_content_stream(**about("streamed"))
        return [dumped(chunk) for chunk in stream]


async def async_streamed(url: str) -> Any:
    with made(url) as client:
        async with client.aio as aio:
            stream = await aio.models.generate_content_stream(**about("async streamed"))
            return [dumped(chunk) async for chunk in stream]


def over_httpx(url: str) -> Any:
    before = os.environ.get("GOOGLE_GENAI_HTTP_CLIENT")
    os.environ["GOOGLE_GENAI_HTTP_CLIENT"] = "httpx"
    try:
        with made(url) as client:
            stream = client.models.generate_content_stream(**about("over httpx"))
            return [dumped(chunk) for chunk in stream]
    finally:
        os.environ.pop("GOOGLE_GENAI_HTTP_CLIENT")
        os.environ.update({"GOOGLE_GENAI_HTTP_CLIENT": before} if before else {})


def several(url: str) -> Any:
    with made(url) as client:
        config = {"candidate_count": 3}
        return dumped(client.models.generate_content(**about("several"), config=config))


def tools(url: str) -> Any:
    with made(url) as client:
        config = {
            "tools": TOOLS,
            "tool_config": {"function_calling_config": {"mode": "ANY"}},
            "automatic_function_calling": {"disable": True},
        }
        answer = client.models.generate_content(**about("Weather in Rome?"), config=config)
    assert answer.function_calls[0].name == "get_weather"
    return dumped(answer)


def chat(url: str) -> Any:
    """Two turns: the second question holds the first answer."""
    with made(url) as client:
        turns = client.chats.create(model="gemini-2.5-flash")
        return [dumped(turns.send_message(said)) for said in ("Hello.", "And again.")]


def parsed(url: str) -> Any:
    with made(url) as client:
        config = {"response_mime_type": "application/json", "response_schema": Answer}
        answer = client.models.generate_content(**about("parsed"), config=config)
    assert isinstance(answer.parsed, Answer)
    return dumped(answer)


def whole_then_streamed(url: str) -> Any:
    ask = about("whole, then streamed")
    with made(url) as client:
        text = client.models.generate_content(**ask).text
        with cachesaver.namespace("other"):
            stream = client.models.generate_content_stream(**ask)
            return [text, "".join(chunk.text or "" for chunk in stream)]


def streamed_then_whole(url: str) -> Any:
    ask = about("streamed, then whole")
    with made(url) as client:
        stream = client.models.generate_content_stream(**ask)
        text = "".join(chunk.text or "" for chunk in stream)
        with cachesaver.namespace("other"):
            return [client.models.generate_content(**ask).text, text]


def five_and_one(url: str) -> Any:
    """Five candidates, each again by a request of its own, and all five again: one call."""
    ask = about("five, then one")
    with made(url) as client:
        generate = client.models.generate_content
        with cachesaver.namespace("five"):
            five = generate(**ask, config={"candidate_count": 5})
        with cachesaver.namespace("one"):
            ones = [generate(**ask).text for _ in range(5)]
        with cachesaver.namespace("and back"):
            again = generate(**ask, config={"candidate_count": 5})
    texts = [
        [candidate.content.parts[0].text for candidate in each.candidates] for each in (five, again)
    ]
    assert texts[0] == texts[1] == ones
    assert len(set(ones)) == 5
    return [dumped(five), ones]


def counted(url: str) -> Any:
    """Always the same, so asking twice is asking once."""
    with made(url) as client:
        counts = [client.models.count_tokens(**about("counted")) for _ in range(2)]
    assert counts[0].total_tokens > 0
    return [count.total_tokens for count in counts]


def embedded(url: str) -> Any:
    """What was embedded before is not embedded again: of the second batch one text goes out."""
    ask: Any = {"model": "gemini-embedding-001", "config": {"output_dimensionality": 4}}
    with made(url) as client:
        embed = client.models.embed_content
        first = embed(**ask, contents=["a text", "another"])
        second = embed(**ask, contents=["another", "a third", "a text"])
        alone = embed(**ask, contents="a third")
    values = [[each.values for each in answer.embeddings] for answer in (first, second, alone)]
    assert values[1] == [values[0][1], *values[2], values[0][0]]
    return [dumped(answer) for answer in (first, second, alone)]


async def embedded_async(url: str) -> Any:
    with made(url) as client:
        async with client.aio as aio:
            answer = await aio.models.embed_content(
                model="gemini-embedding-001", contents=["async", "texts"]
            )
            return dumped(answer)


PROGRAMS = {
    program.__name__: program
    for program in (
        whole,
        awaited,
        streamed,
        async_streamed,
        over_httpx,
        several,
        tools,
        chat,
        parsed,
        whole_then_streamed,
        streamed_then_whole,
        five_and_one,
        counted,
        embedded,
        embedded_async,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


@pytest.mark.parametrize(("name", "calls"), [("counted", 1), ("embedded", 2), ("five_and_one", 1)])
def test_nothing_is_asked_for_that_is_there(played: Any, name: str, calls: int) -> None:
    assert played.bought[name]["calls"] == calls
