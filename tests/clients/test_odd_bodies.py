"""Bodies that not every JSON writer carries, through plain clients: provider calls like all others.

The rehearsal refuses half an emoji, as OpenAI does; servers that read JSON with Python do not.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx
import pytest
import requests

import cachesaver
from cachesaver.errors import NotRecordedError

CUT = {"model": "m", "messages": [{"role": "user", "content": "a cut emoji: \ud83d"}]}
"""A lone surrogate: what is left where a program cuts a text in the middle of an emoji."""


@dataclass
class Server:
    """A server that answers any chat: its address, and the bodies it was sent."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list[bytes])


@pytest.fixture
def server() -> Iterator[Server]:
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server looks for
            told.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            message = {"role": "assistant", "content": f"answer {len(told.bodies)}"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = json.dumps({"id": "c", "object": "chat.completion", "choices": [choice]})
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as it is called
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        told.url = f"http://127.0.0.1:{httpd.server_port}/v1/chat/completions"
        yield told
        httpd.shutdown()
        thread.join()


def by_httpx(url: str) -> bytes:
    # Its own `json=` refuses such a text: whoever sends one with httpx has escaped it.
    kind = {"content-type": "application/json"}
    return httpx.post(url, content=json.dumps(CUT), headers=kind).content


def by_requests(url: str) -> bytes:
    return requests.post(url, json=CUT, timeout=30).content


def by_aiohttp(url: str) -> bytes:
    async def ask() -> bytes:
        async with aiohttp.ClientSession() as session, session.post(url, json=CUT) as answer:
            return await answer.read()

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [by_httpx, by_requests, by_aiohttp])
def test_half_an_emoji_is_bought_once_and_cannot_escape_a_replay(server: Server, ask: Any) -> None:
    """Given half an emoji, when it is asked again, then it is a hit; what is not recorded raises."""
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as session:
        bought = ask(server.url)
        with cachesaver.namespace("b"):
            again = ask(server.url)
        hits = session.stats().hits
    with (
        cachesaver.install(store="memory://", mode="replay", quiet=True),
        pytest.raises(NotRecordedError),
    ):
        ask(server.url)

    assert json.loads(bought)["choices"][0]["message"]["content"] == "answer 1"
    assert (again, hits) == (bought, 1)
    assert [json.loads(body) for body in server.bodies] == [CUT]
