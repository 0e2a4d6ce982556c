"""Which laws were broken: the provider's books, the processes' logs and the store, held together.

Each function returns one sentence for each breach it finds, and nothing where the law was kept.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cachesaver.rehearsal import Received
from cachesaver.stores.lmdb import LmdbStore
from loads.plans import CUT
from loads.texts import read_answer, tag
from loads.worker import CALLER, Job

__all__ = [
    "Life",
    "Sale",
    "independence",
    "keeping",
    "lost",
    "reuse",
    "sales",
    "same_again",
    "stored_tags",
]


@dataclass(frozen=True, kw_only=True)
class Life:
    """One worker process, from its start to its end.

    Attributes:
        lines: Of its log; a last one that was cut off by a kill is left out.
        killed: Whether somebody killed it.
        status: Its exit status; negative for the signal that ended it.
    """

    job: Job
    lines: tuple[Mapping[str, Any], ...]
    killed: bool
    status: int

    @property
    def run(self) -> str:
        """The run it was in, which is its own where it joined none."""
        return self.job.run or self.job.name

    @property
    def is_done(self) -> bool:
        """Whether it did all it had to do."""
        return bool(self.lines) and "done" in self.lines[-1]

    @cached_property
    def answers(self) -> tuple[Mapping[str, Any], ...]:
        """The lines that hold an answer."""
        return tuple(line for line in self.lines if "texts" in line)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The samples it got, in the order in which it did."""
        return tuple(tag(text) for line in self.answers for text in line["texts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One request that the provider answered with samples.

    Attributes:
        question: The model.
        caller: `NAME/NUMBER`, of the life and its call.
        fragile: Whether the provider was told to break off the first such answer to the question.
    """

    question: str
    caller: str
    tags: tuple[str, ...]
    fragile: bool


def sales(received: Iterable[Received]) -> list[Sale]:
    """Return what was sold, by the provider's own books."""
    found = list[Sale]()
    for each in received:
        if each.samples:
            headers = dict(each.headers)
            found.append(
                Sale(
                    question=json.loads(each.body)["model"],
                    caller=headers.get(CALLER, ""),
                    tags=each.samples,
                    fragile=headers.get("x-rehearsal-fault") == CUT,
                )
            )
    return found


def stored_tags(path: Path) -> Counter[str]:
    """Return the samples in the store in *path*."""
    store = LmdbStore(path)
    try:
        damage = list(store.verify())
        if damage:
            raise AssertionError(damage)
        return Counter(
            tag(text)
            for fingerprint, _ in store.questions()
            for _, sample in store.samples(fingerprint)
            for text in read_answer(sample.response.content_type, sample.response.body)
        )
    finally:
        store.close()


def independence(lives: Sequence[Life]) -> Iterator[str]:
    """Law 1: within a run, no two draws get one sample.

    A worker that was killed and started again in its run makes the same draws again: those get what
    they got.
    """
    holders = defaultdict[tuple[str, str], set[int]](set)
    for life in lives:
        for found, times in Counter(life.tags).items():
            holders[life.run, found].add(life.job.rank)
            if times > 1:
                yield f"{life.job.name} got {found} {times} times"
    for (run, found), ranks in holders.items():
        if len(ranks) > 1:
            yield f"in the run {run}, the workers {sorted(ranks)} all got {found}"


def reuse(
    sold: Sequence[Sale], stored: Counter[str], lives: Sequence[Life], least: Mapping[str, int]
) -> Iterator[str]:
    """Law 2: what is stored is the least there can be, and nothing else was sold.

    But for what a killed process had in flight, and what the provider itself broke off.
    """
    by_tag = {found: sale for sale in sold for found in sale.tags}
    kept = Counter(by_tag[found].question for found in stored)
    for question in {*least, *kept}:
        if kept[question] != least.get(question, 0):
            yield f"of {question}, {kept[question]} are stored, and {least.get(question, 0)} needed"
    for found, times in stored.items():
        if times > 1:
            yield f"{found} is stored {times} times"
    excused, broken = _in_flight_at_a_kill(lives), set[str]()
    for sale in sold:
        missing = [found for found in sale.tags if found not in stored]
        if not missing or excused.holds(sale.caller):
            continue
        if sale.fragile and sale.question not in broken:
            broken.add(sale.question)  # CUT says `times=1`, which is counted by question
            continue
        yield f"{missing} of {sale.question} were sold to {sale.caller}, and are not stored"


@dataclass(frozen=True, slots=True)
class _Excused:
    killed: set[str] = field(default_factory=set[str])
    answered: set[str] = field(default_factory=set[str])

    def holds(self, caller: str) -> bool:
        return caller.rpartition("/")[0] in self.killed and caller not in self.answered


def _in_flight_at_a_kill(lives: Sequence[Life]) -> _Excused:
    return _Excused(
        {life.job.name for life in lives if life.killed},
        {line["caller"] for life in lives for line in life.answers},
    )


def lost(sold: Sequence[Sale], stored: Counter[str], lives: Sequence[Life]) -> int:
    """Return how many samples were sold to processes that were killed before they were kept."""
    excused = _in_flight_at_a_kill(lives)
    return sum(
        found not in stored and excused.holds(sale.caller) for sale in sold for found in sale.tags
    )


def keeping(lives: Sequence[Life], stored: Counter[str]) -> Iterator[str]:
    """Law 5: what a caller had is on disk."""
    for life in lives:
        for found in life.tags:
            if found not in stored:
                yield f"{life.job.name} got {found}, which is not in the store"


def same_again(before: Sequence[Life], after: Sequence[Life]) -> Iterator[str]:
    """Law 3: each worker of *after* gets what that of its rank got in *before*.

    A life that was cut short must have got a part of it. Clones are interchangeable.
    """
    whole = {life.job.rank: life for life in before if life.is_done}
    for life in after:
        first = whole[life.job.rank]
        if life.is_done and _tree(life.answers) != _tree(first.answers):
            yield f"{life.job.name} did not get what {first.job.name} got"
        known = _by_place(first.answers)
        for place, texts in _by_place(life.answers).items():
            if texts - known[place]:
                yield f"{life.job.name} got other answers at {place} than {first.job.name}"


def _by_place(answers: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Return the answers of all clones together."""
    found = defaultdict[str, Counter[str]](Counter)
    for line in answers:
        names = "/".join(name for name, _ in line["path"])
        found[f"{names}#{line['place']}"].update(line["texts"])
    return found


@dataclass(slots=True)
class _Node:
    answers: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    below: dict[tuple[str, int], _Node] = field(default_factory=dict[tuple[str, int], "_Node"])

    def form(self) -> str:
        """Return a text that is equal for trees that differ in the numbers of clones only."""
        below = sorted((name, node.form()) for (name, _), node in self.below.items())
        return repr((sorted(self.answers.items()), below))


def _tree(answers: Sequence[Mapping[str, Any]]) -> str:
    root = _Node()
    for line in answers:
        node = root
        for name, clone in line["path"]:
            node = node.below.setdefault((name, clone), _Node())
        node.answers[line["place"]] = tuple(line["texts"])
    return root.form()
