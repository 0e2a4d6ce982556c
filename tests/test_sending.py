"""The way to the provider: a permit first, then what it may cost, then the call; all or nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cachesaver.asks import Purchase
from cachesaver.budget import Budget
from cachesaver.contexts import is_inside
from cachesaver.effects import Send
from cachesaver.errors import BudgetExceededError
from cachesaver.exchange import AsyncReply, Reply, Request
from cachesaver.guards import Guards, guards
from cachesaver.ports import AsyncSend
from cachesaver.ports import Send as BlockingSend
from cachesaver.sending import Abandoned, Line, Sender, read, read_async, settle, settled_if_lost

CALL = Send(request=Request(method="POST", url="https://x.test/", body=b"{}"))


def reply(*chunks: bytes) -> Reply:
    return Reply(status=200, headers=(), chunks=iter(chunks), close=lambda: None)


async def _closed() -> None:
    """Nothing to give back."""


async def _none() -> AsyncIterator[bytes]:
    for chunk in (b"a", b"b"):
        yield chunk


def areply() -> AsyncReply:
    return AsyncReply(status=200, headers=(), chunks=_none(), close=_closed)


def sender(made: Guards) -> Sender:
    return Sender(guards=made, tidy=lambda: None)


def line(send: Any = None) -> Line[BlockingSend]:
    return Line(send or (lambda _: reply()))


def test_a_call_goes_out_inside_and_says_when() -> None:
    seen = list[bool]()

    def send(request: Request) -> Reply:
        seen.append(is_inside())
        return reply()

    sent = sender(guards(None, None)).send(CALL, line(send))

    assert seen == [True]
    assert sent.sent > 0
    assert sent.toll is None


def test_a_call_that_fails_gives_its_permit_back() -> None:
    made = guards(1, None)

    def broken(_: Request) -> Reply:
        raise ConnectionError("reset")

    for _ in range(2):
        with pytest.raises(ConnectionError, match="reset"):
            sender(made).send(CALL, line(broken))


def test_a_call_waits_until_another_is_settled() -> None:
    made = guards(1, None)
    one = sender(made)
    first = one.send(CALL, line())
    tidied = threading.Event()
    other = Sender(guards=made, tidy=tidied.set)
    thread = threading.Thread(target=other.send, args=(CALL, line()))

    thread.start()
    assert tidied.wait(20), "who waits settles what nobody else will"
    settle(first, Purchase(samples=1))
    thread.join(20)

    assert not thread.is_alive()


def test_tasks_wait_too() -> None:
    made = guards(1, None)

    async def send(_: Request) -> AsyncReply:
        return areply()

    async def ask() -> bytes:
        way: Line[AsyncSend] = Line(send)
        got = await sender(made).asend(CALL, way)
        body = (await read_async(got)).body
        settle(got, Purchase(samples=1))
        return body

    async def main() -> list[bytes]:
        return await asyncio.gather(*(ask() for _ in range(5)))

    assert asyncio.run(main()) == [b"ab"] * 5


def test_who_was_cancelled_while_it_waited_sends_nothing() -> None:
    made, sent = guards(1, None), list[Request]()

    async def send(request: Request) -> AsyncReply:
        sent.append(request)
        return areply()

    async def main() -> None:
        first = await sender(made).asend(CALL, Line(send))
        left: Line[AsyncSend] = Line(send)
        waiting = asyncio.create_task(sender(made).asend(CALL, left))
        await asyncio.sleep(0)
        left.is_left = True
        settle(first, Purchase(samples=1))
        with pytest.raises(Abandoned):
            await waiting

    asyncio.run(main())

    assert len(sent) == 1


def test_errors_of_several_parts_are_all_the_clients() -> None:
    way, first, second = line(), ConnectionError(), ConnectionError()

    way.noted(CALL, first)
    way.noted(CALL, second)

    assert way.raised(first)
    assert way.raised(second)
    assert not way.raised(ConnectionError())


def test_a_blocking_call_on_a_loops_thread_does_not_wait() -> None:
    made = guards(1, None)

    async def main() -> None:
        sender(made).send(CALL, line())
        sender(made).send(CALL, line())

    asyncio.run(main())


def test_what_costs_too_much_is_not_sent() -> None:
    made, sent = guards(1, Budget(calls=0)), list[Request]()

    with pytest.raises(BudgetExceededError):
        sender(made).send(CALL, line(sent.append))

    assert sent == []


@pytest.mark.parametrize(("error", "spent"), [(ConnectionError, 0), (KeyboardInterrupt, 1)])
def test_an_answer_that_is_lost_is_settled(error: type[BaseException], spent: int) -> None:
    """Given a connection that breaks, then it cost nothing; a caller that goes, then it may have."""
    made = guards(None, Budget(calls=1))
    got = sender(made).send(CALL, line())

    with pytest.raises(error), settled_if_lost(got):
        raise error

    assert made.purse is not None
    assert made.purse.spent.calls == spent


def test_a_reply_is_read_with_its_seams() -> None:
    got = reply(b"a", b"b")

    assert read(got).chunks == (b"a", b"b")
