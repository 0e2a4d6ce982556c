"""What is done with every SDK, column by column; without us, with us, and once more from the store.

A program returns what it saw, as JSON. What must have come of it, `matrix.judge` says.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import cachesaver
from matrix.provider import Provider
from matrix.ways import Calls, Way, opened

__all__ = ["Stage", "cancel", "cold", "error", "stream", "timeout"]

HASTE = 0.3
"""Seconds that a call has which is to run out of time."""

BUSY = 5
"""Seconds after which what should be over at once is late, on a machine that has much to do."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a program runs.

    Attributes:
        calls: A client that has time.
        way: Whose.
        provider: That it asks.
        session: Ours; None where we are not installed.
    """

    calls: Calls
    way: Way
    provider: Provider
    session: cachesaver.Session | None

    def stored(self) -> int:
        """Return how many samples the store has."""
        return 0 if self.session is None else self.session.store.summary().samples

    def elsewhere(self) -> Any:
        """Return a context in which draws are those of another namespace."""
        return nullcontext() if self.session is None else cachesaver.namespace("elsewhere")

    def ask(self, topic: str) -> Any:
        return self.way.dumped(self.calls.ask(topic))

    def stream(self, topic: str) -> list[Any]:
        return [self.way.dumped(piece) for piece in self.calls.stream(topic)]

    def met(self, kind: str, act: Callable[[], object]) -> dict[str, Any]:
        """Return what *act* raises, and whether it is the SDK's own exception for *kind*.

        `stored`: how many samples were kept of it.
        """
        before, begun = self.stored(), time.perf_counter()
        try:
            act()
        except Exception as error:  # noqa: BLE001  # told to the judge
            raised = [f"{c.__module__}.{c.__qualname__}" for c in type(error).__mro__]
            said = {
                "raised": raised[0],
                "own": isinstance(error, self.way.raises[kind]),
                "told": str(error),
            }
        else:
            said = {"raised": "nothing", "own": False, "told": ""}
        gc.collect()
        said |= {"stored": self.stored() - before}
        return said | {"hasty": time.perf_counter() - begun < HASTE + BUSY}

    def retried(self, topic: str) -> dict[str, Any]:
        """Ask again what has failed. `once`: by one call, whose answer is stored."""
        before, calls = self.stored(), self.provider.calls()
        said = self.ask(topic)
        kept = (self.stored() - before, self.provider.calls() - calls)
        return {"said": said, "once": self.session is None or kept == (1, 1)}

    def redrawn(self, topic: str) -> dict[str, Any]:
        """Do the same. `first`: it was the same draw again, so that others get it for their first."""
        told = self.retried(topic)
        if self.session is None:
            return told | {"first": True}
        calls = self.provider.calls()
        with self.elsewhere():
            first = self.ask(topic) == told["said"] and self.provider.calls() == calls
        return told | {"first": first}


def cold(stage: Stage) -> Any:
    """Two answers to one question."""
    return [stage.ask("cold"), stage.ask("cold")]


def stream(stage: Stage) -> Any:
    """A stream; and, where we are, one of a sample that was recorded whole."""
    if stage.way.stream is None:
        return None
    told = {"pieces": stage.stream("streamed")}
    if stage.session is None:
        return told
    whole = stage.way.text(stage.calls.ask("whole"))
    with stage.elsewhere():
        pieces = stage.calls.stream("whole")
    return told | {"whole": whole, "crossed": stage.way.texts(pieces)}


def error(stage: Stage) -> Any:
    """The provider refuses, and fails; then it answers."""
    told = dict[str, Any]()
    for status in ("400", "500"):
        stage.provider.fault(f"{status};times=1")
        told[status] = stage.met(status, lambda: stage.calls.ask(f"error {status}"))  # noqa: B023
        told[f"{status}, retried"] = stage.redrawn(f"error {status}")
    return told


def timeout(stage: Stage) -> Any:
    """The provider says nothing, or stops in the middle of a stream; then it answers."""
    with opened(stage.way, stage.provider.url, HASTE) as hasty:
        stage.provider.fault("hang;times=1")
        told = {"timeout": stage.met("timeout", lambda: hasty.ask("late"))}
        if stage.way.stream is not None:
            stage.provider.fault(f"hang;after={stage.way.after};times=1")
            kind = "stalled" if "stalled" in stage.way.raises else "timeout"
            told["stalled"] = stage.met(kind, lambda: hasty.stream("stalled"))
    told["timeout, retried"] = stage.redrawn("late")
    if stage.way.stream is not None:
        told["stalled, retried"] = stage.redrawn("stalled")
    return told


def cancel(stage: Stage) -> Any:
    """A task is cancelled while the provider is silent; a stream is left after a piece of it."""
    told = dict[str, Any]()
    if stage.way.waits:
        told["cancelled"] = _cancelled(stage)
        # A draw of its own, for it is asked by another task; the call that was left may still answer.
        told["cancelled, retried"] = stage.retried("cancelled")
    if stage.way.stream is not None:
        told["left"] = _left(stage)
        told["left, retried"] = stage.redrawn("left")
    return told


def _cancelled(stage: Stage) -> Any:
    before, stored = stage.provider.calls(), stage.stored()
    stage.provider.fault("hang;times=1")
    raised = stage.calls.cancel("cancelled", lambda: stage.provider.calls() > before)
    return {"raised": raised, "stored": stage.stored() - stored}


def _left(stage: Stage) -> Any:
    stored, begun = stage.stored(), time.perf_counter()
    stage.provider.fault(f"hang;after={stage.way.after};times=1")
    stage.calls.leave("left")
    gc.collect()
    return {"stored": stage.stored() - stored, "hasty": time.perf_counter() - begun < BUSY}
