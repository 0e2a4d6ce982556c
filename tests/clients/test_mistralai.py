"""The mistralai SDK as it is: chat, fill-in-the-middle, agents, and documents."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral

import cachesaver
from chatting import Sdk, about, contract, programs

NAMES_HOST = True  # what is Mistral's alone is told by its host


def made(url: str) -> Any:
    return Mistral(server_url=f"{url}/mistral", api_key="k")


def streamed_by(stream: Any, ask: Any) -> Any:
    """The chunks, without the events around them."""
    with stream(**ask) as events:
        yield from (event.data for event in events)


def create(url: str, ask: Any) -> Any:
    with made(url) as client:
        return client.chat.complete(**ask)


def stream(url: str, ask: Any) -> Any:
    with made(url) as client:
        yield from streamed_by(client.chat.stream, ask)


async def acreate(url: str, ask: Any) -> Any:
    async with made(url) as client:
        return await client.chat.complete_async(**ask)


async def astream(url: str, ask: Any) -> Any:
    async with made(url) as client:
        return [event.data async for event in await client.chat.stream_async(**ask)]


SDK = Sdk(create=create, stream=stream, acreate=acreate, astream=astream)

GAP: Any = {"model": "codestral-latest", "prompt": "def fib(n):", "suffix": "    return fib"}


def texts(parts: Any) -> str:
    """What was thought, and what was said: a text, or a list of parts."""
    if isinstance(parts, str):
        return parts
    inner = (texts(part.thinking) if part.type == "thinking" else part.text for part in parts or ())
    return "".join(inner)


def thought_then_streamed(url: str) -> Any:
    ask = about("thought", prompt_mode="reasoning")
    whole = create(url, ask).choices[0].message.content
    assert [part.type for part in whole] == ["thinking", "text"]
    with cachesaver.namespace("other"):
        chunks = list(stream(url, ask))
    return [texts(whole), "".join(texts(chunk.choices[0].delta.content) for chunk in chunks)]


def thought_streamed_then_whole(url: str) -> Any:
    ask = about("streamed thought", prompt_mode="reasoning")
    chunks = list(stream(url, ask))
    with cachesaver.namespace("other"):
        whole = create(url, ask).choices[0].message.content
    assert [part.type for part in whole] == ["thinking", "text"]
    return [texts(whole), "".join(texts(chunk.choices[0].delta.content) for chunk in chunks)]


def middle_then_streamed(url: str) -> Any:
    with made(url) as client:
        text = client.fim.complete(**GAP).choices[0].message.content
        with cachesaver.namespace("other"):
            chunks = list(streamed_by(client.fim.stream, GAP))
    return [text, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)]


def middle_streamed_then_whole(url: str) -> Any:
    gap = {**GAP, "prompt": "def fac(n):"}
    with made(url) as client:
        chunks = list(streamed_by(client.fim.stream, gap))
        with cachesaver.namespace("other"):
            text = client.fim.complete(**gap).choices[0].message.content
    return [text, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)]


def agent_then_streamed(url: str) -> Any:
    ask: Any = {"agent_id": "ag:1", "messages": about("agent")["messages"]}
    with made(url) as client:
        text = client.agents.complete(**ask).choices[0].message.content
        with cachesaver.namespace("other"):
            chunks = list(streamed_by(client.agents.stream, ask))
    return [text, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)]


def document(url: str) -> Any:
    """The same document twice in one namespace: there is but one answer."""
    ask: Any = {"type": "document_url", "document_url": "https://acme.test/a.pdf"}
    with made(url) as client:
        read = [client.ocr.process(model="mistral-ocr-latest", document=ask) for _ in range(2)]
    assert read[0] == read[1]
    return SDK.dumped(read[0])


PROGRAMS = programs(
    SDK,
    thought_then_streamed,
    thought_streamed_then_whole,
    middle_then_streamed,
    middle_streamed_then_whole,
    agent_then_streamed,
    document,
)

TestMistral = contract(PROGRAMS)


def test_a_document_is_read_once(played: Any) -> None:
    assert played.bought["document"]["calls"] == 1
