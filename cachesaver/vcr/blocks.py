"""The block, or function, in which every HTTP request is answered from a cassette."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar, cast

from cachesaver.generating import generating
from cachesaver.vcr.cassette import Cassette
from cachesaver.vcr.gate import CassetteGate
from cachesaver.wiring import guest

__all__ = ["CassetteBlock"]

F = TypeVar("F", bound=Callable[..., Any])
Merged = Mapping[str, Any]
"""`path`, `placed` (what makes a path of it), `named` (what names the cassette of a function),
`record_on_exception`, and the `options` of the cassette."""


class CassetteBlock:
    """A `with` block, or a decorator of functions, coroutines and generators of either kind.

    Args:
        merged: Makes what is to be known of the cassette, when the block begins.
    """

    def __init__(self, merged: Callable[[], Merged]) -> None:
        self._merged = merged
        self._cassette: Cassette | None = None
        self._undoing = ExitStack()
        self._saves_on_errors = True

    def __enter__(self) -> Cassette:
        if self._cassette is not None:
            raise RuntimeError("this cassette is open already; call use_cassette() once more")
        merged = self._merged()
        if merged["path"] is None:
            raise TypeError("use_cassette() needs a path where it is not a decorator")
        cassette = Cassette(merged["placed"](merged["path"]), **merged["options"])
        cassette.load()
        self._saves_on_errors = bool(merged["record_on_exception"])
        self._undoing.enter_context(guest(CassetteGate(cassette)))
        self._cassette = cassette
        return cassette

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        cassette, self._cassette = self._cassette, None
        self._undoing.close()
        if cassette is not None and (error is None or self._saves_on_errors):
            cassette.save()

    def __call__(self, function: F) -> F:
        """Wrap *function*, so that each call of it is such a block."""
        around = self._around
        if inspect.isasyncgenfunction(function):
            return cast("F", generating(function, functools.partial(self._injecting, function)))
        if inspect.iscoroutinefunction(function):
            around = self._around_coroutine
        elif inspect.isgeneratorfunction(function):
            around = self._around_generator
        return cast("F", around(function))

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._of(function) as cassette:
                return function(*_injected(cassette), *args, **kwargs)

        return wrapped

    def _around_coroutine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._of(function) as cassette:
                return await function(*_injected(cassette), *args, **kwargs)

        return wrapped

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._of(function) as cassette:
                steps: Generator[Any, Any, Any] = function(*_injected(cassette), *args, **kwargs)
                return (yield from steps)

        return wrapped

    @asynccontextmanager
    async def _injecting(
        self, function: Callable[..., Any]
    ) -> AsyncGenerator[tuple[Cassette, ...]]:
        with self._of(function) as cassette:
            yield _injected(cassette)

    def _of(self, function: Callable[..., Any]) -> CassetteBlock:
        """Return a block for one call of *function*, which names the cassette if nobody else did."""

        def merged() -> Merged:
            told = self._merged()
            return told if told["path"] is not None else {**told, "path": told["named"](function)}

        return CassetteBlock(merged)


def _injected(cassette: Cassette) -> tuple[Cassette, ...]:
    return (cassette,) if cassette.inject else ()
