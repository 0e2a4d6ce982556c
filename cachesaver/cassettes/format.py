"""The text of a cassette: JSON documents between lines of `---`, one for each question.

The first says what the file is. They are kept in the order of their fingerprints, so that recording
one question anew touches its lines only; while it is recorded, answers come at the end, one document
each. As JSON is YAML, so is the file: a stream of YAML documents. Pure.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, cast

import orjson

from cachesaver.cassettes.answers import moment_of, question_of
from cachesaver.encoding import GZIP
from cachesaver.errors import CassetteError

__all__ = [
    "NEVER",
    "TORN_CUT",
    "VERSION",
    "Document",
    "Head",
    "document",
    "is_whole",
    "merged",
    "parse",
    "parted",
    "recorded",
    "unix",
    "without_answers",
    "written",
]

VERSION: Final = 1

NEVER: Final = datetime.min.replace(tzinfo=UTC)

_MARK: Final = "cachesaver cassette"
_CUT: Final = b"---\n"
TORN_CUT: Final = re.compile(rb"\r?\n-{1,3}\r?\Z")
"""What stands at the end of a file where of what was written next came that much."""
_LONGEST_TORN_CUT: Final = len(b"\r\n---\r")

_WIDTH: Final = 100

_NOT_ASKED: Final = frozenset({"fingerprint", "answers", "errors"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The first document.

    Attributes:
        clients: Versions of what it was recorded with, by package.
    """

    clients: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Document:
    """One question and its answers, in the order of their indexes.

    Attributes:
        fingerprint: Of the question.
        members: As they stand in the file.
        text: The lines they stand in.
    """

    fingerprint: str
    members: Mapping[str, Any] = field(repr=False)
    text: bytes = field(repr=False)

    @cached_property
    def question(self) -> bytes:
        """The canonical question, without secrets."""
        return question_of(self.members)

    @property
    def asked(self) -> dict[str, Any]:
        """The members that stand for the question; see `answers.question_members`."""
        return {name: each for name, each in self.members.items() if name not in _NOT_ASKED}

    @property
    def answers(self) -> list[dict[str, Any]]:
        """As they stand in the file; see `answers.sample_of`."""
        return cast("list[dict[str, Any]]", self.members["answers"])

    @property
    def errors(self) -> list[dict[str, Any]]:
        """As they stand in the file, by arrival: what came before answers, or instead of them."""
        return cast("list[dict[str, Any]]", self.members.get("errors", []))


def parse(text: bytes, *, location: str) -> tuple[Head, list[Document]]:
    """Return what the file at *location* holds; what was cut off at its end is left out.

    Raises:
        CassetteError: It is no cassette, of a later version, or damaged; the message says where.
    """
    text = unix(text)
    if torn := TORN_CUT.search(text, max(0, len(text) - _LONGEST_TORN_CUT)):
        text = text[: torn.start()] + b"\n"
    first, *rest = text.split(b"\n" + _CUT)
    head = _head(first, location)
    documents = list[Document]()
    line = first.count(b"\n") + 3
    for place, part in enumerate(rest):
        try:
            documents.append(_read(part))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if place + 1 < len(rest) or part.endswith(b"\n") or is_whole(part):
                raise CassetteError(
                    f"the cassette {location} is damaged: its document at line {line} is not one of "
                    f"ours ({type(error).__name__}: {error}); mend it, or remove it and record it anew.",
                    location=location,
                ) from error
        line += part.count(b"\n") + 2
    return head, documents


def unix(text: bytes) -> bytes:
    """Return *text* with the line ends that we write, whatever a checkout made of them.

    JSON has no line ends within its strings.
    """
    return text.replace(b"\r\n", b"\n")


def is_whole(text: bytes) -> bool:
    """Tell whether the last document of *text*, which lacks its last line end, was written to its end."""
    try:
        last = _loads(unix(text).rpartition(b"\n" + _CUT)[2])
    except ValueError:
        return False
    return isinstance(last, dict)


def _read(part: bytes) -> Document:
    members = _loads(part)
    text = part if part.endswith(b"\n") else part + b"\n"
    found = Document(fingerprint=members["fingerprint"], members=members, text=text)
    if not isinstance(members["answers"], list):
        raise TypeError("answers is no list")
    for each in (*found.answers, *found.errors):
        recorded(each)  # raises where that is no date
    return found


def _head(first: bytes, location: str) -> Head:
    if first.startswith(GZIP):
        raise CassetteError(
            f"{location} is compressed, and a cassette is text that grows: unpack it "
            f"(`gzip -dc {location} > NAME.cassette`) and name that.",
            location=location,
        )
    try:
        members = orjson.loads(first)
        version = members[_MARK]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        raise CassetteError(
            f"{location} is no cassette of ours: it does not begin with "
            f'{{"{_MARK}": {VERSION}}}; name another file, or convert it: '
            "`cachesaver cassette import`.",
            location=location,
        ) from None
    if version != VERSION:
        raise CassetteError(
            f"the cassette {location} has the version {version}, and this cachesaver knows "
            f"{VERSION}; upgrade: `pip install -U cachesaver`.",
            location=location,
        )
    return Head(clients=members.get("recorded with", {}))


