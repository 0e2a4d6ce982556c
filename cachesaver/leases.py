"""The leases of this process, from the grant that gave them to the fill or the release that ends them.

No lease may stay ours that nobody works for: others would wait for its slot. A store that fails is
told of, but what was bought is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cachesaver import sleeping
from cachesaver.contexts import current_context
from cachesaver.effects import Fill, Keep, Note, Release
from cachesaver.errors import StoreError
from cachesaver.exchange import Sample
from cachesaver.flights import Flights
from cachesaver.locks import when_free
from cachesaver.ports import Grant, Run, Store
from cachesaver.sending import Line

__all__ = ["Leases"]

_GRACE = 1.0
"""Seconds after which a lease whose caller has gone is looked at again, while others wait for its call."""

_USUAL = 0.5
"""Seconds that a call takes, while none has been seen to end."""

_TWICE = 2.0
"""A call whose caller was cancelled is waited for by others until it has lasted twice as long as calls
do: it may be about to answer, or its caller may have gone because it hangs."""

_FADING = 0.9
"""What is left, with each call, of how long an earlier one took."""


@dataclass(slots=True, kw_only=True, eq=False)
class Leases:
    """The leases that one engine holds.

    Attributes:
        store: Where samples are.
        flights: Over the store; each lease is one.
        complain: Told of a store that failed to keep or to free what was bought; raises if it should.
        held: By its token, what would give up each lease that is ours.
        owed: Leases that the store failed to give up.
    """

    store: Store
    flights: Flights
    complain: Callable[[StoreError], None]
    held: dict[str, Release] = field(default_factory=dict[str, Release])
    owed: list[Release] = field(default_factory=list[Release])
    _longest: float = 0.0
    """Seconds that calls took of late; 0 while none has ended."""

    def lead(self, run: Run, fingerprint: str, grant: Grant, line: Line[Any], loop: object) -> None:
        """Hold the lease of *grant*, through *line*, for this thread or its event loop *loop*."""
        slot = (fingerprint, grant.index)
        self.held[grant.token] = Release(
            run=run, fingerprint=fingerprint, index=grant.index, token=grant.token
        )
        self.flights.start(slot, loop, None if loop is None else current_context())
        line.leases[grant.token] = slot

    def release(self, effect: Release) -> None:
        """Give up a lease. A store that fails must not hide why: a client's error, a cancellation."""
        if self.held.pop(effect.token, None) is None:
            return  # it is filled, or given up already
        error = self._give_up(effect)
        self.flights.land((effect.fingerprint, effect.index))
        if error is not None:
            self.complain(error)

    def release_all(self) -> None:
        """Give up every lease still held."""
        for release in tuple(self.held.values()):
            self.release(release)

    def release_owed(self) -> None:
        """Give up what the store failed to give up, as far as it can now."""
        owed, self.owed = self.owed, []
        while owed and self._give_up(owed.pop()) is None:
            pass  # the next one will fail as this one did
        self.owed += owed

    def lasted(self, seconds: float) -> None:
        """Note how long a call took."""
        self._longest = max(seconds, self._longest * _FADING)

    def release_later(self, line: Line[Any], lasted: float) -> None:
        """Give the leases of *line* up in time, whose caller has gone; a late answer is kept.

        Whoever asks again waits for the call, which has *lasted* so many seconds, for as long as
        calls take and no longer: its caller may have gone because it hangs. Others whose draws are
        in it may wait for it.
        """
        self._release_after(self._patience(lasted), line)

    def _patience(self, lasted: float) -> float:
        """Return for how much longer a call is worth waiting for whose caller has gone."""
        usual = self._longest or _USUAL
        return max(0.0, usual * _TWICE - lasted)

    def _release_after(self, patience: float, line: Line[Any]) -> None:
        def let_go() -> None:
            if any(errand.waiting for errand in line.errands):
                self._release_after(max(patience, _GRACE), line)
                return
            for token in tuple(line.leases):
                if token in self.held:
                    self.release(self.held[token])

        if sleeping.has_loop():
            sleeping.later(patience, let_go)
        else:  # the loop has ended, and the call with it
            when_free(let_go)

    def fill(self, effect: Fill | Keep | Note) -> list[Future[Sample]]:
        """Hand what was bought to the store; see `kept` when all that this gives is done."""
        if isinstance(effect, Note):
            return [_note(effect)]
        return [self._fill(each) for each in _fills(effect)]

    def kept(self, effect: Fill | Keep | Note, filled: list[Future[Sample]]) -> object:
        """Return the result of *effect*, as *filled* by `fill`; blocks until that is done."""
        if isinstance(effect, Note):
            if (error := filled[0].exception()) is not None:
                self.complain(_of_store(error))
            return None
        held = zip(_fills(effect), filled, strict=True)
        kept = tuple([self._held_by(fill, future) for fill, future in held])
        return kept[0] if isinstance(effect, Fill) else kept

    def _fill(self, effect: Fill) -> Future[Sample]:
        """Hand a sample to the store: from now on its slot is given up only where that fails.

        Whoever leaves while it is being written must not: another would buy what is paid for.
        """
        slot = (effect.fingerprint, effect.index)
        self.held.pop(effect.token, None)
        try:
            future = self.store.fill(*slot, effect.token, effect.sample, question=effect.question)
        except Exception as error:  # noqa: BLE001  # told like one that comes later
            future = _failed(error)

        def land(filled: Future[Sample]) -> None:
            if filled.cancelled() or filled.exception() is not None:
                # It must not stay ours: whoever waits for it would wait for ever.
                when_free(let_go)
            self.flights.land(slot)

        def let_go() -> None:
            self._give_up(
                Release(
                    run=effect.run,
                    fingerprint=effect.fingerprint,
                    index=effect.index,
                    token=effect.token,
                )
            )

        future.add_done_callback(land)
        return future

    def _held_by(self, effect: Fill, filled: Future[Sample]) -> Sample:
        """What the slot holds now; the bought sample itself where the store fails to tell."""
        try:
            return filled.result()
        except Exception as error:  # noqa: BLE001  # a store of anyone's: the call is paid for
            self.complain(_of_store(error))
            return effect.sample

    def _give_up(self, effect: Release) -> StoreError | None:
        """Release for good: what fails now (a full disk) is tried again, for nobody else will."""
        slot = (effect.fingerprint, effect.index)
        try:
            self.store.release(effect.run, *slot, effect.token, keeps=effect.keeps)
        except StoreError as error:
            self.owed.append(effect)
            return error
        return None


def _fills(effect: Fill | Keep) -> tuple[Fill, ...]:
    return (effect,) if isinstance(effect, Fill) else effect.fills


def _note(effect: Note) -> Future[Sample]:
    try:
        return effect.notes.note(effect.fingerprint, effect.sample, question=effect.question)
    except Exception as error:  # noqa: BLE001  # told like one that comes later
        return _failed(error)


def _failed(error: Exception) -> Future[Sample]:
    future = Future[Sample]()
    future.set_exception(error)
    return future


def _of_store(error: BaseException) -> StoreError:
    if isinstance(error, StoreError):
        return error
    return StoreError(f"{type(error).__name__}: {error}", location="")
