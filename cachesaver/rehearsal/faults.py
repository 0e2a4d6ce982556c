"""Things that go wrong on demand.

A fault is spelt `KIND` or `KIND;OPTION=NUMBER;…`:

    429, 500, 529, …    an error answer with that status, in the provider's own form
    cut-stream          the connection breaks after `after` pieces of the answer (default 2)
    error-event         after `after` pieces, the stream says that something went wrong, and ends
    slow-head           the answer begins `seconds` later (default 1)
    hang                no answer, ever; with `after`, silence after so many pieces
    refuse-many         status 400 to who asks for more than `most` samples (default 1)
    few                 `most` samples (default 1), however many are asked for

Options: `times` (how many requests it hits; without it, every one), `after`, `seconds`, `most`,
`retry-after` (of an error answer, in seconds).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.values import RejectedError, digest

__all__ = ["HEADER", "NO_FAULT", "Fault", "Faults"]

HEADER = "x-rehearsal-fault"

_KINDS = frozenset({"cut-stream", "error-event", "slow-head", "hang", "refuse-many", "few"})
_OPTIONS = frozenset({"times", "after", "seconds", "retry-after", "most"})

_MESSAGES: Mapping[int, str] = MappingProxyType(
    {
        401: "Incorrect API key provided.",
        404: "The model does not exist or you do not have access to it.",
        429: "Rate limit reached for requests.",
        500: "The server had an error while processing your request.",
        503: "The engine is currently overloaded, please try again later.",
        529: "Overloaded",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        status: Of an error answer; 0 for the other kinds.
        kind: One of the words above; empty for an error answer, and for no fault at all.
        times: How many requests it hits; None for every one.
        after: Pieces of the body that still go out; None where the kind's default holds.
        most: Samples that one request gets, or may ask for.
    """

    status: int = 0
    kind: str = ""
    times: int | None = None
    after: int | None = None
    seconds: float = 1.0
    most: int = 1
    retry_after: float | None = None

    @classmethod
    def parse(cls, spelling: str) -> Fault:
        """Return the fault spelt *spelling*.

        Raises:
            RejectedError: It is spelt otherwise.
        """
        kind, *rest = (part.strip() for part in spelling.split(";"))
        options: dict[str, Any] = dict(part.split("=", 1) for part in rest if "=" in part)
        message = f"{spelling!r} is no fault; such are 429;times=2, cut-stream;after=3, hang"
        known = kind in _KINDS or re.fullmatch(r"[45]\d\d", kind)
        if not known or len(options) != len(rest) or not options.keys() <= _OPTIONS:
            raise RejectedError(400, message)
        try:
            return cls(
                status=int(kind) if kind.isdecimal() else 0,
                kind="" if kind.isdecimal() else kind,
                times=_maybe(int, options.get("times")),
                after=_maybe(int, options.get("after")),
                seconds=float(options.get("seconds", 1.0)),
                most=int(options.get("most", 1)),
                retry_after=_maybe(float, options.get("retry-after")),
            )
        except ValueError:
            raise RejectedError(400, message) from None

    @property
    def pieces(self) -> int | None:
        """How many pieces of the body go out before it strikes; None for all."""
        if self.kind in {"cut-stream", "error-event"}:
            return 2 if self.after is None else self.after
        return self.after if self.kind == "hang" else None

    def granted(self, count: int) -> int:
        """Return how many samples a request for *count* of them gets.

        Raises:
            RejectedError: It asked for too many.
        """
        if self.kind == "refuse-many" and count > self.most:
            raise RejectedError(400, f"This model gives {self.most} at a time, not {count}.")
        return min(count, self.most) if self.kind == "few" else count

    def error(self, status: int = 0) -> RejectedError:
        """Return the error answer it is, or the one its event stands for."""
        code = self.status or status or 500
        wait = self.retry_after if self.retry_after is not None else 1.0
        return RejectedError(
            code,
            _MESSAGES.get(code, f"A rehearsed error with status {code}."),
            retry_after=wait if code in {429, 503, 529} else self.retry_after,
        )


NO_FAULT = Fault()


def _maybe(kind: Callable[[str], Any], text: str | None) -> Any:
    return None if text is None else kind(text)


@dataclass(slots=True)
class Faults:
    """Which request is hit: by a header of its own, by the control endpoint's list, or by chance."""

    seed: int = 0
    overload: float = 0.0
    """Share of requests, 0 to 1, that meet an overloaded provider."""
    _listed: list[tuple[str, Fault]] = field(default_factory=list[tuple[str, Fault]])
    _spent: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        if not 0 <= self.overload <= 1:
            raise ConfigurationError(f"overload={self.overload} is no share; say 0 to 1")

    def plan(self, spelling: str, *, endpoint: str = "") -> None:
        """Let a fault hit the requests to come, of *endpoint* only (such as `openai.chat`) if given."""
        self._listed.append((endpoint, Fault.parse(spelling)))

    def strike(
        self, header: str | None, *, endpoint: str, question: str, overloaded: int = 503
    ) -> Fault:
        """Return what goes wrong with this request; `NO_FAULT` when nothing does.

        Args:
            header: Value of the request's own fault header, if it has one.
            endpoint: Such as `openai.chat`.
            question: Digest of what is asked; a header's `times` counts per question.
            overloaded: Status of this provider's answer when it has too much to do.

        Raises:
            RejectedError: *header* is no fault.
        """
        if header is not None:
            return self._spend(Fault.parse(header), f"{header} {question}")
        for place, (wanted, fault) in enumerate(self._listed):
            if wanted in {"", endpoint}:
                struck = self._spend(fault, f"listed {place}")
                if struck is not NO_FAULT:
                    return struck
        return Fault(status=overloaded) if self._overloaded(question) else NO_FAULT

    def _overloaded(self, question: str) -> bool:
        if not self.overload:
            return False
        self._spent[question] += 1
        rng = Random(digest(self.seed, question, self._spent[question]))  # noqa: S311  # reproducible
        return rng.random() < self.overload

    def _spend(self, fault: Fault, key: str) -> Fault:
        self._spent[key] += 1
        return fault if fault.times is None or self._spent[key] <= fault.times else NO_FAULT

    def reset(self) -> None:
        """Forget everything that was planned."""
        self._listed.clear()
        self._spent.clear()
