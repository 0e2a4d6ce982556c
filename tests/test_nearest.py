"""The stored question most like one that is not stored."""

from __future__ import annotations

import pytest

from cachesaver import nearest as module
from cachesaver.exchange import Response, Sample
from cachesaver.nearest import nearest
from cachesaver.stores.memory import MemoryStore

HEAD = b"cachesaver/1 openai.chat POST\n/v1\n\n"
SAMPLE = Sample(response=Response(status=200), draw="d")


def store(*questions: bytes) -> MemoryStore:
    made = MemoryStore()
    for place, question in enumerate(questions):
        made.fill(f"{place:04}", 0, "", SAMPLE, question=question)
    return made


def test_the_longest_common_beginning_and_end_wins() -> None:
    stored = store(HEAD + b'{"q":"cats"}', HEAD + b'{"q":"dogs and cats"}', HEAD + b"x")

    assert nearest(stored, HEAD + b'{"q":"dogs and cows"}') == HEAD + b'{"q":"dogs and cats"}'


def test_a_small_change_in_the_middle_is_near_however_long_the_rest() -> None:
    """Given conversations that differ in one early word, then the common end counts."""
    end = b"the same long end " * 50
    stored = store(HEAD + b"A" + end, HEAD + b"B, and then something else altogether")

    assert nearest(stored, HEAD + b"B" + end) == HEAD + b"A" + end


def test_a_question_of_another_kind_is_never_near() -> None:
    stored = store(HEAD.replace(b"openai.chat", b"anthropic") + b'{"q":"cats"}')

    assert nearest(stored, HEAD + b'{"q":"cats"}') is None


def test_an_empty_store_has_nothing_near() -> None:
    assert nearest(store(), HEAD) is None


def test_the_very_question_is_the_nearest() -> None:
    stored = store(HEAD + b"aaaa", HEAD + b"aa", HEAD + b"aaa")

    assert nearest(stored, HEAD + b"aa") == HEAD + b"aa"


def test_no_more_are_looked_at_than_take_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOKED_AT", 2)
    stored = store(HEAD + b"x", HEAD + b"abx", HEAD + b"abcd")

    assert nearest(stored, HEAD + b"abcd") == HEAD + b"abx"
