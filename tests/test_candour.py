"""Errors of ours that are errors of an SDK too."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from cachesaver.candour import ROOTS, let_through, spoken
from cachesaver.errors import NotRecordedError, UnknownPriceError
from cachesaver.exchange import Request


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


def asking(agent: str | None = None, release: str | None = None) -> Request:
    told = {"user-agent": agent, "x-stainless-package-version": release}
    headers = tuple((name, value) for name, value in told.items() if value is not None)
    return Request(method="POST", url="https://api.test/v1/x", headers=headers)


@pytest.mark.parametrize("agent", ["Groq/Python 1.7.0", "AsyncTogether/Python 3.1.0"])
def test_what_lets_no_error_through_is_told_by_a_response_that_nobody_retries(agent: str) -> None:
    told = spoken(miss(), asking(agent))

    assert told is not None
    assert told.status == 412
    assert ("x-should-retry", "false") in told.headers
    assert told.body.decode() == f"NotRecordedError: {miss()}"


def test_so_is_the_end_of_a_budget() -> None:
    error = UnknownPriceError("gpt-x")

    told = spoken(error, asking("Groq/Python 1.7.0"))

    assert told is not None
    assert told.status == 402
    assert ("x-should-retry", "false") in told.headers
    assert told.body.decode() == f"UnknownPriceError: {error}"
    assert spoken(error, asking("OpenAI/Python 3.57.0")) is None


@pytest.mark.parametrize("agent", [None, "OpenAI/Python 3.57.0", "my Groq/Python agent"])
def test_others_are_raised_to(agent: str | None) -> None:
    assert spoken(miss(), asking(agent)) is None


class OpenAIError(Exception):
    """The SDK's root."""


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def put(sdk: str, release: str) -> None:
        module = ModuleType(sdk)
        module.__dict__.update(
            __version__=release, AnthropicError=AnthropicError, OpenAIError=OpenAIError
        )
        monkeypatch.setitem(sys.modules, sdk, module)

    for sdk in ROOTS:
        monkeypatch.delitem(sys.modules, sdk, raising=False)
    return put


@pytest.mark.parametrize(
    ("sdk", "release"),
    [
        ("openai", "1.3.0"),
        ("openai", "1.109.1"),
        ("openai", "2.30.0"),
        ("anthropic", "0.8.1"),
        ("anthropic", "0.97.0"),
    ],
)
def test_a_release_that_wraps_even_its_own_errors_is_told_by_a_response(
    imported: Callable[[str, str], None], sdk: str, release: str
) -> None:
    imported(sdk, release)

    assert spoken(miss(), asking("Agents/Python 1", release)) is not None
    assert spoken(miss(), asking("Agents/Python 1", "0.0.1")) is None, "of another SDK"
    assert spoken(miss(), asking("Agents/Python 1")) is None, "of no SDK"


@pytest.mark.parametrize(
    ("sdk", "release", "looks"),
    [
        ("openai", "2.31.0", True),
        ("openai", "3.14.0", True),
        ("openai", "3.14.1", False),
        ("openai", "3.57.0", False),
        ("openai", "4.0.0b1", False),
        ("openai", "unknown", False),
        ("anthropic", "0.98.0", True),
        ("anthropic", "2.14.0", True),
    ],
)
def test_a_release_that_lets_its_own_errors_through_gets_one_where_it_looks_at_that(
    imported: Callable[[str, str], None], sdk: str, release: str, *, looks: bool
) -> None:
    imported(sdk, release)

    assert spoken(miss(), asking("OpenAI/Python", release)) is None
    assert isinstance(let_through(miss()), (OpenAIError, AnthropicError)) is looks


def test_both_sdks_see_an_error_of_their_own(imported: Callable[[str, str], None]) -> None:
    imported("openai", "2.54.0")
    imported("anthropic", "2.14.0")
    shown = let_through(miss())

    assert isinstance(shown, OpenAIError)
    assert isinstance(shown, AnthropicError)
    assert isinstance(shown, NotRecordedError)
