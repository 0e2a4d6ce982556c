"""Calls to a gateway from a process with a session of its own: named here, and answered there."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.gateway.routing import _HEADERS
from cachesaver.lineage import Drawn
from cachesaver.ports import Run
from cachesaver.relaying import DRAWS, MOST, PARTS, Named, Relay, told
from cachesaver.scopes import namespace, request_id
from cachesaver.session import Session
from cachesaver.settings import settings
from cachesaver.stores.memory import MemoryStore

GATEWAY = "http://127.0.0.1:812"
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}).encode()


def chat(base: str = GATEWAY, **headers: str) -> Request:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Request(
        method="POST",
        url=f"{base}/openai/v1/chat/completions",
        headers=(("content-type", "application/json"), *named),
        body=BODY,
    )


class Line:
    """What stands in for the client: remembers what it sent, and answers with a status."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.sent: list[Request] = []

    def send(self, request: Request) -> Reply:
        self.sent.append(request)
        if not self.status:
            raise ConnectionError("reset")
        return Reply(status=self.status, headers=(), chunks=iter(()), close=lambda: None)

    async def asend(self, request: Request) -> AsyncReply:
        self.sent.append(request)
        if not self.status:
            raise ConnectionError("reset")

        async def nothing() -> None:
            """There is nothing to close."""

        async def whole() -> AsyncIterator[bytes]:
            yield b"{}"

        return AsyncReply(status=self.status, headers=(), chunks=whole(), close=nothing)

    def ids(self) -> list[str | None]:
        return [each.header("x-cachesaver-request-id") for each in self.sent]


