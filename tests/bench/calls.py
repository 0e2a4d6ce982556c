"""What a hit pays: at the transport, and through an SDK."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson

import cachesaver
from tests.bench.pairs import paired

Measured = Iterator[tuple[str, str, str, str, bool]]

URL = "https://api.openai.com/v1/chat/completions"
ASK: dict[str, Any] = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Why? " * 400}],
}


def whole() -> bytes:
    """A chat completion of about 2 kB."""
    message = {"role": "assistant", "content": "Because. " * 200, "refusal": None}
    return orjson.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-5-mini",
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18},
        }
    )


def stream() -> bytes:
    """The same as thirty events."""
    head: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5-mini",
    }
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        *({"content": "Because. "} for _ in range(28)),
    ]
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = (orjson.dumps({**head, "choices": [choice]}) for choice in choices)
    return b"".join(b"data: %s\n\n" % event for event in events) + b"data: [DONE]\n\n"


def handler(module: Any) -> Callable[[Any], Any]:
    """Answer as nobody can faster."""
    bodies = {False: (whole(), "application/json"), True: (stream(), "text/event-stream")}

    def answer(request: Any) -> Any:
        body, kind = bodies[b'"stream":true' in request.content]
        return module.Response(200, content=body, headers={"content-type": kind})

    return answer


class Plain(httpx2.BaseTransport):
    """A provider without a network; unlike MockTransport not a mock, so we answer for it."""

    def __init__(self) -> None:
        self._answer = handler(httpx2)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = self._answer(request)
        return response


class AsyncPlain(httpx2.AsyncBaseTransport):
    """The same for async clients."""

    def __init__(self) -> None:
        self._answer = handler(httpx2)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response: httpx2.Response = self._answer(request)
        return response


def measured() -> Measured:
    """Yield a row for each."""
    yield from _hit_at_transport()
    yield from _hits_through_openai()


@contextmanager
def warm(fill: Callable[[], object], draws: int) -> Generator[None]:
    """A store in which *fill*, called *draws* times, has been paid for; hits in a fresh namespace."""
    with tempfile.TemporaryDirectory() as folder:
        with cachesaver.install("cold", store=Path(folder) / "s", quiet=True, strict=True):
            for _ in range(draws):
                fill()
        with cachesaver.install(
            "warm", store=Path(folder) / "s", quiet=True, strict=True, mode="replay"
        ):
            yield


def _hit_at_transport() -> Measured:
    ours = httpx2.Client(transport=Plain())
    theirs = httpx2.Client(transport=httpx2.MockTransport(handler(httpx2)))
    calls, turns = 50, 15
    with warm(_sender(ours, URL), calls * (turns + 1)):
        pair = paired(_sender(ours, URL), _sender(theirs, URL), calls=calls, turns=turns)
    more = pair.more * 1e6
    yield (
        "a hit at the transport, 2 kB",
        "bare `MockTransport`",
        f"{more:.0f} µs more",
        "≤ 100 µs more",
        more <= 100,
    )


def _sender(client: Any, url: str) -> Callable[[], object]:
    return lambda: client.post(url, json=ASK)


def _hits_through_openai() -> Measured:
    calls, turns = 20, 15
    draws = calls * (turns + 1)
    mock = httpx2.MockTransport(handler(httpx2))
    ours, theirs = (
        openai.OpenAI(
            api_key="k" * 20, max_retries=0, http_client=httpx2.Client(transport=transport)
        )
        for transport in (Plain(), mock)
    )
    aours, atheirs = (
        openai.AsyncOpenAI(
            api_key="k" * 20, max_retries=0, http_client=httpx2.AsyncClient(transport=transport)
        )
        for transport in (AsyncPlain(), mock)
    )
    ways: dict[str, Callable[[Any], Callable[[], object]]] = {
        "sync": lambda client: lambda: client.chat.completions.create(**ASK),
        "stream": lambda client: lambda: list(client.chat.completions.create(**ASK, stream=True)),
    }
    for name, way in ways.items():
        with warm(way(ours), draws):
            pair = paired(way(ours), way(theirs), calls=calls, turns=turns)
        yield _row(name, pair.ratio)
    with asyncio.Runner() as runner:

        def asked(client: Any) -> Callable[[], object]:
            return lambda: runner.run(client.chat.completions.create(**ASK))

        with warm(asked(aours), draws):
            pair = paired(asked(aours), asked(atheirs), calls=calls, turns=turns)
    yield _row("async", pair.ratio)


def _row(name: str, ratio: float) -> tuple[str, str, str, str, bool]:
    what = f"a hit through the `openai` SDK ({name})"
    return what, "the SDK on `MockTransport`, same bytes", f"{ratio:.2f}x", "≤ 1.10x", ratio <= 1.10
