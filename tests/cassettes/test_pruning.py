"""What is not needed any more is taken out, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.format import Document, document
from cachesaver.cassettes.pruning import (
    first,
    note_played,
    played_in,
    pruned,
    since,
    those_played,
)
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Response, Sample


def of(name: str, *created: float) -> Document:
    answers = [
        answer_of(Sample(response=Response(status=200, reason=str(i)), draw="d", created=when))
        for i, when in enumerate(created)
    ]
    return document(
        name * 64, question_members(b"cachesaver/1 generic POST\no\n/\n\n\n{}"), answers
    )


DOCUMENTS = [of("a", 1.0, 1000.0, 2000.0), of("b", 1.0)]

UNDATED = of("c", 0.0)


def left(documents: list[Document]) -> dict[str, list[str]]:
    return {each.fingerprint[0]: [a["reason"] for a in each.answers] for each in documents}


def test_rules_say_what_stays() -> None:
    moment = datetime.fromtimestamp(1000, UTC)

    assert left(list(pruned(DOCUMENTS, [first(1)]))) == {"a": ["0"], "b": ["0"]}
    assert left(list(pruned(DOCUMENTS, [since(moment)]))) == {"a": ["1", "2"]}
    assert left(list(pruned(DOCUMENTS, [since(moment), first(2)]))) == {"a": ["1"]}
    played = those_played({"a" * 64: frozenset({2})})
    assert left(list(pruned(DOCUMENTS, [played]))) == {"a": ["2"]}
    assert list(pruned(DOCUMENTS, [first(9)])) == DOCUMENTS
    assert list(pruned([UNDATED], [since(moment)])) == [UNDATED]


def test_what_was_played_is_added_up_over_runs(tmp_path: Path) -> None:
    file, one = tmp_path / "played", tmp_path / "one.cassette"
    note_played(file, one, {"a": [1]})
    note_played(file, tmp_path / "other.cassette", {"a": [0]})
    note_played(file, one, {"a": [0], "b": [3]})

    assert played_in(file)[one.resolve()] == {"a": frozenset({0, 1}), "b": frozenset({3})}


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"cassette": "a"})])
def test_a_file_that_says_no_such_thing_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "played").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="CACHESAVER_PLAYED"):
        played_in(tmp_path / "played")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        played_in(tmp_path / "nowhere")
