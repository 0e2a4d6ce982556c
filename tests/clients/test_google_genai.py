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
