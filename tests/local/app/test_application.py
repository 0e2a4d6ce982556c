"""The application as a whole: what it refuses, what it survives, what it lets go of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

import local_app
import local_words
from cachesaver.local.app import application as module
from cachesaver.local.app.application import LARGEST_BODY, application
from cachesaver.local.app.door import Door
from cachesaver.local.app.served import Served, Shop
from cachesaver.local.server import Server

USER: list[Any] = [{"role": "user", "content": "the quick"}]
LONG = {"model": "tiny", "messages": USER, "max_tokens": 480, "ignore_eos": True}


def stats(server: Any) -> dict[str, int]:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    pairs = (line.rpartition(" ")[::2] for line in lines if not line.startswith("#"))
    return {name.partition("{")[0].removeprefix("cachesaver_local_"): int(n) for name, n in pairs}


def wait_for(claim: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if claim():
            return True
        time.sleep(0.01)
    return False


def post(server: Any, path: str, body: Any, **options: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{server.url}{path}", content=content, timeout=60, **options)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_slots(server: Any, stream: bool) -> None:  # noqa: FBT001
    """Given eight long samples under way, when the connection is broken, then they all end."""
    before = stats(server)
    body = json.dumps({**LONG, "n": 8, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"

    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as leaving:
        leaving.sendall(head.encode() + body)
        assert wait_for(lambda: stats(server)["running"] == 8)

    assert wait_for(lambda: stats(server)["running"] == 0, 2)
    after = stats(server)
    assert after["cancelled_total"] == before["cancelled_total"] + 8
    assert after["answer_tokens_total"] < before["answer_tokens_total"] + 8 * 480
    assert after["waiting"] == after["cells_used"] == 0


def test_who_leaves_before_the_request_is_whole_is_no_failure(
    server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Given half a body, when the connection is broken, then nothing is told as a failure of the server."""
    head = b"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as leaving:
        leaving.sendall(head + b"{")

    # The server reads in order: what was sent before has been heard when this is answered twice.
    for _ in range(2):
        assert post(server, "/v1/completions", b"{").status_code == 400

    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []


def test_leaving_a_stream_by_the_sdk_frees_its_slot(server: Any, client: openai.OpenAI) -> None:
    before = stats(server)["cancelled_total"]

    body = {"ignore_eos": True}
    with client.chat.completions.create(
        model="tiny", messages=USER, max_tokens=480, stream=True, extra_body=body
    ) as chunks:
        next(iter(chunks))

    assert wait_for(lambda: stats(server)["cancelled_total"] == before + 1)


def test_health_is_told_while_a_long_prompt_is_read(server: Any) -> None:
    """Given a prompt of half a megabyte that is tokenised, then health is told within 50 ms."""
    body = {"model": "tiny", "messages": [{"role": "user", "content": "the quick " * 300_000}]}
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(post(server, "/v1/chat/completions", body).status_code)
    )

    with httpx.Client() as probe:
        probe.get(f"{server.url}/health")
        start = time.perf_counter()
        asking.start()
        waits: list[float] = []
        while asking.is_alive():
            began = time.perf_counter()
            probe.get(f"{server.url}/health")
            waits.append(time.perf_counter() - began)
            time.sleep(0.005)
        took = time.perf_counter() - start

    assert answers == [400]  # it does not fit
    assert len(waits) > 5
    # One in ten is left to a machine that does something else as well.
    assert sorted(waits)[len(waits) * 9 // 10] < 0.05
    assert max(waits) < took / 2  # none of them waited for the whole prompt


def test_errors_have_openais_shape(server: Any) -> None:
    for path, body, status in (
        ("/v1/chat/completions", b"{", 400),
        ("/v1/chat/completions", {**LONG, "model": "other"}, 404),
        ("/v1/chat/completions", {**LONG, "max_tokens": 100_000}, 400),
        ("/v1/nothing", {}, 404),
        ("/health", {}, 405),
    ):
        answer = post(server, path, body)
        assert answer.status_code == status
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_a_prompt_too_long_says_how_long(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length is 512") as raised:
        client.chat.completions.create(model="tiny", messages=USER, max_tokens=600)

    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "messages")


def test_a_body_too_large_is_refused(server: Any) -> None:
    answer = post(server, "/v1/completions", b" " * (LARGEST_BODY + 1))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_a_first_index_that_is_none_is_refused(server: Any) -> None:
    answer = post(
        server, "/v1/chat/completions", LONG, headers={"x-cachesaver-first-index": "minus"}
    )

    assert answer.json()["error"]["param"] == "x-cachesaver-first-index"


def test_the_key_is_asked_for() -> None:
    with Server([local_app.served_encoder()], key="secret") as server:
        path = f"{server.url}/v1/models"
        right = httpx.get(path, headers={"authorization": "Bearer secret"})
        wrong = httpx.get(path, headers={"authorization": "Bearer wrong"})

        assert (right.status_code, wrong.status_code, httpx.get(path).status_code) == (
            200,
            401,
            401,
        )
        assert wrong.headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{server.url}/health").status_code == 200


def test_no_web_page_is_answered(server: Any) -> None:
    answer = post(server, "/v1/completions", LONG, headers={"origin": "https://evil.test"})

    assert answer.status_code == 403


VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 2**70, "", "x", "\u0000", [], [[]], {}, {"a": 1}, [None], ["x", 1],
    "the " * 700, [5] * 600, {"type": "function"}, {"role": "user"}, [{"role": "user", "content": []}],
]  # fmt: skip
FIELDS = {
    "/v1/chat/completions": (
        "messages", "n", "stop", "seed", "temperature", "top_p", "tools", "tool_choice", "logprobs",
        "top_logprobs", "logit_bias", "response_format", "stream", "stream_options", "max_tokens",
    ),
    "/v1/completions": ("prompt", "n", "echo", "logprobs", "stop", "stream", "top_k", "min_p"),
    "/v1/embeddings": ("input", "encoding_format", "dimensions"),
    "/v1/responses": ("input", "tools", "tool_choice", "text", "stream", "instructions"),
}  # fmt: skip


