"""`use_cassette`: a block, or a function, whose provider calls are answered from a cassette.

A cassette session is a session like any other, nested in whichever is installed, over a store that is
a file (cachesaver/cassettes).
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import os
import sys
import time
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar, cast

from cachesaver.cassettes.ages import CassetteExpiredWarning, OnExpiry, age, is_expired, told
from cachesaver.cassettes.files import forget, holds
from cachesaver.cassettes.format import Document
from cachesaver.cassettes.modes import RecordMode, one_of
from cachesaver.cassettes.modes import exhausted as how_exhausted
from cachesaver.cassettes.modes import record_mode as which_mode
from cachesaver.cassettes.refusals import Statuses, statuses
from cachesaver.cassettes.store import CassetteStore, Exhausted
from cachesaver.cassettes.verifying import VerifyingStore
from cachesaver.errors import CassetteDriftError, CassetteError, ConfigurationError
from cachesaver.generating import generating
from cachesaver.session import Session
from cachesaver.settings import Mode, settings
from cachesaver.sleeping import until_done
from cachesaver.wiring import TRANSPORTS, block

__all__ = ["Cassette", "CassetteExpiredWarning", "OnExpiry", "RecordMode", "use_cassette"]

_P = ParamSpec("_P")
_R = TypeVar("_R")

_NO_ERRORS: Final = statuses(given=False)

OPENED: Final = dict[str, float]()
"""The paths of all cassettes that were opened in this process, and when last, by `time.monotonic`."""

SDKS: Final = ("openai", "anthropic", "google.genai", "cohere", "mistralai", "groq", "botocore")
"""Whose versions are noted beside those of the clients that are hooked."""


def use_cassette(
    path: str | os.PathLike[str],
    *,
    record_mode: str | RecordMode | None = None,
    exhausted: str | Exhausted | None = None,
    record_errors: bool | Iterable[int | str] = False,
    max_age: str | timedelta | None = None,
    on_expiry: str | OnExpiry = OnExpiry.WARN,
    **options: Any,
) -> Cassette:
    """Answer the provider calls of a block from the cassette at *path*.

    Used like::

        with cachesaver.use_cassette("tests/cassettes/greeting.cassette") as cassette:
            ...                                  # any SDK, any client, unchanged
        assert cassette.all_played

        @cachesaver.use_cassette("greeting.cassette", record_mode="none")
        async def test_greeting(): ...       # or a generator, such as a fixture

        async def greet():                       # on an event loop
            async with cachesaver.use_cassette("greeting.cassette"): ...

    Of blocks that are open at once, in tasks or threads, each answers what is asked in it, and in what is
    started in it. What stands in no block is answered by whatever was opened last; while one of them
    replays, by that.

    Args:
        path: Of the file.
        record_mode: One of `RecordMode`. Default: `CACHESAVER_RECORD_MODE`, else "once".
        exhausted: What happens when a question is asked more often than it was recorded: "error"
            (the default where nothing is recorded), "cycle", "last", or "extend" (the default where
            something is).
        record_errors: Which errors of the provider are recorded too: True for all of them, or a list of
            statuses such as `[429, "5xx"]`. What was recorded is replayed in any case, before the answer
            that came after it.
        max_age: How old an answer may be, such as "30d" (s, m, h, d, w). Default: as old as it likes.
        on_expiry: What happens to a cassette that has an older one: "warn" (`CassetteExpiredWarning`),
            "fail" (`CassetteError`), or "rerecord": its questions that are too old are recorded anew,
            in "once" those only; where nothing may be recorded, that warns.
        options: As of `cachesaver.install`: hosts, match, ignore, blank, aliases, through_mocks,
            window, pace ...

    Raises:
        ConfigurationError: An option cannot be. Raised here, not when the block begins.
    """
    mode = which_mode(record_mode)
    settings(**options)  # what cannot be is told before anything recorded is forgotten
    return Cassette(
        Path(path),
        mode,
        how_exhausted(exhausted, mode),
        options,
        errors=statuses(record_errors),
        max_age=None if max_age is None else age(max_age),
        on_expiry=one_of(OnExpiry, "on_expiry", on_expiry),
    )


class Cassette:
    """A block over a cassette; may be entered again, but not while it is.

    Attributes:
        path: Of the file.
        record_mode: See `RecordMode`.
        session: While the block lasts, and after it.
        store: What the file holds.
        since: When the run of tests began that this block is a part of: what was recorded after that,
            by other blocks or processes, is of the same recording. None: this block is all of it.
    """

    session: Session
    store: CassetteStore
    since: datetime | None = None

    def __init__(  # noqa: PLR0913  # what `use_cassette` takes, understood
        self,
        path: Path,
        mode: RecordMode,
        exhausted: Exhausted,
        options: Mapping[str, Any],
        *,
        errors: Statuses = _NO_ERRORS,
        max_age: timedelta | None = None,
        on_expiry: OnExpiry = OnExpiry.WARN,
    ) -> None:
        self.path = path
        self.record_mode = mode
        self._exhausted = exhausted
        self._errors = errors
        self._max_age = max_age
        self._on_expiry = on_expiry
        self._is_open = False
        self._options: dict[str, Any] = {"quiet": True, "namespace": "cassette", **options}

    def __repr__(self) -> str:
        return f"<Cassette {str(self.path)!r} [{self.record_mode}]>"

    def __enter__(self) -> Self:
        self._begin()
        self.session.__enter__()
        return self

    async def __aenter__(self) -> Self:
        """Do as `with` does, and touch no file on the event loop's thread."""
        await _aside(self._begin, undo=self._end)
        self.session.__enter__()
        return self

    def _begin(self) -> None:
        if self._is_open:
            raise ConfigurationError(
                f"the cassette {self.path} is open in another block: give each a use_cassette of its own"
            )
        if self.record_mode is RecordMode.REWRITE:
            forget(self.path, self.since or datetime.now(UTC))
        records = self.record_mode is not RecordMode.NONE and not self._is_recorded()
        path = os.path.abspath(self.path)  # noqa: PTH100  # links are followed by who asks
        OPENED[path] = time.monotonic()
        self.store = self._opened(records=records)
        self._is_told = False
        self._heed_age()
        mode = Mode.CACHE if records or self.store.outdated else Mode.REPLAY
        self.session = block(store=self.store, mode=mode, **self._options)
        self._is_open = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._tell(error)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await _aside(self._end)
        self._tell(error)

    def _end(self) -> None:
        self._is_open = False
        try:
            self.session.uninstall()
        finally:
            self.store.close()

    def _tell(self, error: BaseException | None) -> None:
        if not self._is_told and (drift := self.drift()) is not None:
            if error is None:
                raise drift
            error.add_note(str(drift))

    def drift(self) -> CassetteDriftError | None:
        """Return what is raised at the end of the block by `record_mode="verify"`, if nothing else is.

        Whoever asks has been told, and it is not raised again.
        """
        if not isinstance(self.store, VerifyingStore) or not (found := self.store.drift):
            return None
        self._is_told = True
        return CassetteDriftError(tuple(map(str, found)), location=str(self.path))

    def _opened(self, *, records: bool) -> CassetteStore:
        if self.record_mode is RecordMode.VERIFY:
            return VerifyingStore(self.path)
        # Of what is not recorded here nothing can be bought when it is exhausted.
        extends = self._exhausted is Exhausted.EXTEND and not records
        exhausted = Exhausted.ERROR if extends else self._exhausted
        return CassetteStore(
            self.path,
            exhausted=exhausted,
            errors=self._errors,
            anew=self._is_renewed,
            renews=not records,
            since=self.since,
            clients=_versions,
        )

    def _is_renewed(self, document: Document) -> bool:
        if self.record_mode is RecordMode.ALL:
            return True
        renews = self._on_expiry is OnExpiry.RERECORD and self.record_mode is not RecordMode.NONE
        return renews and self._is_expired(document)

    def _is_expired(self, document: Document) -> bool:
        return self._max_age is not None and is_expired(document, datetime.now(UTC) - self._max_age)

    def _heed_age(self) -> None:
        """Say what has to be said of answers that are given, and are older than they may be."""
        expired = [each for each in self.store.documents if self._is_expired(each)]
        if not expired or self._max_age is None:
            return
        message = told(expired, str(self.path), self._max_age)
        if self._on_expiry is OnExpiry.FAIL:
            raise CassetteError(message, location=str(self.path))
        warnings.warn(message, CassetteExpiredWarning, stacklevel=3)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Wrap *function*, coroutine function or generator function, so that each call is such a block."""
        if inspect.isasyncgenfunction(function):
            return cast("Callable[_P, _R]", generating(function, self._given_to_nobody))
        if inspect.iscoroutinefunction(function):
            return cast("Callable[_P, _R]", self._around(function))
        if inspect.isgeneratorfunction(function):
            return cast("Callable[_P, _R]", self._around_generator(function))

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
            async with self._again():
                return await function(*args, **kwargs)

        return wrapped

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                steps: Generator[Any, Any, Any] = function(*args, **kwargs)
                return (yield from steps)

        return wrapped

    @contextlib.asynccontextmanager
    async def _given_to_nobody(self) -> AsyncGenerator[tuple[()]]:
        async with self._again():
            yield ()

    def _again(self) -> Cassette:
        return Cassette(
            self.path,
            self.record_mode,
            self._exhausted,
            self._options,
            errors=self._errors,
            max_age=self._max_age,
            on_expiry=self._on_expiry,
        )

    def _is_recorded(self) -> bool:
        """Tell whether there was a cassette before this recording, and no more than that is wanted."""
        if self.record_mode is not RecordMode.ONCE or not self.path.exists():
            return False
        return self.since is None or holds(self.path, self.since)


def _nothing() -> None:
    """There is nothing to undo."""


async def _aside(work: Callable[[], None], undo: Callable[[], None] = _nothing) -> None:
    """Do *work* in a thread of its own, and wait for it; where that is cancelled, *undo* it then."""

    def undone(ended: Future[None]) -> None:
        if ended.exception() is None:
            undo()

    pool = ThreadPoolExecutor(1, "cachesaver-cassette")
    done = pool.submit(contextvars.copy_context().run, work)
    pool.shutdown(wait=False)  # the thread ends when it has done that
    try:
        await until_done(done)
    except BaseException:
        done.add_done_callback(undone)
        raise
    done.result()


def _versions() -> dict[str, str]:
    """Return the versions of the clients and SDKs that this program has imported."""
    loaded = ((name, sys.modules.get(name)) for name in (*TRANSPORTS, *SDKS))
    return {
        name: version
        for name, module in loaded
        if isinstance(version := getattr(module, "__version__", None), str)
    }
