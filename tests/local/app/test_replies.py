from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import local_words
from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.narrating import Narrator
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.replies import Events, Whole, dumps, send_json, unless_left
from cachesaver.local.errors import EngineFailedError
from cachesaver.local.params import Params


class Plainly:
    """A teller of texts."""

    def __init__(self) -> None:
        self.said = ""

    def opening(self) -> list[dict[str, Any]]:
        return [{"is": "open"}]

    def tell(self, news: News) -> Iterator[dict[str, Any]]:
        self.said += news.piece.text
        yield {"text": news.piece.text}

    def closing(self) -> list[dict[str, Any]]:
        return [{"is": "closed"}]

    def whole(self) -> dict[str, Any]:
        return {"all": self.said}

    def frame(self, event: dict[str, Any]) -> bytes:
        return dumps(event) + b"\n"

    def failure(self, refusal: Refusal) -> bytes:
        return self.frame(refusal.body)

    def end(self) -> bytes:
        return b"END"


class Connection:
    """A client, as a server shows it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.left = asyncio.Event()

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def job(pool: ThreadPoolExecutor) -> tuple[Job, local_words.Script]:
    engine = local_words.Script()
    streams = engine.submit([1], 1, Params(seed=1))
    return Job(engine, streams, [Narrator(local_words.tongue())], lengths=[1], pool=pool), engine


@pytest.mark.parametrize("kind", [Whole, Events])
def test_a_client_that_leaves_ends_its_samples(kind: Any, pool: ThreadPoolExecutor) -> None:
    made, engine = job(pool)

    async def leave() -> Connection:
        client = Connection()
        answer = asyncio.create_task(kind(made, Plainly())({}, client.receive, client.send))
        local_words.say(made.streams[0], "a")
        await asyncio.sleep(0.05)
        client.left.set()
        await asyncio.wait_for(answer, 5)
        return client

    client = asyncio.run(leave())

    assert engine.cancelled == list(made.streams)
    assert b"END" not in client.body


def answered(made: Any) -> Connection:
    async def answer() -> Connection:
        client = Connection()
        await made({}, client.receive, client.send)
        return client

    return asyncio.run(answer())


def test_a_whole_answer(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool)
    local_words.say(made.streams[0], "ab", "stop")

    client = answered(Whole(made, Plainly()))

    assert client.sent[0]["status"] == 200
    assert client.body == b'{"all":"ab"}'


def test_a_streamed_answer(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool)
    local_words.say(made.streams[0], "ab", "stop")

    client = answered(Events(made, Plainly()))

    assert (b"content-type", b"text/event-stream; charset=utf-8") in client.sent[0]["headers"]
    assert client.body.startswith(b'{"is":"open"}\n{"text":"ab"}\n')
    assert client.body.endswith(b'{"is":"closed"}\nEND')
    assert client.sent[-1]["more_body"] is False


def test_a_failure_in_a_stream_is_told_in_it(pool: ThreadPoolExecutor) -> None:
    made, _ = job(pool)
    made.streams[0].end(None, EngineFailedError("broken"))

    client = answered(Events(made, Plainly()))

    assert b'"message":"broken"' in client.body
    assert b"END" not in client.body
    assert client.sent[-1]["more_body"] is False


def test_a_failure_of_a_whole_answer_is_raised(pool: ThreadPoolExecutor) -> None:
    made, engine = job(pool)
    made.streams[0].end(None, EngineFailedError("broken"))

    with pytest.raises(Refusal, match="broken"):
        answered(Whole(made, Plainly()))
    assert engine.cancelled == list(made.streams)


def test_work_that_raises_is_heard() -> None:
    async def fail() -> None:
        raise ValueError("work")

    async def work() -> None:
        await unless_left(Connection().receive, fail())

    with pytest.raises(ValueError, match="work"):
        asyncio.run(work())


def test_more_of_the_body_is_no_leaving() -> None:
    """Given a server that says more than that the client has left, then it is waited for that."""
    done: list[int] = []

    async def receive() -> Any:
        await asyncio.sleep(0)
        return {"type": "http.request"}

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    asyncio.run(unless_left(receive, work()))

    assert done == [1]


def test_json_is_sent_with_its_length() -> None:
    async def answer() -> Connection:
        client = Connection()
        await send_json(client.send, 404, {"a": 1}, [(b"x", b"y")])
        return client

    client = asyncio.run(answer())

    assert client.sent[0]["status"] == 404
    assert {(b"content-length", b"7"), (b"x", b"y")} <= set(client.sent[0]["headers"])