def test_no_request_kills_it(server: Any, client: openai.OpenAI) -> None:
    """Given hundreds of odd requests, then each has an answer, and afterwards all is as before."""
    dice = random.Random(7)  # noqa: S311  # no secret
    seen: set[int] = set()
    wanted = client.completions.create(model="tiny", prompt="the", seed=1).choices[0].text
    with httpx.Client(timeout=60) as odd:
        for _ in range(400):
            path = dice.choice(sorted(FIELDS))
            body: Any = {
                "model": "tiny-bert" if path == "/v1/embeddings" else "tiny",
                "messages"
                if "chat" in path
                else "prompt"
                if path == "/v1/completions"
                else "input": (USER if "chat" in path else "the"),
                "max_output_tokens" if "responses" in path else "max_tokens": 3,
            }
            if path == "/v1/embeddings":
                del body["max_tokens"]
            for name in dice.sample(FIELDS[path], dice.randint(1, 2)):
                body[name] = dice.choice(VALUES)
            content = json.dumps(body).encode()
            if dice.random() < 0.1:
                at = dice.randrange(len(content))
                content = content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
            answer = odd.post(f"{server.url}{path}", content=content)
            seen.add(answer.status_code)
            assert answer.status_code in (200, 400, 404), (content[:500], answer.text[:500])

    assert seen in ({200, 400}, {200, 400, 404})
    assert client.completions.create(model="tiny", prompt="the", seed=1).choices[0].text == wanted
    assert wait_for(lambda: stats(server)["running"] == stats(server)["waiting"] == 0)


class Broken(local_words.Script):
    """An engine with a defect."""

    def submit(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a defect")


def test_a_defect_is_an_answer_too() -> None:
    broken = Served(name="tiny", tongue=local_app.served_encoder().tongue, engine=Broken())
    app = application(Shop([broken]), Door(None, None))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://local") as made:
            return await made.post("/v1/completions", json={"model": "tiny", "prompt": "a"})

    answer = asyncio.run(ask())

    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "a defect" not in answer.text


def test_an_answer_that_nobody_waits_for_is_not_drawn() -> None:
    """Given a request that is cancelled while its prompt is read, then what it placed is let go."""
    engine = local_words.Script()
    begun, go = threading.Event(), threading.Event()

    def slow(shop: Shop, body: bytes, first_index: int) -> Any:
        begun.set()
        go.wait(10)
        return module._completions(shop, body, first_index)

    tongue = local_app.served_encoder().tongue
    shop = Shop([Served(name="tiny", tongue=tongue, engine=engine)])
    answer = module._drawn(slow)

    class Asked:
        headers: dict[str, str] = {}  # noqa: RUF012
        app = application(shop, Door(None, None))

        async def stream(self) -> Any:
            yield b'{"model": "tiny", "prompt": "a"}'

    async def cancel() -> None:
        asking = asyncio.create_task(answer(Asked()))
        await asyncio.to_thread(begun.wait, 10)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        go.set()
        await asyncio.to_thread(wait_for, lambda: bool(engine.cancelled))

    asyncio.run(asyncio.wait_for(cancel(), 10))

    assert len(engine.cancelled) == 1
