"""What a program says about a stretch of its own code: its namespace, a name for its draws."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from cachesaver.contexts import NAMESPACE, REQUEST_ID
from cachesaver.errors import ConfigurationError

__all__ = ["Scope", "namespace", "request_id"]

P = ParamSpec("P")
T = TypeVar("T")


_ENTERED: ContextVar[tuple[Token[Any], ...]] = ContextVar("cachesaver_entered", default=())
"""What undoes the scopes that this context is in, the innermost last."""


class Scope:
    """Sets a context variable inside a `with` block, or inside every call of a function it decorates.

    May be entered again and again, inside itself and by several tasks and threads at a time.
    """

    def __init__(self, variable: ContextVar[Any], value: str) -> None:
        self._variable = variable
        self._value = value

    def __repr__(self) -> str:
        return f"<Scope {self._variable.name}={self._value!r}>"

    def __enter__(self) -> Self:
        _ENTERED.set((*_ENTERED.get(), self._variable.set(self._value)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        *outer, token = _ENTERED.get()
        _ENTERED.set(tuple(outer))
        self._variable.reset(token)

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Return *function*, plain or `async`, with every call inside a scope of its own.

        Raises:
            ConfigurationError: It is a generator, whose caller would run inside the scope too.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{function.__qualname__} is a generator: its caller would run inside the scope too. "
                "Put the with statement into its body instead, around the calls"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaiting(*args: P.args, **kwargs: P.kwargs) -> Any:
                with Scope(self._variable, self._value):
                    return await function(*args, **kwargs)

            return cast("Callable[P, T]", awaiting)

        @functools.wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> T:
            with Scope(self._variable, self._value):
                return function(*args, **kwargs)

        return calling


def namespace(name: str) -> Scope:
    """Draw in the namespace *name* inside a block or a function, and in tasks started from there.

    Used like::

        with cachesaver.namespace("ablation-2"):
            ...  # calls made here, and in tasks started here, draw in it

        @cachesaver.namespace("ablation-2")
        async def solve(puzzle): ...

    Raises:
        ConfigurationError: *name* is not a non-empty text.
    """
    return Scope(NAMESPACE, _text(name, "a namespace"))


def request_id(name: str) -> Scope:
    """Name the draws made inside a block or a function by *name* instead of by their causes.

    The second draw of one question under one name is the next ordinal of that name, so loops and
    retries stay distinct. The header `x-cachesaver-request-id` on a call does the same for it.

    Used like::

        with cachesaver.request_id("agent-3/step-2"):
            ...  # the call

    Raises:
        ConfigurationError: *name* is not a non-empty text.
    """
    return Scope(REQUEST_ID, _text(name, "a request id"))


def _text(name: object, what: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what} must be a non-empty text, not {name!r}")
    return name
