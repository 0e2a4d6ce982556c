"""One listener on a loop hears many streams, and is woken once for what came together."""

from __future__ import annotations

import asyncio
from typing import Any

from cachesaver.local.listening import Bell, Listener
from cachesaver.local.streams import Stream, Token


def heard(patience: int = 1, count: int = 3) -> tuple[Listener, list[Stream]]:
    listener = Listener(patience=patience)
    streams = [Stream(index=at, seed=1) for at in range(count)]
    for stream in streams:
        stream.hear(listener)
    return listener, streams


def counted(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Return the calls into *loop* from now on."""
    calls: list[Any] = []
    real = loop.call_soon_threadsafe

    def call(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return real(*given, **named)

    loop.call_soon_threadsafe = call  # type: ignore[method-assign, assignment]  # counts only
    return calls


async def is_told(listener: Listener) -> bool:
    try:
        await asyncio.wait_for(listener.wait(), 0.05)
    except TimeoutError:
        return False
    return True


def test_a_step_of_many_is_one_call_into_the_loop() -> None:
    async def main() -> None:
        bell, (one, ours), (other, theirs) = Bell(), heard(), heard()
        calls = counted(asyncio.get_running_loop())

        for stream in (*ours, *theirs):
            stream.put(Token(1), bell)
        assert calls == []
        bell.ring()
        bell.ring()

        assert len(calls) == 1
        assert await is_told(one)
        assert await is_told(other)
        assert not await is_told(one)
        assert [stream.poll() for stream in ours] == [(Token(1),)] * 3

    asyncio.run(main())


def test_without_a_bell_it_is_told_at_once() -> None:
    async def main() -> None:
        listener, (stream, *_) = heard()

        stream.end("stop")

        assert await is_told(listener)
        assert stream.poll() == ()

    asyncio.run(main())


def test_who_is_patient_is_told_of_several_or_of_the_end() -> None:
    async def main() -> None:
        listener, (first, second, _) = heard(patience=3)

        first.put(Token(1))
        first.put(Token(2))
        assert not await is_told(listener)
        first.put(Token(3))
        assert await is_told(listener)
        second.end("length")
        assert await is_told(listener)
        assert second.poll() == ()
        assert first.poll() == (Token(1), Token(2), Token(3))
        assert first.poll() is None

    asyncio.run(main())


def test_loops_that_are_closed_are_left_alone() -> None:
    """Given a loop that has ended and one that has not, when both listen, then the other is told."""

    async def listen() -> tuple[Listener, list[Stream]]:
        return heard()

    gone, streams = asyncio.run(listen())

    async def main() -> None:
        there, _ = heard()
        Listener.tell((gone, there))
        assert await is_told(there)

    asyncio.run(main())
    streams[0].put(Token(1))
    assert streams[0].poll() == (Token(1),)
