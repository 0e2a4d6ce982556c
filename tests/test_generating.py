"""A generator that is wrapped is the generator it was, and its block lasts as long as it does."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from cachesaver.generating import generating

SEEN = list[str]()


@asynccontextmanager
async def block() -> AsyncGenerator[tuple[str]]:
    SEEN.append("begin")
    try:
        yield ("given",)
    finally:
        SEEN.append("end")


async def steps(first: str, second: str = "") -> AsyncGenerator[str, str]:
    told = first + second
    while True:
        try:
            told = yield told
        except ValueError as error:
            told = f"caught {error}"
        except GeneratorExit:
            SEEN.append("closed")
            raise
        if told == "stop":
            return


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    SEEN.clear()


def test_what_is_sent_and_thrown_comes_to_the_generator() -> None:
    async def main() -> None:
        wrapped = generating(steps, block)
        assert inspect.isasyncgenfunction(wrapped)
        assert wrapped.__name__ == "steps"
        generator = wrapped(second="!")
        assert SEEN == []
        assert await anext(generator) == "given!"
        assert await generator.asend("a") == "a"
        assert await generator.athrow(ValueError("x")) == "caught x"
        assert SEEN == ["begin"]
        with pytest.raises(StopAsyncIteration):
            await generator.asend("stop")
        assert SEEN == ["begin", "end"]

    asyncio.run(main())


def test_it_is_closed_within_its_block() -> None:
    async def main() -> None:
        generator = generating(steps, block)()
        await anext(generator)
        await generator.aclose()

    asyncio.run(main())
    assert SEEN == ["begin", "closed", "end"]


def test_what_it_raises_ends_the_block() -> None:
    async def main() -> None:
        generator = generating(steps, block)()
        await anext(generator)
        with pytest.raises(KeyError):
            await generator.athrow(KeyError())

    asyncio.run(main())
    assert SEEN == ["begin", "end"]
