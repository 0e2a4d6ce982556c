"""Samples from one place to another: recordings into cassettes, cassettes into stores, and back.

What is there already stays, and what comes is added after it; the same answer is added once, so that
doing it again changes nothing. Lists keep their order, and answers their fingerprints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from cachesaver.cassettes.answers import answer_of, question_members, sample_of
from cachesaver.cassettes.files import read, revise
from cachesaver.cassettes.format import Document, document, merged
from cachesaver.cassettes.imports import Answer
from cachesaver.exchange import Sample
from cachesaver.ports import Store
from cachesaver.stores.processes import here

__all__ = ["add_to_cassette", "add_to_store", "answers_in", "answers_of"]


def answers_of(store: Store) -> Iterator[Answer]:
    """Iterate every sample of *store*: by fingerprint, then by index."""
    for fingerprint, question in store.questions():
        for _, sample in store.samples(fingerprint):
            yield Answer(fingerprint=fingerprint, question=question, sample=sample)


def answers_in(path: Path) -> Iterator[Answer]:
    """Iterate every answer of the cassette at *path*: by fingerprint, then in its order.

    Raises:
        CassetteError: It cannot be read, or is damaged.
    """
    _, documents = read(path)
    for each in merged(documents, {}):
        for answer in each.answers:
            yield Answer(
                fingerprint=each.fingerprint, question=each.question, sample=sample_of(answer)
            )


def add_to_cassette(path: Path, answers: Iterable[Answer]) -> int:
    """Add *answers* to the cassette at *path*, which is made if need be; return how many were new.

    Raises:
        CassetteError: It cannot be read or written, or is damaged.
    """
    grouped, added = _grouped(answers), 0
    only = {fingerprint for fingerprint, each in grouped.items() if each[0].is_only}
    coming = {fingerprint: _document(each) for fingerprint, each in grouped.items()}

    def change(documents: list[Document]) -> Iterable[Document]:
        nonlocal added
        there = {each.fingerprint: each for each in documents}
        for fingerprint, each in coming.items():
            if (known := there.get(fingerprint)) is None:
                there[fingerprint], new = each, each.answers
            elif fingerprint in only:
                new = []
            else:
                new = _new(known.answers, each.answers)
                there[fingerprint] = _longer(known, new) if new else known
            added += len(new)
        return there.values()

    revise(path, change)
    return added


def _document(answers: list[Answer]) -> Document:
    first = answers[0]
    return document(
        first.fingerprint,
        question_members(first.question),
        [answer_of(each.sample) for each in answers],
    )


def _longer(known: Document, new: list[dict[str, Any]]) -> Document:
    question = {k: v for k, v in known.members.items() if k not in _NO_QUESTION}
    return document(known.fingerprint, question, [*known.answers, *new])


_NO_QUESTION: Final = ("answers", "fingerprint")


def _new(there: Iterable[dict[str, Any]], coming: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what of *coming* is not there, as often as it is not."""
    left, new = list(there), list[dict[str, Any]]()
    for each in coming:
        if each in left:
            left.remove(each)
        else:
            new.append(each)
    return new


def add_to_store(store: Store, answers: Iterable[Answer]) -> int:
    """Add *answers* to *store*, each in the first empty slot behind what is there; return how many.

    Raises:
        StoreError: It cannot be written.
    """
    waiting = list[Future[Sample]]()
    for fingerprint, each in _grouped(answers).items():
        there = list(store.samples(fingerprint))
        if there and each[0].is_only:
            continue
        left = [answer_of(sample) for _, sample in there]
        index = max((at for at, _ in there), default=-1) + 1
        for answer in each:
            if (told := answer_of(answer.sample)) in left:
                left.remove(told)
                continue
            index = _put(store, answer, index, waiting) + 1
    for future in waiting:
        future.result()
    return len(waiting)


def _grouped(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Return *answers* by their question, in their order; of those that are the only one, the first."""
    found = dict[str, list[Answer]]()
    for each in answers:
        known = found.setdefault(each.fingerprint, [])
        if not (known and each.is_only):
            known.append(each)
    return found


def _put(store: Store, answer: Answer, index: int, waiting: list[Future[Sample]]) -> int:
    """Fill the first slot from *index* on that nobody has; return which."""
    while not (grant := store.poll(answer.fingerprint, index, owner=here())).token:
        index += 1
    waiting.append(
        store.fill(answer.fingerprint, index, grant.token, answer.sample, question=answer.question)
    )
    return index
