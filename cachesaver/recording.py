"""`use_cassette`: a block, or a function, whose provider calls are answered from a cassette.

A cassette session is a session like any other, nested in whichever is installed, over a store that is
a file (cachesaver/cassettes).
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

from cachesaver.cassettes.files import remove
from cachesaver.cassettes.store import CassetteStore, Exhausted
from cachesaver.errors import ConfigurationError
from cachesaver.session import Session
from cachesaver.settings import Mode
from cachesaver.wiring import TRANSPORTS, install

__all__ = ["Cassette", "RecordMode", "use_cassette"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

SDKS: Final = ("openai", "anthropic", "google.genai", "cohere", "mistralai", "groq", "botocore")
"""Whose versions are noted beside those of the clients that are hooked."""


class RecordMode(StrEnum):
    """What is answered from the cassette, and what is recorded. The names are vcrpy's."""

    NONE = "none"
    """Answer from the cassette; what is not in it raises. Nothing is recorded."""
    ONCE = "once"
    """Record where there is no cassette yet; else as NONE."""
    NEW_EPISODES = "new_episodes"
    """Answer from the cassette, and record what is not in it."""
    ALL = "all"
    """Record everything anew; what is not asked stays."""
    REWRITE = "rewrite"
    """Forget the cassette, then record."""


def use_cassette(
    path: str | os.PathLike[str],
    *,
    record_mode: str | RecordMode | None = None,
    exhausted: str | Exhausted | None = None,
    **options: Any,
) -> Cassette:
    """Answer the provider calls of a block from the cassette at *path*.

    Used like::

        with cachesaver.use_cassette("tests/cassettes/greeting.cassette") as cassette:
            ...                                  # any SDK, any client, unchanged
        assert cassette.all_played

        @cachesaver.use_cassette("greeting.cassette", record_mode="none")
        async def test_greeting(): ...

    Args:
        path: Of the file.
        record_mode: One of `RecordMode`. Default: `CACHESAVER_RECORD_MODE`, else "once".
        exhausted: What happens when a question is asked more often than it was recorded: "error"
            (the default where nothing is recorded), "cycle", "last", or "extend" (the default where
            something is).
        options: As of `cachesaver.install`: hosts, match, ignore, blank, aliases, through_mocks,
            window, pace ...

    Raises:
        ConfigurationError: An option cannot be. Raised here, not when the block begins.
    """
    mode = _mode(record_mode)
    return Cassette(Path(path), mode, _exhausted(exhausted, mode), options)


class Cassette:
    """A block over a cassette; may be entered again, but not while it is.

    Attributes:
        path: Of the file.
        record_mode: See `RecordMode`.
        session: While the block lasts, and after it.
        store: What the file holds.
    """

    session: Session
    store: CassetteStore

    def __init__(
        self, path: Path, mode: RecordMode, exhausted: Exhausted, options: Mapping[str, Any]
    ) -> None:
        self.path = path
        self.record_mode = mode
        self._exhausted = exhausted
        self._options: dict[str, Any] = {"quiet": True, "namespace": "cassette", **options}

    def __repr__(self) -> str:
        return f"<Cassette {str(self.path)!r} [{self.record_mode}]>"

    def __enter__(self) -> Self:
        if self.record_mode is RecordMode.REWRITE:
            remove(self.path)
        records = self.record_mode is not RecordMode.NONE and not self._is_recorded()
        if self._exhausted is Exhausted.EXTEND and not records:
            self._exhausted = Exhausted.ERROR
        self.store = CassetteStore(
            self.path,
            exhausted=self._exhausted,
            anew=self.record_mode is RecordMode.ALL,
            clients=_versions,
        )
        mode = Mode.CACHE if records else Mode.REPLAY
        self.session = install(store=self.store, mode=mode, **self._options)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.session.uninstall()
        finally:
            self.store.close()

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Wrap *function*, which may be a coroutine function, so that each call is such a block."""
        if inspect.iscoroutinefunction(function):
            return cast("Callable[_P, _R]", self._around(function))

        @functools.wraps(function)
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self._again():
                return function(*args, **kwargs)

        return wrapped

    @property
    def all_played(self) -> bool:
        """Whether every answer that was recorded before was given."""
        return not self.store.unused

    def _around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return await function(*args, **kwargs)

        return wrapped

    def _again(self) -> Cassette:
        return Cassette(self.path, self.record_mode, self._exhausted, self._options)

    def _is_recorded(self) -> bool:
        return self.record_mode is RecordMode.ONCE and self.path.exists()


def _mode(given: str | RecordMode | None) -> RecordMode:
    asked = given or os.environ.get("CACHESAVER_RECORD_MODE") or RecordMode.ONCE
    try:
        return RecordMode(asked)
    except ValueError:
        known = ", ".join(RecordMode)
        raise ConfigurationError(
            f"no record mode is called {asked!r}; write one of {known}."
        ) from None


def _exhausted(given: str | Exhausted | None, mode: RecordMode) -> Exhausted:
    if given is None:
        return Exhausted.ERROR if mode is RecordMode.NONE else Exhausted.EXTEND
    try:
        asked = Exhausted(given)
    except ValueError:
        known = ", ".join(Exhausted)
        raise ConfigurationError(f"exhausted={given!r} is unknown; write one of {known}.") from None
    if asked is Exhausted.EXTEND and mode is RecordMode.NONE:
        raise ConfigurationError(
            "record_mode='none' records nothing, so exhausted='extend' cannot be; "
            "write record_mode='new_episodes', or another word for exhausted."
        )
    if asked is Exhausted.ERROR and mode is not RecordMode.NONE and mode is not RecordMode.ONCE:
        raise ConfigurationError(
            f"record_mode={str(mode)!r} records what is not there, so exhausted='error' cannot be; "
            "write record_mode='none', or leave exhausted out."
        )
    return asked


def _versions() -> dict[str, str]:
    """Return the versions of the clients and SDKs that this program has imported."""
    loaded = ((name, sys.modules.get(name)) for name in (*TRANSPORTS, *SDKS))
    return {
        name: version
        for name, module in loaded
        if isinstance(version := getattr(module, "__version__", None), str)
    }
