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
    pruned,
    since,
    those_used,
    unused_in,
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
    used = those_used({("a" * 64, 0), ("a" * 64, 1), ("b" * 64, 0)})
    assert left(list(pruned(DOCUMENTS, [used]))) == {"a": ["2"]}
    assert list(pruned(DOCUMENTS, [first(9)])) == DOCUMENTS
    assert list(pruned([UNDATED], [since(moment)])) == [UNDATED]


def test_what_else_stands_in_a_document_stays() -> None:
    members = question_members(b"cachesaver/1 generic POST\no\n/\n\n\n{}") | {
        "errors": [{"status": 429}]
    }
    whole = document("a" * 64, members, list(DOCUMENTS[0].answers))

    (found,) = pruned([whole], [first(1)])

    assert found.members["errors"] == [{"status": 429}]
    assert found.question == whole.question


def test_what_no_test_was_given_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given paths from the folder in which the tests were run, then they are seen from there."""
    monkeypatch.chdir(tmp_path)
    told = {"tests/a.cassette": [{"fingerprint": "f", "index": 1}], "b.cassette": []}
    (tmp_path / "unused").write_text(json.dumps(told), encoding="utf-8")

    assert unused_in(Path("unused")) == {
        (tmp_path / "tests" / "a.cassette").resolve(): {("f", 1)},
        (tmp_path / "b.cassette").resolve(): frozenset(),
    }


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"a": ["b"]})])
def test_a_file_that_says_no_such_thing_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "unused").write_text(text, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="--cassette-unused"):
        unused_in(tmp_path / "unused")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        unused_in(tmp_path / "nowhere")


def test_a_date_without_a_zone_is_utc() -> None:
    by_hand = document("d", {"asks": ["q"]}, [{"recorded": "1970-01-01T00:20:00"}])

    assert list(pruned([by_hand], [since(datetime.fromtimestamp(1200, UTC))])) == [by_hand]
    assert list(pruned([by_hand], [since(datetime.fromtimestamp(1201, UTC))])) == []
