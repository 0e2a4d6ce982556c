"""What a program says about a stretch of its own code: its namespace, a name for its draws."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from cachesaver.contexts import NAMESPACE, REPLICATE, REQUEST_ID, checked_replicate
from cachesaver.errors import ConfigurationError

__all__ = ["Scope", "namespace", "request_id"]

P = ParamSpec("P")
T = TypeVar("T")


_ENTERED: ContextVar[tuple[tuple[Token[Any], ...], ...]] = ContextVar(
    "cachesaver_entered", default=()
)
"""What undoes the scopes that this context is in, the innermost last."""


class Scope:
    """Sets context variables inside a `with` block, or inside every call of a function it decorates.

    May be entered again and again, inside itself and by several tasks and threads at a time.
    """

    def __init__(self, values: Mapping[ContextVar[Any], object]) -> None:
        self._values = values

    def __repr__(self) -> str:
        said = " ".join(f"{variable.name}={value!r}" for variable, value in self._values.items())
        return f"<Scope {said}>"

    def __enter__(self) -> Self:
        tokens = tuple(variable.set(value) for variable, value in self._values.items())
        _ENTERED.set((*_ENTERED.get(), tokens))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        *outer, tokens = _ENTERED.get()
        _ENTERED.set(tuple(outer))
        for token in tokens:
            token.var.reset(token)

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
                with Scope(self._values):
                    return await function(*args, **kwargs)

            return cast("Callable[P, T]", awaiting)

        @functools.wraps(function)
        def calling(*args: P.args, **kwargs: P.kwargs) -> T:
            with Scope(self._values):
                return function(*args, **kwargs)

        return calling


def namespace(name: str, *, replicate: int | None = None) -> Scope:
    """Draw in the namespace *name* inside a block or a function, and in tasks started from there.

    With *replicate*, a number from 0, in that replicate of it; without, in the one around.

    Used like::

        with cachesaver.namespace("ablation-2"):
            ...  # calls made here, and in tasks started here, draw in it

        @cachesaver.namespace("ablation-2")
        async def solve(puzzle): ...

        for number in range(5):
            with cachesaver.namespace("ablation-2", replicate=number):
                ...  # no sample of one replicate is given to another

    Raises:
        ConfigurationError: *name* is not a non-empty text, or *replicate* no whole number from 0.
    """
    values: dict[ContextVar[Any], object] = {NAMESPACE: _text(name, "a namespace")}
    if replicate is not None:
        values[REPLICATE] = checked_replicate(replicate)
    return Scope(values)


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
    return Scope({REQUEST_ID: _text(name, "a request id")})


def _text(name: object, what: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what} must be a non-empty text, not {name!r}")
    return name
