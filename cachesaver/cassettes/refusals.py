"""Errors of providers in a cassette: which are recorded, and whose turn it is when they are replayed.

An error is shown before the answer that its draw came to in the end, so that what tried again when it
was recorded tries again. That an SDK waits before it does so is told it not to (`hastened`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Response, Sample, without_headers
from cachesaver.locks import Lock
from cachesaver.ports import Run

__all__ = ["Refusals", "Statuses", "hastened", "statuses"]

Statuses = Callable[[int], bool]

_ERRORS: Final = range(400, 600)
_AT_ONCE: Final = ("retry-after-ms", "1")
"""Milliseconds. The SDKs that take it take no 0 for an answer."""


def statuses(given: bool | Iterable[int | str]) -> Statuses:  # noqa: FBT001  # that of users
    """Return what tells whether a status is recorded: all errors, none, or those of a list.

    Args:
        given: True, False, or statuses such as 429 or "5xx".

    Raises:
        ConfigurationError: One of them is none.
    """
    if isinstance(given, bool):
        return _ERRORS.__contains__ if given else _none
    if isinstance(given, str):
        given = (given,)
    found = frozenset(status for each in given for status in _meant(each))
    return found.__contains__


def _none(status: int) -> bool:
    del status
    return False


def _meant(given: int | str) -> Iterable[int]:
    text = str(given).lower()
    if text.endswith("xx") and text[:-2] in ("4", "5"):
        return range(int(text[0]) * 100, int(text[0]) * 100 + 100)
    if text.isdigit() and int(text) in _ERRORS:
        return (int(text),)
    raise ConfigurationError(
        f"record_errors={given!r} is no status of an error; write True, or a list such as [429, '5xx']."
    )


def hastened(response: Response) -> Response:
    """Return *response* so that an SDK tries again at once; no other header is touched."""
    return replace(response, headers=(*without_headers(response.headers, (_AT_ONCE[0],)), _AT_ONCE))


@dataclass(slots=True)
class _Course:
    """The errors that came to one draw before its answer; *index* is that of the answer, if any."""

    draw: str
    index: int | None
    errors: list[Response] = field(default_factory=list[Response])

    def at(self, turn: int) -> Response:
        """The error to be shown at *turn*: in haste, where what was recorded has tried again."""
        is_last = self.index is None and turn + 1 == len(self.errors)
        return self.errors[turn] if is_last else hastened(self.errors[turn])


class Refusals:
    """The errors of one question, in the order in which they came. Thread-safe.

    Args:
        errors: By arrival; `draw` says to whom.
        bought: The index of the answer that a draw came to; "" asks for what has no draws.
    """

    def __init__(self, errors: Sequence[Sample], bought: Mapping[str, int]) -> None:
        courses: dict[str, _Course] = {}
        for each in errors:
            course = courses.setdefault(each.draw, _Course(each.draw, bought.get(each.draw)))
            course.errors.append(each.response)
        self._courses = tuple(courses.values())
        self._turns: dict[tuple[Run | None, str], int] = {}
        self._claims: dict[tuple[Run | None, str], _Course] = {}
        self._promised: Counter[tuple[Run | None, str]] = Counter()
        self._left: dict[Run | None, set[int]] = {}
        self._lock = Lock()

    def of_draw(self, run: Run | None, draw: str) -> Callable[[], Response] | None:
        """Return what gives the next error of *draw*, which came to no answer; None: there is none."""
        found = (each for each in self._courses if each.index is None and each.draw == draw)
        return self._next(run, next(found, None))

    def of_index(self, run: Run | None, index: int) -> Callable[[], Response] | None:
        """Return what gives the next error before the answer *index*."""
        give = self._next(run, self._course(index))
        with self._lock:
            left = self._left.setdefault(run, set())
            (left.discard if give is None else left.add)(index)
        return give

    def left(self, run: Run) -> int | None:
        """Return the first answer that stands behind an error, and was not asked for again; once."""
        with self._lock:
            left = self._left.get(run) or set[int]()
            first = min(left, default=None)
            left.discard(-1 if first is None else first)
        return first

    def of_heir(self, run: Run, index: int) -> Callable[[], Response] | None:
        """Return what gives the next error before *index* that was promised to nobody, as `of_index`."""
        course = self._course(index)
        if course is None or self._promised[run, course.draw] >= len(course.errors):
            return None
        return self.of_index(run, index)

    def _course(self, index: int) -> _Course | None:
        return next((each for each in self._courses if each.index == index), None)

    def of_stranger(self, run: Run, draw: str) -> Callable[[], Response] | None:
        """Return what gives the next error for *draw*, which nothing was recorded for.

        It takes the part of the first that came to no answer, and that nobody has taken in *run*.
        """
        if any(each.draw == draw for each in self._courses):
            return None
        with self._lock:
            free = (
                each
                for each in self._courses
                if each.index is None and not self._is_taken(run, each)
            )
            claimed = self._claims.get((run, draw)) or next(free, None)
            if claimed is not None:
                self._claims[run, draw] = claimed
        return self._next(run, claimed)

    def _is_taken(self, run: Run, course: _Course) -> bool:
        return (run, course.draw) in self._turns or course in [
            each for (where, _), each in self._claims.items() if where == run
        ]

    def _next(self, run: Run | None, course: _Course | None) -> Callable[[], Response] | None:
        if course is None or self._turns.get((run, course.draw), 0) >= len(course.errors):
            return None
        with self._lock:
            self._promised[run, course.draw] += 1
        return partial(self._show, run, course)

    def _show(self, run: Run | None, course: _Course) -> Response:
        with self._lock:
            turn = min(self._turns.get((run, course.draw), 0), len(course.errors) - 1)
            self._turns[run, course.draw] = turn + 1
        return course.at(turn)
