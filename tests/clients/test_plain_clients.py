"""Plain HTTP clients, no SDK: the answers of one are the samples of all."""

from __future__ import annotations

from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

KEPT = ("content-type", "x-request-id", "openai-processing-ms")


def about(topic: str) -> Any:
    return {"model": "gpt-5-mini", "messages": [{"role": "user", "content": topic}]}


def chat(url: str) -> str:
    return f"{url}/v1/chat/completions"


def told(status: int, headers: Any, body: bytes) -> Any:
    """Status, headers that carry meaning, and every byte of the body."""
    return [status, {name: headers.get(name) for name in KEPT}, body.decode()]


# --- programs: functions of the rehearsal's address


def httpx_whole(url: str) -> Any:
    answer = httpx.post(chat(url), json=about("httpx"))
    return told(answer.status_code, answer.headers, answer.content)


def httpx_streamed(url: str) -> Any:
    ask = about("httpx streamed") | {"stream": True}
    with httpx.Client() as client, client.stream("POST", chat(url), json=ask) as answer:
        return [told(answer.status_code, answer.headers, b""), list(answer.iter_lines())]


def httpx2_whole(url: str) -> Any:
    answer = httpx2.post(chat(url), json=about("httpx2"))
    return told(answer.status_code, answer.headers, answer.content)


async def httpx2_async_streamed(url: str) -> Any:
    ask = about("httpx2 streamed") | {"stream": True}
    async with (
        httpx2.AsyncClient() as client,
        client.stream("POST", chat(url), json=ask) as answer,
    ):
        return told(answer.status_code, answer.headers, await answer.aread())


async def aiohttp_whole(url: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.post(chat(url), json=about("aiohttp")) as answer,
    ):
        return told(answer.status, answer.headers, await answer.read())


async def aiohttp_streamed(url: str) -> Any:
    ask = about("aiohttp streamed") | {"stream": True}
    async with aiohttp.ClientSession() as session, session.post(chat(url), json=ask) as answer:
        body = b"".join([chunk async for chunk in answer.content.iter_any()])
        return told(answer.status, answer.headers, body)


def requests_whole(url: str) -> Any:
    answer = requests.post(chat(url), json=about("requests"), timeout=30)
    return told(answer.status_code, answer.headers, answer.content)


def requests_streamed(url: str) -> Any:
    ask = about("requests streamed") | {"stream": True}
    with requests.post(chat(url), json=ask, stream=True, timeout=30) as answer:
        lines = b"\n".join(answer.iter_lines())
        return told(answer.status_code, answer.headers, lines)


def urllib3_whole(url: str) -> Any:
    answer = urllib3.request("POST", chat(url), json=about("urllib3"))
    return told(answer.status, answer.headers, answer.data)


def urllib3_streamed(url: str) -> Any:
    ask = about("urllib3 streamed") | {"stream": True}
    answer = urllib3.request("POST", chat(url), json=ask, preload_content=False)
    body = b"".join(answer.stream())
    answer.release_conn()
    return told(answer.status, answer.headers, body)


PROGRAMS = {
    program.__name__: program
    for program in (
        httpx_whole,
        httpx_streamed,
        httpx2_whole,
        httpx2_async_streamed,
        aiohttp_whole,
        aiohttp_streamed,
        requests_whole,
        requests_streamed,
        urllib3_whole,
        urllib3_streamed,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal bytes, and the provider no call."""
    played.assert_bought_once(name)
