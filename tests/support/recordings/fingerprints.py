"""The fingerprint of every recorded request; `python -m recordings.fingerprints CORPUS` prints them.

As a program it is there for asking another process, with another hash seed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.dialects.generic import Generic
from cachesaver.identity import Question, identify
from recordings import Exchange, read_corpus

__all__ = ["questions"]


def questions(exchanges: Iterable[Exchange]) -> Iterator[tuple[Exchange, Question]]:
    """Iterate what each recorded request asks; those of no dialect as `Generic` would read them."""
    for exchange in exchanges:
        if (request := exchange.request) is not None:
            body = parse_body(request)
            dialect = dialects.recognise(request, body.members) or Generic()
            yield exchange, identify(request, dialect, body)


if __name__ == "__main__":
    for _exchange, _question in questions(read_corpus(Path(sys.argv[1]))):
        print(_question.fingerprint, _exchange.name)  # noqa: T201  # a program's output
