"""A stream hands over what the engine puts in, to a thread or a loop, and says how it ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from cachesaver.local import EngineFailedError, Stream, Token
from cachesaver.local.listening import Listener


def stream() -> Stream:
    return Stream(index=3, seed=5)


def test_what_was_put_is_read_at_once_and_then_the_end() -> None:
    ours = stream()
    ours.put(Token(1))
    ours.put(Token(2))
    ours.end("length")

    assert ours.read() == (Token(1), Token(2))
    assert ours.read() == ()
    assert ours.finish == "length"
    assert repr(ours) == "<Stream index=3 seed=5 finish='length'>"


def test_a_thread_waits_for_the_next_token() -> None:
    ours = stream()
    threading.Timer(0.05, ours.put, [Token(1)]).start()

    assert ours.read() == (Token(1),)


def test_iterating_ends_with_the_stream() -> None:
    ours = stream()
    ours.put(Token(1))
    threading.Timer(0.05, ours.put, [Token(2)]).start()
    threading.Timer(0.1, ours.end, ["stop"]).start()

    assert [token.id for token in ours] == [1, 2]


def test_a_loop_goes_on_while_a_stream_is_awaited() -> None:
    async def main() -> tuple[list[int], int]:
        ours, ticks = stream(), 0

        async def tick() -> None:
            nonlocal ticks
            while ours.finish is None:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        threading.Timer(0.05, ours.put, [Token(1)]).start()
        threading.Timer(0.1, ours.end, ["stop"]).start()
        tokens = [token.id async for token in ours]
        await ticking
        return tokens, ticks

    tokens, ticks = asyncio.run(main())

    assert tokens == [1]
    assert ticks > 5


def test_a_reader_that_gave_up_does_not_hinder_the_next() -> None:
    async def main() -> tuple[Token, ...]:
        ours = stream()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ours.aread(), 0.01)
        threading.Timer(0.05, ours.put, [Token(1)]).start()
        return await ours.aread()

    assert asyncio.run(main()) == (Token(1),)


def test_a_token_for_a_reader_that_gave_up_is_kept() -> None:
    async def main() -> tuple[Token, ...]:
        ours = stream()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ours.aread(), 0.01)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: mistakes.append(context))
        ours.put(Token(1))
        await asyncio.sleep(0.01)
        return await ours.aread()

    mistakes: list[dict[str, object]] = []
    assert asyncio.run(main()) == (Token(1),)
    assert mistakes == []


def test_a_loop_that_is_gone_does_not_hinder_the_engine() -> None:
    ours = stream()

    async def main() -> None:
        asyncio.get_running_loop().create_task(ours.aread())
        await asyncio.sleep(0)

    asyncio.run(main())
    ours.put(Token(1))

    assert ours.read() == (Token(1),)


def test_an_error_comes_after_the_tokens_and_stays() -> None:
    ours = stream()
    ours.put(Token(1))
    ours.end(None, EngineFailedError("broken"))

    assert ours.read() == (Token(1),)
    for _ in range(2):
        with pytest.raises(EngineFailedError, match="broken"):
            ours.read()
    assert ours.finish is None
    assert ours.has_ended


def test_what_has_ended_has_ended() -> None:
    ours = stream()
    ours.end("stop")
    ours.end("cancelled")
    ours.end(None, EngineFailedError("late"))

    assert ours.read() == ()
    assert ours.finish == "stop"


def test_cancelling_is_a_wish() -> None:
    ours = stream()

    ours.cancel()

    assert ours.is_unwanted
    assert not ours.has_ended


def test_nobody_is_told_of_tokens_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reader that waited once, then one token woke it, and those that follow cost nothing."""
    ours, told = stream(), list[int]()
    reader = threading.Thread(target=ours.read, daemon=True)
    reader.start()
    time.sleep(0.05)

    ours.put(Token(1))
    reader.join()
    monkeypatch.setattr(ours._changed, "notify_all", lambda: told.append(1))
    for _ in range(9):
        ours.put(Token(2))

    assert told == []
    assert len(ours.read()) == 9


def by_thread(streams: list[Stream]) -> list[list[int]]:
    return [[token.id for token in each] for each in streams]


def by_loop(streams: list[Stream]) -> list[list[int]]:
    async def collect(one: Stream) -> list[int]:
        return [token.id async for token in one]

    async def main() -> list[list[int]]:
        return await asyncio.gather(*map(collect, streams))

    return asyncio.run(main())


def by_listener(streams: list[Stream]) -> list[list[int]]:
    found = [list[int]() for _ in streams]

    def poll(left: set[int]) -> bool:
        news = {at: tokens for at in left if (tokens := streams[at].poll()) is not None}
        for at, tokens in news.items():
            found[at] += [token.id for token in tokens]
        left -= {at for at, tokens in news.items() if not tokens}
        return bool(news)

    async def main() -> None:
        listener = Listener(patience=3)
        for each in streams:
            each.hear(listener)
        left = set(range(len(streams)))
        while left:
            if not poll(left):
                await asyncio.wait_for(listener.wait(), 30)

    asyncio.run(main())
    return found


@pytest.mark.parametrize("read", [by_thread, by_loop, by_listener])
def test_no_token_is_missed_wherever_it_falls_between_two_looks(
    read: Callable[[list[Stream]], list[list[int]]],
) -> None:
    """Given a writer that never waits, when it is read meanwhile, then all tokens come, in order."""
    ours = [stream() for _ in range(4)]

    def write() -> None:
        for at in range(500):
            for each in ours:
                each.put(Token(at))
        for each in ours:
            each.end("length")

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    found = read(ours)
    writer.join()

    assert found == [[*range(500)]] * 4