@pytest.fixture(params=[GATEWAY, f"{GATEWAY}/"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("CACHESAVER_GATEWAY", request.param)
    monkeypatch.delenv("CACHESAVER_RUN", raising=False)
    with Session.open("a b", store="memory://", quiet=True) as opened:
        yield opened


def test_a_call_to_the_gateway_takes_along_where_and_as_what_it_draws(session: Session) -> None:
    line = Line()

    reply = session.answer(chat(authorization="Bearer k"), line.send)
    session.answer(chat(), line.send)

    first, second = line.sent
    assert reply.status == 200
    assert first.url == chat().url
    assert first.header("x-cachesaver-run") == session.run_id
    assert first.header("x-cachesaver-namespace") == "a%20b"
    assert first.header("x-cachesaver-replicate") is None
    assert first.header("authorization") == "Bearer k"
    assert first.header("x-cachesaver-request-id") != second.header("x-cachesaver-request-id")
    assert session.stats().requests == 0, "the gateway counts them"


def test_it_says_the_names_that_a_direct_call_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given one program with and without a gateway, then its draws are called the same, all of them."""
    direct, relayed = list[tuple[str, ...]](), list[str | None]()
    ask = replace(chat(), body=BODY.replace(b"{", b'{"n": 3, ', 1))
    monkeypatch.setenv("CACHESAVER_UPSTREAMS", "openai=https://api.openai.com x=")
    monkeypatch.setenv("CACHESAVER_RUN", "one")
    for gateway in ("", GATEWAY):
        monkeypatch.setenv("CACHESAVER_GATEWAY", gateway)
        with Session.open("a", store="memory://", quiet=True) as session:
            if gateway:
                line = Line()
                session.answer(ask, line.send)
                relayed += [sent.header(DRAWS) for sent in line.sent]
            else:
                url = "https://api.openai.com/v1/chat/completions"
                question = session.explain(replace(ask, url=url))
                assert question is not None
                made = (
                    session._answers()._asking(replace(ask, url=url), question, blocking=True).drawn
                )
                direct.append(made.ids)
                made.give_back()

    assert relayed == ["".join(direct[0])]
    assert len(direct[0]) == 3


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/openai/v1/x?a=b", "https://api.openai.com/v1/x?a=b"),
        ("/ns/a/key/k/openai/v1/x", "https://api.openai.com/v1/x"),
        ("/http/localhost:8000/v1/x", "http://localhost:8000/v1/x"),
        ("/id/http/https/acme.test/v1/x", "https://acme.test/v1/x"),
        ("/acme/v1/x", "http://gateway/acme/v1/x"),
    ],
)
def test_a_path_of_the_gateway_is_read_as_it_reads_it(path: str, url: str) -> None:
    named = list[str]()

    def name(request: Request) -> Named:
        named.append(request.url)
        return Named(request=request)

    relay = Relay(
        url=f"{GATEWAY}/key/k", name=name, upstreams={"openai": "https://api.openai.com/"}
    )
    relay.answer(replace(chat(), url=f"{GATEWAY}/key/k{path}"), Line().send)

    assert named == [url]
    seen = urlsplit(url)
    assert relay.behind("127.0.0.1", f"/key/k{path}".partition("?")[0]) == (
        seen.hostname,
        seen.path,
    )
    assert relay.behind("other.test", f"/key/k{path}") == ("other.test", f"/key/k{path}")


def test_a_path_that_leads_nowhere_is_as_it_is() -> None:
    relay = Relay(url=GATEWAY, name=lambda request: Named(request=request))

    assert relay.behind("127.0.0.1", "/http/[x/y") == ("127.0.0.1", "/http/[x/y")


def test_a_call_to_nowhere_goes_as_it_is(session: Session) -> None:
    line = Line()
    ask = replace(chat(), url=f"{GATEWAY}/http/[x/v1/chat/completions")

    assert not session.wants("POST", "127.0.0.1", "/http/[x/y")
    session.answer(ask, line.send)

    assert line.sent == [ask]


def test_a_call_that_only_its_host_tells_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHESAVER_GATEWAY", GATEWAY)
    with Session.open("a", store="memory://", hosts=["llm.acme.test"], quiet=True) as session:
        wanted = session.wants("POST", "127.0.0.1", "/https/llm.acme.test/ask")
        others = session.wants("POST", "127.0.0.1", "/https/acme.test/ask")

    assert (wanted, others) == (True, False)


def test_more_names_than_a_header_holds_are_not_said() -> None:
    run = Run(id="r", namespace="a", replicate=None)
    few, many = (Drawn(ids=("a" * 64,) * count) for count in (MOST, MOST + 1))

    said = [
        told(chat(x_cachesaver_draws="mine"), run, drawn).header(DRAWS) for drawn in (few, many)
    ]

    assert said == ["a" * 64 * MOST, None]


def test_an_async_call_does_the_same(session: Session) -> None:
    line = Line()

    async def ask() -> AsyncReply:
        return await session.aanswer(chat(), line.asend)

    assert asyncio.run(ask()).status == 200
    assert line.sent[0].header("x-cachesaver-run") == session.run_id


def test_what_is_called_does_not_depend_on_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same program beside a gateway elsewhere, then its draws have the same names."""
    said = list[list[str | None]]()
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:2"):
        monkeypatch.setenv("CACHESAVER_GATEWAY", url)
        line = Line()
        with Session.open("a", store="memory://", quiet=True) as session:
            session.answer(chat(url), line.send)
            session.answer(chat(url), line.send)
        said.append(line.ids())

    assert said[0] == said[1]
    assert None not in said[0]


def test_scopes_and_headers_of_the_program_hold(session: Session) -> None:
    line = Line()

    with namespace("ns", replicate=3), request_id("agent"):
        session.answer(chat(), line.send)
    session.answer(chat(x_cachesaver_request_id="agent", x_cachesaver_run="mine"), line.send)

    scoped, headed = line.sent
    assert scoped.header("x-cachesaver-namespace") == "ns"
    assert scoped.header("x-cachesaver-replicate") == "3"
    assert [name for name, _ in headed.headers].count("x-cachesaver-run") == 1
    assert scoped.header("x-cachesaver-request-id") == headed.header("x-cachesaver-request-id")


@pytest.mark.parametrize("status", [429, 0])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_retry_is_the_same_draw(session: Session, status: int, *, is_async: bool) -> None:
    line = Line(status)

    def ask() -> None:
        if is_async:
            asyncio.run(once())
        else:
            session.answer(chat(x_cachesaver_request_id="x"), line.send)

    async def once() -> None:
        await session.aanswer(chat(x_cachesaver_request_id="x"), line.asend)

    for _ in range(2):
        if status:
            ask()
        else:
            with pytest.raises(ConnectionError, match="reset"):
                ask()
        line.status = line.status or 0

    first, second = line.ids()
    assert first == second


EVENTS = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n',
    b"data: [DONE]\n\n",
)


class _Events(Iterator[bytes]):
    """All of them, or as many as come before the connection breaks for good."""

    def __init__(self, breaks_after: int | None) -> None:
        self._left = iter(EVENTS[:breaks_after])
        self._breaks = breaks_after is not None

    def __next__(self) -> bytes:
        for event in self._left:
            return event
        if self._breaks:
            raise ConnectionError("broke")
        raise StopIteration


class Streaming(Line):
    """The same, with a stream for an answer; remembers how often it was closed."""

    def __init__(self, breaks_after: int | None = None) -> None:
        super().__init__()
        self.breaks_after = breaks_after
        self.closed = 0

    def events(self) -> Iterator[bytes]:
        return _Events(self.breaks_after)

    def send(self, request: Request) -> Reply:
        def close() -> None:
            self.closed += 1

        return replace(super().send(request), chunks=self.events(), close=close)

    async def asend(self, request: Request) -> AsyncReply:
        async def close() -> None:
            self.closed += 1

        async def events() -> AsyncIterator[bytes]:
            for event in self.events():
                yield event

        return replace(await super().asend(request), chunks=events(), close=close)


STREAMED = replace(chat(), body=BODY.replace(b"{", b'{"stream": true, ', 1))


def left_after(session: Session, line: Streaming, events: int, *, closes: bool = True) -> None:
    """Ask for a stream, and leave it after *events* of its events."""
    reply = session.answer(STREAMED, line.send)
    for event in range(events):
        assert next(reply.chunks) == EVENTS[event]
    if closes:
        reply.close()


def aleft_after(session: Session, line: Streaming, events: int, *, closes: bool = True) -> None:
    """The same, asynchronously."""

    async def ask() -> None:
        reply = await session.aanswer(STREAMED, line.asend)
        for event in range(events):
            assert await anext(reply.chunks) == EVENTS[event]
        if closes:
            await reply.close()

    with request_id("x"):  # every event loop has a task of its own
        asyncio.run(ask())


@pytest.mark.parametrize("leave", [left_after, aleft_after])
@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("events", [0, 1, 2, 3])
def test_a_stream_that_is_left_is_drawn(
    session: Session, leave: Callable[..., None], events: int, *, closes: bool
) -> None:
    """Given a stream that the gateway may have read to its end, then the next draw is another."""
    line = Streaming()

    leave(session, line, events, closes=closes)
    gc.collect()
    leave(session, line, 3)

    first, second = line.ids()
    assert first != second
    assert line.closed == 1 + closes


@pytest.mark.parametrize("leave", [left_after, aleft_after])
@pytest.mark.parametrize(("events", "is_same"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_stream_that_breaks_off_gives_its_draw_back(
    session: Session, leave: Callable[..., None], events: int, *, is_same: bool
) -> None:
    """Given a stream of which the gateway keeps nothing, then the next try is the same draw."""
    line = Streaming(breaks_after=events)

    with pytest.raises(ConnectionError, match="broke"):
        leave(session, line, events + 1)
    line.breaks_after = None
    leave(session, line, 3)

    first, second = line.ids()
    assert (first == second) is is_same


def test_a_stream_gives_its_draw_back_once(session: Session) -> None:
    line = Streaming(breaks_after=0)
    reply = session.answer(STREAMED, line.send)
    for _ in range(2):
        with pytest.raises(ConnectionError, match="broke"):
            next(reply.chunks)
        session.answer(STREAMED, line.send)

    first, second, third = line.ids()
    assert first == second
    assert second != third


@pytest.mark.parametrize("leave", [left_after, aleft_after])
def test_a_stream_ends_where_it_ends(session: Session, leave: Callable[..., None]) -> None:
    line = Streaming()

    with pytest.raises((StopIteration, StopAsyncIteration)):
        leave(session, line, 4)
    leave(session, line, 3)

    first, second = line.ids()
    assert first != second


def test_what_is_no_provider_call_goes_as_it_is(session: Session) -> None:
    line = Line()
    odd = Request(method="POST", url=f"{GATEWAY}/openai/v1/files", body=b"x")

    session.answer(odd, line.send)

    assert line.sent == [odd]


def test_a_deterministic_call_needs_no_name(session: Session) -> None:
    line = Line()
    ask = Request(
        method="POST",
        url=f"{GATEWAY}/openai/v1/embeddings",
        headers=(("content-type", "application/json"),),
        body=b'{"model": "text-embedding-3-small", "input": "a"}',
    )

    session.answer(ask, line.send)

    assert line.ids() == [None]
    assert line.sent[0].header("x-cachesaver-namespace") == "a%20b"


def test_a_fault_of_ours_does_not_break_the_call(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: Request) -> None:
        raise LookupError("a fault of ours")

    line = Line()
    monkeypatch.setattr(session, "explain", fail)

    session.answer(chat(), line.send)

    assert line.sent[0].body == BODY


def test_others_are_answered_here(session: Session) -> None:
    line = Line(404)

    reply = session.answer(chat("http://127.0.0.1:8125"), line.send)

    assert line.sent[0].header("x-cachesaver-run") is None
    assert ("cache-status", "cachesaver; fwd=miss; fwd-status=404") in reply.headers


def test_a_gateway_does_not_relay_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHESAVER_GATEWAY", GATEWAY)

    chosen = settings(namespace="a", store="memory://", quiet=True)
    with Session(chosen, MemoryStore(), "process", apart="gateway") as session:
        assert not session._answers()._relay.covers(chat())


def test_the_parts_in_front_are_those_of_the_gateway() -> None:
    assert set(_HEADERS) == PARTS


def test_ids_that_no_header_can_carry_are_escaped() -> None:
    run = Run(id="job 7\n", namespace="näher", replicate=None)

    headers = dict(told(chat(), run, Drawn()).headers)

    assert headers["x-cachesaver-run"] == "job%207%0A"
    assert headers["x-cachesaver-namespace"] == "n%C3%A4her"
