"""What the pipeline wants done outside: frozen values, carried out by an engine.

`result = yield from Effect(...)` has the type the effect promises. `run` drives steps that touch no
client and may be performed blocking or not by the same function; the engine has the async twin.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from cachesaver.exchange import AsyncReply, Reply, Request, Response, Sample
from cachesaver.ports import Grant, Policy, Run

__all__ = ["Acquire", "Effect", "Fill", "Poll", "Read", "Release", "Send", "Steps", "Wait"]

T = TypeVar("T")
Steps = Generator["Effect[Any]", Any, T]
"""A computation that yields effects, is sent their results, and returns a T."""


class Effect(Generic[T]):
    """Something to be done outside."""

    __slots__ = ()

    def __iter__(self) -> Generator[Effect[Any], T, T]:
        """Ask for it and give its result."""
        return (yield self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquire(Effect[tuple[Grant, ...]]):
    """Assign an index to each draw (`Store.acquire`)."""

    run: Run
    fingerprint: str
    draws: Sequence[str]
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Effect[bool]):
    """Wait until a slot in flight may have changed; False when waiting here could never end."""

    fingerprint: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll(Effect[Grant]):
    """Ask again for a slot that was in flight (`Store.poll`)."""

    run: Run
    fingerprint: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Effect["Reply | AsyncReply"]):
    """Send a request for real; the reply's body is still on its way."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Effect[Response]):
    """Read a reply to its end and give its connection back."""

    reply: Reply | AsyncReply


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(Effect[Sample]):
    """Store a sample; done once it is on disk, and gives what the slot holds (`Store.fill`)."""

    run: Run
    fingerprint: str
    index: int
    token: str
    sample: Sample
    question: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Effect[None]):
    """Give up a lease (`Store.release`)."""

    run: Run
    fingerprint: str
    index: int
    token: str
