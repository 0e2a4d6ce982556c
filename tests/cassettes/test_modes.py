"""Words for what is recorded; what they do is tested where blocks are."""

from __future__ import annotations

import pytest

from cachesaver.cassettes.modes import RecordMode, exhausted, one_of, record_mode
from cachesaver.cassettes.store import Exhausted
from cachesaver.errors import ConfigurationError


def test_a_mode_is_given_or_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CACHESAVER_RECORD_MODE", raising=False)
    assert record_mode(None) is RecordMode.ONCE
    monkeypatch.setenv("CACHESAVER_RECORD_MODE", "verify")
    assert record_mode(None) is RecordMode.VERIFY
    assert record_mode("all") is RecordMode.ALL


@pytest.mark.parametrize("mode", list(RecordMode))
def test_what_is_exhausted_is_extended_where_something_is_recorded(mode: RecordMode) -> None:
    expected = Exhausted.ERROR if mode is RecordMode.NONE else Exhausted.EXTEND

    assert exhausted(None, mode) is expected
    assert exhausted("cycle", mode) is Exhausted.CYCLE


@pytest.mark.parametrize(
    ("given", "mode"),
    [("extend", RecordMode.NONE), ("error", RecordMode.ALL), ("some", RecordMode.ONCE)],
)
def test_what_does_not_go_together_is_said(given: str, mode: RecordMode) -> None:
    with pytest.raises(ConfigurationError, match="exhausted"):
        exhausted(given, mode)


def test_a_word_that_is_none_is_answered_with_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match=r"record_mode='some'.*none, once, new_episodes"):
        one_of(RecordMode, "record_mode", "some")
