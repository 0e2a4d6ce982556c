"""Samples from one place to another: recordings into cassettes, cassettes into stores, and back.

What is there already stays, and what comes is added after it; the same answer is added once, so that
doing it again changes nothing. Lists keep their order, and answers their fingerprints.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from cachesaver.cassettes.answers import answer_of, question_members, sample_of
from cachesaver.cassettes.files import read, revise
from cachesaver.cassettes.format import Document, document, merged, recorded
from cachesaver.cassettes.imports import Answer
from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.exchange import Sample
from cachesaver.numbering import first_said
from cachesaver.ports import Store
from cachesaver.stores.processes import here

__all__ = ["add_to_cassette", "add_to_store", "answers_in", "answers_of", "errors_in"]


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
    return _in(path, lambda each: each.answers)


def errors_in(path: Path) -> Iterator[Answer]:
    """Iterate every error of a provider that the cassette at *path* holds: by fingerprint, then by arrival.

    Raises:
        CassetteError: It cannot be read, or is damaged.
    """
    return _in(path, lambda each: each.errors)


def _in(path: Path, members: Callable[[Document], list[dict[str, Any]]]) -> Iterator[Answer]:
    _, documents = read(path)
    for each in merged(documents, {}):
        for member in members(each):
            sample = sample_of(member)
            yield Answer(fingerprint=each.fingerprint, question=each.question, sample=sample)


def add_to_cassette(path: Path, answers: Iterable[Answer], errors: Iterable[Answer] = ()) -> int:
    """Add *answers* to the cassette at *path*, which is made if need be; return how much was new.

    Args:
        path: Of the cassette.
        answers: Each question's in their order.
        errors: Of the provider; they stand beside the answers, by arrival.

    Raises:
        CassetteError: It cannot be read or written, or is damaged.
    """
    grouped, failed, added = _grouped(answers), _grouped(errors), 0
    only = {fingerprint for fingerprint, each in grouped.items() if each[0].is_only}
    coming = [
        _document(grouped.get(fingerprint, []), failed.get(fingerprint, []))
        for fingerprint in {**grouped, **failed}
    ]

    def change(documents: list[Document]) -> Iterable[Document]:
        nonlocal added
        there = {each.fingerprint: each for each in documents}
        for each in coming:
            known = there.get(each.fingerprint) or document(each.fingerprint, each.asked, [])
            is_there = each.fingerprint in only and known.answers
            new = [] if is_there else _new(known.answers, each.answers)
            refused = _new(known.errors, each.errors)
            if new or refused:
                there[each.fingerprint] = _longer(known, new, refused)
            added += len(new) + len(refused)
        return there.values()

    revise(path, change)
    return added


def _document(answers: list[Answer], errors: list[Answer]) -> Document:
    first = (answers or errors)[0]
    told = ([answer_of(each.sample) for each in group] for group in (answers, errors))
    return document(first.fingerprint, question_members(first.question), *told)


def _longer(known: Document, new: list[dict[str, Any]], refused: list[dict[str, Any]]) -> Document:
    errors = sorted([*known.errors, *refused], key=recorded)
    return document(known.fingerprint, known.asked, [*known.answers, *new], errors)


def _new(there: Iterable[dict[str, Any]], coming: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what of *coming* is not there, as often as it is not; of a sample's number, once is enough."""
    left, new = list(there), list[dict[str, Any]]()
    numbers = {_number(each) for each in left} - {None}
    for each in coming:
        if each in left:
            left.remove(each)
        elif _number(each) not in numbers:
            new.append(each)
    return new


def _number(member: dict[str, Any]) -> int | None:
    return first_said(tuple(dict(member.get("headers", {})).items()))


def add_to_store(store: Store, answers: Iterable[Answer]) -> int:
    """Add *answers* to *store*, each in the first empty slot behind what is there; return how many.

    A sample that says its number (`numbering`) goes to its place in the list or nowhere: where the
    place is taken, that very sample is there.

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
            if (place := _place(answer)) is None:
                index = _put(store, answer, index, waiting) + 1
            elif 0 <= place <= index + _GAP and _put_at(store, answer, place, waiting):
                index = max(index, place + 1)
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
    while not _put_at(store, answer, index, waiting):
        index += 1
    return index


def _put_at(store: Store, answer: Answer, index: int, waiting: list[Future[Sample]]) -> bool:
    """Fill slot *index*, if nobody has it; return whether that was so."""
    grant = store.poll(answer.fingerprint, index, owner=here())
    if grant.token:
        waiting.append(
            store.fill(
                answer.fingerprint, index, grant.token, answer.sample, question=answer.question
            )
        )
    return bool(grant.token)


def _place(answer: Answer) -> int | None:
    """Return the index of a sample that says its number; None: it says none."""
    number = first_said(answer.sample.response.headers)
    asked = _FIRST.search(answer.question.partition(b"\n\n{")[0])
    return None if number is None else number - int(asked[1] if asked else 0)


_FIRST = re.compile(rb"^%s: (\d{1,19})$" % FIRST_INDEX.encode(), re.MULTILINE)
"""In the head of a canonical question: from which sample of its seed on."""

_GAP = 1000
"""Samples that may be missing in front of one that comes; more is no gap of any recording of ours."""