def document(
    fingerprint: str, question: Mapping[str, Any], answers: list[Any], errors: Sequence[Any] = ()
) -> Document:
    """Return the document of a question (`answers.question_members`), its answers and errors."""
    members = {**question, "fingerprint": fingerprint, "answers": answers}
    if errors:
        members["errors"] = list(errors)
    text = (_pretty(members, "") + "\n").encode()
    return Document(fingerprint=fingerprint, members=members, text=text)


def recorded(member: Mapping[str, Any]) -> datetime:
    """Return when an answer or error was recorded; the beginning of time, where nobody knows."""
    when = member.get("recorded")
    return NEVER if when is None else moment_of(when)


def parted(whole: Document, before: datetime | None) -> tuple[Document | None, Document | None]:
    """Return what of *whole* was recorded *before* that (None: all of it), and what was after."""
    if before is None:
        return whole, None
    halves = list[Document | None]()
    for is_old in (True, False):
        answers = [each for each in whole.answers if (recorded(each) < before) is is_old]
        errors = [each for each in whole.errors if (recorded(each) < before) is is_old]
        if len(answers) + len(errors) == len(whole.answers) + len(whole.errors):
            halves.append(whole)
        elif answers or errors:
            halves.append(document(whole.fingerprint, whole.asked, answers, errors))
        else:
            halves.append(None)
    return halves[0], halves[1]


def without_answers(whole: Document) -> Document:
    """Return *whole* with its errors only."""
    return document(whole.fingerprint, whole.asked, [], whole.errors)


def merged(documents: Iterable[Document], outdated: Mapping[str, Document]) -> Iterator[Document]:
    """Iterate one document a question, by fingerprint, from those that a recording left behind.

    Answers are in the order of the index they were given, then of their arrival. The same one is kept
    as often as the document has it that has it most often, and those of *outdated*, which has
    documents by fingerprint, are gone.
    """
    found: dict[str, list[Document]] = {}
    for each in documents:
        found.setdefault(each.fingerprint, []).append(each)
    for fingerprint in sorted(found):
        yield _joined(found[fingerprint], outdated.get(fingerprint))


def _joined(documents: list[Document], outdated: Document | None) -> Document:
    """Return *documents*, which are of one question, as one."""
    first = documents[0]
    if len(documents) == 1 and not outdated and not any("index" in each for each in first.answers):
        return first
    gone, past = (outdated.answers, outdated.errors) if outdated else ([], [])
    numbered = [
        (answer.get("index", place), of, answer)
        for of, each in enumerate(documents)
        for place, answer in enumerate(each.answers)
    ]
    numbered.sort(key=lambda each: (each[0], each[2].get("recorded", "")))
    kept = _as_often((of, _plain(answer)) for _, of, answer in numbered)
    answers = [each for each in kept if each not in gone]
    return document(first.fingerprint, first.asked, answers, _errors(documents, past))


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "index"}


def _as_often(members: Iterable[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return each of *members* as often as the document has it, named by its number, that has most."""
    kept, counts = list[dict[str, Any]](), Counter[str]()
    of_one: dict[int, Counter[str]] = {}
    for number, member in members:
        spelled = json.dumps(member, sort_keys=True)
        own = of_one.setdefault(number, Counter())
        own[spelled] += 1
        if own[spelled] > counts[spelled]:
            counts[spelled] += 1
            kept.append(member)
    return kept


def _errors(documents: list[Document], gone: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the errors of *documents* by arrival, without those that are *gone*."""
    found = ((of, error) for of, each in enumerate(documents) for error in each.errors)
    kept = [error for error in _as_often(found) if error not in gone]
    return sorted(kept, key=lambda error: str(error.get("recorded", "")))


def written(head: Head, documents: Iterable[Document]) -> bytes:
    """Return the text of a whole cassette."""
    members: dict[str, object] = {_MARK: VERSION}
    if head.clients:
        members["recorded with"] = dict(sorted(head.clients.items()))
    first = (_pretty(members, "") + "\n").encode()
    return _CUT.join((first, *(each.text for each in documents)))


def _pretty(value: object, indent: str) -> str:
    """Write *value*: on one line where it fits, else one member a line."""
    flat = _flat(value)
    if len(indent) + len(flat) <= _WIDTH or not value or not isinstance(value, dict | list):
        return flat
    deeper = indent + " "
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        lines = [
            f"{deeper}{_flat(name)}: {_pretty(item, deeper)}" for name, item in members.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    items = cast("list[object]", value)
    return "[\n" + ",\n".join(deeper + _pretty(item, deeper) for item in items) + f"\n{indent}]"


def _flat(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a character can be named only
        return json.dumps(value)
    return text


def _loads(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # orjson refuses half characters, and long integers
        return json.loads(text)
