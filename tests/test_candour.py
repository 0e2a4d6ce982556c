"""Errors of ours that are errors of an SDK too."""

from __future__ import annotations

import pickle
import sys
from types import ModuleType

import pytest

from cachesaver.candour import let_through, spoken
from cachesaver.errors import NotRecordedError


class AnthropicError(Exception):
    """The SDK's root."""


def miss() -> NotRecordedError:
    return NotRecordedError("POST x", fingerprint="f", namespace="n", wanted=1, free=0, near="none")


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("anthropic")
    monkeypatch.setitem(sys.modules, "anthropic", module)
    module.__dict__["AnthropicError"] = AnthropicError
    return module


def test_an_error_is_one_of_the_sdks_too(sdk: ModuleType) -> None:
    error = miss()
    said = str(error)

    shown = let_through(error)

    assert shown is error
    assert isinstance(shown, NotRecordedError)
    assert isinstance(shown, AnthropicError)
    assert (str(shown), shown.namespace, type(shown).__name__) == (said, "n", "NotRecordedError")


def test_it_pickles_as_what_it_was(sdk: ModuleType) -> None:
    shown = let_through(let_through(miss()))

    home = pickle.loads(pickle.dumps(shown))  # noqa: S301  # our own

    assert type(home) is NotRecordedError
    assert str(home) == str(shown)


@pytest.mark.parametrize("there", [None, ModuleType("anthropic")], ids=["absent", "half imported"])
def test_without_the_sdk_it_stays_what_it_is(
    monkeypatch: pytest.MonkeyPatch, there: ModuleType | None
) -> None:
    monkeypatch.delitem(sys.modules, "anthropic", raising=False)
    if there is not None:
        monkeypatch.setitem(sys.modules, "anthropic", there)

    assert type(let_through(miss())) is NotRecordedError


@pytest.mark.parametrize("agent", ["Groq/Python 1.7.0", "AsyncTogether/Python 3.1.0"])
def test_what_lets_no_error_through_is_told_by_a_response_that_nobody_retries(agent: str) -> None:
    told = spoken(miss(), agent)

    assert told is not None
    assert told.status == 412
    assert ("x-should-retry", "false") in told.headers
    assert told.body.decode() == f"NotRecordedError: {miss()}"


@pytest.mark.parametrize("agent", [None, "OpenAI/Python 3.57.0", "my Groq/Python agent"])
def test_others_are_raised_to(agent: str | None) -> None:
    assert spoken(miss(), agent) is None
