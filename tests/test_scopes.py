"""A stretch of code has a namespace or a request id, and nobody else gets it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from cachesaver import ConfigurationError, namespace, request_id
from cachesaver.contexts import NAMESPACE, REPLICATE, REQUEST_ID


def test_a_block_and_the_blocks_inside_it() -> None:
    seen = list[str | None]()
    with namespace("outer"):
        with namespace("inner"), request_id("r"):
            seen += [NAMESPACE.get(), REQUEST_ID.get()]
        seen += [NAMESPACE.get(), REQUEST_ID.get()]

    assert seen == ["inner", "r", "outer", ""]
    assert NAMESPACE.get() is None


def test_one_scope_may_be_entered_inside_itself() -> None:
    scope = namespace("n")

    with scope, scope:
        pass

    assert NAMESPACE.get() is None


def test_several_tasks_may_be_in_one_scope_at_a_time() -> None:
    scope = namespace("n")

    async def inside(turns: int) -> tuple[str | None, str | None]:
        with scope:
            for _ in range(turns):
                await asyncio.sleep(0)
            seen = NAMESPACE.get()
        return seen, NAMESPACE.get()

    async def program() -> list[tuple[str | None, str | None]]:
        with scope:
            return list(await asyncio.gather(inside(3), inside(1), inside(2)))

    assert asyncio.run(program()) == [("n", "n")] * 3
    assert NAMESPACE.get() is None


def test_an_error_leaves_the_scope() -> None:
    with pytest.raises(ZeroDivisionError), namespace("n"):
        _ = 1 / 0

    assert NAMESPACE.get() is None


def test_a_function_runs_inside() -> None:
    @namespace("n")
    def name(suffix: str) -> str:
        """Return where we are."""
        return f"{NAMESPACE.get()}{suffix}"

    assert name("!") == "n!"
    assert name.__doc__ == "Return where we are."


def test_an_async_function_runs_inside_to_its_end() -> None:
    @request_id("r")
    async def name() -> str:
        await asyncio.sleep(0)
        return REQUEST_ID.get()

    async def both() -> list[str]:
        return [*await asyncio.gather(name(), name()), REQUEST_ID.get()]

    assert asyncio.run(both()) == ["r", "r", ""]


def test_tasks_inherit_and_foreign_threads_do_not() -> None:
    seen = list[str | None]()

    async def child() -> None:
        seen.append(NAMESPACE.get())

    async def program() -> None:
        with namespace("n"):
            task = asyncio.create_task(child())
            thread = threading.Thread(target=lambda: seen.append(NAMESPACE.get()))
            thread.start()
            thread.join()
        await task

    asyncio.run(program())

    assert seen == [None, "n"]


def test_a_generator_is_refused() -> None:
    def plain() -> Iterator[int]:
        yield 1

    async def awaited() -> AsyncIterator[int]:
        yield 1

    for function in (plain, awaited):
        with pytest.raises(ConfigurationError, match=r"is a generator.*Put the with statement"):
            namespace("n")(function)


@pytest.mark.parametrize("bad", ["", None, 3, b"n"])
def test_a_name_is_a_text(bad: object) -> None:
    with pytest.raises(ConfigurationError, match="non-empty text"):
        namespace(bad)  # type: ignore[arg-type]  # what a user may do
    with pytest.raises(ConfigurationError, match="non-empty text"):
        request_id(bad)  # type: ignore[arg-type]  # what a user may do


def test_a_scope_shows_itself() -> None:
    assert repr(namespace("n")) == "<Scope cachesaver_namespace='n'>"


def test_a_replicate_holds_until_another_is_named() -> None:
    seen = list[tuple[str | None, int | None]]()

    def look() -> None:
        seen.append((NAMESPACE.get(), REPLICATE.get()))

    with namespace("a", replicate=3):
        look()
        with namespace("b"):
            look()
            with namespace("b", replicate=0):
                look()
            look()
    look()

    assert seen == [("a", 3), ("b", 3), ("b", 0), ("b", 3), (None, None)]


def test_a_function_runs_in_its_replicate() -> None:
    @namespace("n", replicate=2)
    def where() -> tuple[str | None, int | None]:
        return NAMESPACE.get(), REPLICATE.get()

    assert where() == ("n", 2)
    assert repr(namespace("n", replicate=2)) == (
        "<Scope cachesaver_namespace='n' cachesaver_replicate=2>"
    )


@pytest.mark.parametrize("bad", [-1, "1", True, 1.0])
def test_a_replicate_is_a_whole_number(bad: object) -> None:
    with pytest.raises(ConfigurationError, match="a whole number from 0"):
        namespace("n", replicate=bad)  # type: ignore[arg-type]  # what a user may do
