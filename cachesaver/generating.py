"""Asynchronous generators within a block: it begins with the first step, and ends with the last. Pure."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

__all__ = ["generating"]


def generating(
    function: Callable[..., AsyncGenerator[Any, Any]],
    block: Callable[[], AbstractAsyncContextManager[Iterable[Any]]],
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Wrap *function*, an asynchronous generator function, so that each generator is in a block.

    What is sent and thrown comes to the generator, as `yield from` does it where nothing is awaited.

    Args:
        function: To be wrapped.
        block: Makes a block, which gives what stands before the arguments of *function*.
    """

    @functools.wraps(function)
    async def wrapped(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        async with block() as first, aclosing(function(*first, *args, **kwargs)) as steps:
            step: Awaitable[Any] = anext(steps)
            while True:
                try:
                    told = await step
                except StopAsyncIteration:
                    return
                try:
                    step = steps.asend((yield told))
                except BaseException as error:  # noqa: BLE001  # the generator's, whatever it is
                    step = steps.athrow(error)

    return wrapped
