"""A cassette as a store: the laws of a store in memory, over what a file holds.

What is bought is on disk when its buyer has it. Questions are read when they are asked.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cachesaver.cassettes.answers import sample_of
from cachesaver.cassettes.files import read
from cachesaver.cassettes.format import Document, merged, parted
from cachesaver.cassettes.recorder import Recorder
from cachesaver.cassettes.refusals import Refusals, Statuses, statuses
from cachesaver.errors import CassetteError
from cachesaver.exchange import Response, Sample
from cachesaver.ports import Grant, Policy, Run, StoreSummary
from cachesaver.stores.memory import MemoryStore, Pool

__all__ = ["CassetteStore", "Exhausted"]


class Exhausted(StrEnum):
    """What a draw gets when every recorded answer to its question has been given."""

    ERROR = "error"
    """Nothing: it raises, as any miss does."""
    CYCLE = "cycle"
    """The first again, then the second, and so on."""
    LAST = "last"
    """The last, for ever."""
    EXTEND = "extend"
    """A new one, bought and recorded."""


_NO_ERRORS = statuses(given=False)

_BUYING = frozenset({Policy.RESERVE, Policy.FRESH, Policy.APART})


class CassetteStore(MemoryStore):
    """`ports.Store` over the cassette at *path*; nothing is written before something is bought.

    Args:
        path: Of the file. It may be missing.
        exhausted: See `Exhausted`.
        errors: Tells by the status which errors of the provider are recorded.
        anew: Tells of which questions nothing that stands there is given, so that what is recorded
            takes its place.
        renews: Whether nothing but that is bought.
        since: What was recorded after that is given in any case: it is of this very recording, by
            another block or process.
        clients: Tells the versions of what this is recorded with, when it is known.

    Raises:
        CassetteError: The cassette cannot be read, or is damaged.
    """

    def __init__(  # noqa: PLR0913  # what a recording is made with
        self,
        path: Path,
        *,
        exhausted: Exhausted = Exhausted.ERROR,
        errors: Statuses = _NO_ERRORS,
        anew: Callable[[Document], bool] = lambda _: False,
        renews: bool = False,
        since: datetime | None = None,
        clients: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        super().__init__()
        self.path = path
        self._exhausted = exhausted
        self._keeps = errors
        self._refusals: dict[str, Refusals] = {}
        self._renews = renews
        _, documents = read(path)
        found = {each.fingerprint: each for each in merged(documents, {})}
        self._outdated: dict[str, Document] = {}
        self._documents: dict[str, Document] = {}
        for key, each in found.items():
            old, new = parted(each, since) if anew(each) else (None, each)
            self._outdated |= {key: old} if old else {}
            self._documents |= {key: new} if new else {}
        self._repeats: dict[tuple[Run, str], int] = {}
        self._recorder = Recorder(path, self._outdated, clients)
        self._played = set[tuple[str, int]]()

    def __repr__(self) -> str:
        return f"<CassetteStore {str(self.path)!r} of {len(self._documents)} questions>"

    @property
    def played(self) -> Mapping[str, frozenset[int]]:
        """The indexes of the answers that were given, by fingerprint."""
        with self._lock:
            found: dict[str, set[int]] = {}
            for fingerprint, index in self._played:
                found.setdefault(fingerprint, set()).add(index)
        return {fingerprint: frozenset(indexes) for fingerprint, indexes in found.items()}

    @property
    def unused(self) -> tuple[tuple[bytes, int], ...]:
        """Question and index of each answer that was recorded before and never given."""
        return tuple(
            (each.question, index)
            for fingerprint, each in self._documents.items()
            for index in range(len(each.answers))
            if (fingerprint, index) not in self._played
        )

    @property
    def documents(self) -> tuple[Document, ...]:
        """What is given, by question."""
        return tuple(self._documents.values())

    @property
    def outdated(self) -> tuple[Document, ...]:
        """What stands in the file and is not given, by question."""
        return tuple(self._outdated.values())

    @property
    def recorded(self) -> int:
        """How many questions were recorded since it was opened."""
        return len(self._recorder.recorded)

    # --- the store (cachesaver.ports.Store) ---

    def acquire(
        self, run: Run, fingerprint: str, draws: Sequence[str], *, owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        """See `ports.Store.acquire`; what was recorded is given again as *exhausted* says."""
        refusals = self._refusals_of(fingerprint)
        if refusals and (own := _first(refusals.of_draw(run, draw) for draw in draws)):
            return tuple([Grant(index=-1, refusal=own) for _ in draws])
        grants = self._assigned(run, fingerprint, draws, owner, policy)
        if refusals:
            given = zip(draws, grants, strict=True)
            grants = tuple(
                [self._preceded(refusals, run, fingerprint, draw, grant) for draw, grant in given]
            )
        self._note(fingerprint, grants)
        return grants

    def _preceded(
        self, refusals: Refusals, run: Run, fingerprint: str, draw: str, grant: Grant
    ) -> Grant:
        """Return *grant* with the error that comes before its sample, or instead of one.

        Where there is neither, it is the sample of a draw that was shown its error and has not come
        back: who asks at once what was asked again is not to miss what was answered.
        """
        if grant.sample is not None:
            return replace(grant, refusal=refusals.of_index(run, grant.index))
        if (refusal := refusals.of_stranger(run, draw)) is not None:
            return replace(grant, refusal=refusal)
        if grant.index >= 0 or (index := refusals.left(run)) is None:
            return grant
        with self._lock:
            self.view(run, fingerprint, "").give_up(index)
        (given,) = super().acquire(run, fingerprint, (draw,), owner="", policy=Policy.READ)
        return given if given.index < 0 else replace(given, refusal=refusals.of_heir(run, index))

    def _assigned(
        self, run: Run, fingerprint: str, draws: Sequence[str], owner: str, policy: Policy
    ) -> tuple[Grant, ...]:
        repeats = self._repeating(fingerprint, policy)
        if repeats or (policy in _BUYING and not self._is_bought(fingerprint)):
            policy = Policy.READ
        grants = super().acquire(run, fingerprint, draws, owner=owner, policy=policy)
        if repeats:
            grants = tuple([self._given(run, fingerprint, grant) for grant in grants])
        return grants

    def look(self, fingerprints: Sequence[str], *, owner: str, leads: bool) -> tuple[Grant, ...]:
        with self._lock:
            for fingerprint in fingerprints:
                self.pool(fingerprint)
        bought = {each: leads and self._is_bought(each) for each in fingerprints}
        looked = [
            super(CassetteStore, self).look((each,), owner=owner, leads=bought[each])[0]
            for each in fingerprints
        ]
        pairs = [*zip(fingerprints, looked, strict=True)]
        grants = tuple([self._undrawn(fingerprint, grant) for fingerprint, grant in pairs])
        for fingerprint, grant in zip(fingerprints, grants, strict=True):
            self._note(fingerprint, (grant,))
        return grants

    def _is_bought(self, fingerprint: str) -> bool:
        """Tell whether anything may be bought of *fingerprint*."""
        return not self._renews or fingerprint in self._outdated

    def _undrawn(self, fingerprint: str, grant: Grant) -> Grant:
        """Return *grant*, of a question that has no draws, with the error that comes before it."""
        if (refusals := self._refusals_of(fingerprint)) is None:
            return grant
        return replace(grant, refusal=refusals.of_index(None, 0) or refusals.of_draw(None, ""))

    def fill(
        self, fingerprint: str, index: int, token: str, sample: Sample, *, question: bytes
    ) -> Future[Sample]:
        """See `ports.Store.fill`; the file has it when the future is done."""
        filled = super().fill(fingerprint, index, token, sample, question=question)
        if filled.result() is not sample:
            return filled
        return self._recorder.answered(fingerprint, question, index, sample)

    def keeps(self, status: int) -> bool:
        """See `ports.KeepsErrors.keeps`."""
        return self._keeps(status)

    def is_sealed(self) -> bool:
        """See `ports.Sealed.is_sealed`: where nothing but what is too old is recorded."""
        return self._renews

    def note(self, fingerprint: str, sample: Sample, *, question: bytes) -> Future[Sample]:
        """See `ports.KeepsErrors.note`; it is not given in this recording."""
        return self._recorder.refused(fingerprint, question, sample)

    def advice(self) -> str:
        """Return what to do about a miss, with the commands for it."""
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        record = "run it once with CACHESAVER_RECORD_MODE=new_episodes"
        if test:
            record = f"pytest --record-mode=new_episodes {shlex.quote(test)}"
        return (
            f"It is not in the cassette {self.path}. Record what is missing, or see what is there:\n"
            f"    {record}\n"
            f"    cachesaver cassette show {shlex.quote(str(self.path))}"
        )

    def questions(self) -> Iterator[tuple[str, bytes]]:
        with self._lock:
            known = {key: pool.question for key, pool in self._pools.items() if pool.samples}
        for fingerprint in sorted(self._documents.keys() | known.keys()):
            read_already = known.get(fingerprint)
            yield fingerprint, read_already or self._documents[fingerprint].question

    def summary(self) -> StoreSummary:
        with self._lock:
            filled = {key: len(pool.samples) for key, pool in self._pools.items() if pool.samples}
            held = {key: len(each.answers) for key, each in self._documents.items()} | filled
        return StoreSummary(
            fingerprints=len(held),
            samples=sum(held.values()),
            namespaces=len(self._memories),
            size=self.path.stat().st_size if self.path.exists() else 0,
        )

    def verify(self) -> Iterator[str]:
        for fingerprint in self._documents:
            try:
                self._loaded(fingerprint)
            except CassetteError as error:
                yield str(error)

    def close(self) -> None:
        """Set the file in order, where something was recorded. Safe to call twice."""
        self._recorder.close()

    def pool(self, fingerprint: str) -> Pool:
        found = self._pools.get(fingerprint)
        if found is None:
            found = self._pools[fingerprint] = self._loaded(fingerprint)
        return found

    # --- behind it

    def _note(self, fingerprint: str, grants: Iterable[Grant]) -> None:
        given = [each.index for each in grants if each.sample and not each.refusal]
        with self._lock:
            self._played.update((fingerprint, index) for index in given)

    def _loaded(self, fingerprint: str) -> Pool:
        """Read what stands in the file under *fingerprint*."""
        found = self._documents.get(fingerprint)
        if found is None:
            return Pool()
        with self._damages(fingerprint):
            samples = {place: sample_of(each) for place, each in enumerate(found.answers)}
            question = found.question
        bought = {sample.draw: place for place, sample in reversed(samples.items()) if sample.draw}
        return Pool(question=question, samples=samples, bought=bought, top=len(samples))

    @contextmanager
    def _damages(self, fingerprint: str) -> Generator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CassetteError(
                f"the cassette {self.path} is damaged: what stands under the fingerprint "
                f"{fingerprint[:12]}… is no answer ({type(error).__name__}: {error}); mend it, or "
                "remove it and record it anew.",
                location=str(self.path),
            ) from error

    def _refusals_of(self, fingerprint: str) -> Refusals | None:
        """Return the errors that were recorded of a question; None where there are none."""
        found = self._documents.get(fingerprint)
        if found is None or not found.errors:
            return None
        with self._lock:
            if fingerprint not in self._refusals:
                with self._damages(fingerprint):
                    errors = [*map(sample_of, found.errors)]
                pool = self.pool(fingerprint)
                undrawn = {"": 0} if pool.samples else {}
                self._refusals[fingerprint] = Refusals(errors, {**pool.bought, **undrawn})
            return self._refusals[fingerprint]

    def _repeating(self, fingerprint: str, policy: Policy) -> bool:
        """Tell whether what was recorded of *fingerprint* is all there will ever be, again and again."""
        return (
            self._exhausted in (Exhausted.CYCLE, Exhausted.LAST)
            and fingerprint in self._documents
            and bool(self._documents[fingerprint].answers)
            and policy is not Policy.FRESH
        )

    def _given(self, run: Run, fingerprint: str, grant: Grant) -> Grant:
        """Return *grant*; what is given once more, where it has nothing."""
        if grant.index >= 0:
            return grant
        with self._lock:
            samples = self.pool(fingerprint).samples
            turn = self._repeats.get((run, fingerprint), 0)
            self._repeats[run, fingerprint] = turn + 1
        index = turn % len(samples) if self._exhausted is Exhausted.CYCLE else len(samples) - 1
        return replace(grant, index=index, sample=samples[index])


def _first(refusals: Iterable[Callable[[], Response] | None]) -> Callable[[], Response] | None:
    return next((each for each in refusals if each is not None), None)
