"""What is wrong with a cassette, and what to do about it: a sentence each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cachesaver.cassettes.answers import sample_of
from cachesaver.cassettes.files import read
from cachesaver.cassettes.format import Document
from cachesaver.cassettes.readers.ours import dialect_of, request_of
from cachesaver.identity import identify
from cachesaver.redaction import BLANK

__all__ = ["faults"]

_AGAIN = "record it anew (--record-mode=all), or remove its document"


def faults(path: Path) -> Iterator[str]:
    """Iterate what is wrong with the cassette at *path*.

    Raises:
        CassetteError: It cannot be read at all, or a document of it is none.
    """
    _, documents = read(path)
    yield from _order(path, documents)
    for each in documents:
        yield from (f"{each.fingerprint[:12]}: {fault}" for fault in _faults(each))


def _order(path: Path, documents: list[Document]) -> Iterator[str]:
    fingerprints = [each.fingerprint for each in documents]
    if path.read_bytes()[-1:] not in (b"\n", b""):
        yield "its last document is cut off, as by a crash: `cachesaver cassette verify --fix`"
    if fingerprints != sorted(fingerprints):
        yield "its documents are out of order, as a crash leaves them: `cachesaver cassette verify --fix`"
    for fingerprint, count in sorted(Counter(fingerprints).items()):
        if count > 1:
            yield (
                f"{fingerprint[:12]}: it stands there {count} times, as a crash or a merge of two "
                "branches leaves it: `cachesaver cassette verify --fix`"
            )


def _faults(each: Document) -> Iterator[str]:
    try:
        question = each.question
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        yield f"what it asks cannot be read ({type(error).__name__}: {error}): {_AGAIN}"
        return
    yield from _identity(each.fingerprint, question)
    if not each.answers and not each.members.get("errors"):
        yield "it has no answer: remove its document"
    for place, answer in enumerate(each.answers):
        try:
            sample_of(answer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"answer {place} cannot be read ({type(error).__name__}: {error}): {_AGAIN}"


def _identity(fingerprint: str, question: bytes) -> Iterator[str]:
    """Tell whether *question* has another fingerprint, where that can be told.

    What was blanked in it had a part in its fingerprint, and a form is kept by the digests of its parts.
    """
    if BLANK in question:
        return
    if hashlib.sha256(question).hexdigest() != fingerprint:
        yield f"its question was changed by hand, and is not found any more: {_AGAIN}"
        return
    try:
        request, lossy = request_of(question)
        name = question.split(maxsplit=2)[1].decode()
    except (ValueError, IndexError):  # from a version that spelled questions otherwise
        yield f"this version cannot read what it asks: {_AGAIN}"
        return
    dialect = dialect_of(request)
    if lossy or dialect.name != name or "://" not in request.url:
        return
    if identify(request, dialect).fingerprint != fingerprint:
        yield f"this version reads its question otherwise, and does not find it: {_AGAIN}"
