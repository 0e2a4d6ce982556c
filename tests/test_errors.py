from __future__ import annotations

import pickle

import pytest

from cachesaver import errors
from cachesaver.errors import (
    CachesaverError,
    ConfigurationError,
    DialectError,
    NotRecordedError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
)


def test_every_error_is_one_of_ours_and_stands_in_the_tree_at_the_head() -> None:
    classes = {getattr(errors, name) for name in errors.__all__}

    assert all(issubclass(each, CachesaverError) for each in classes)
    assert all(each.__name__ in str(errors.__doc__) for each in classes)


def test_a_dialect_error_names_its_dialect() -> None:
    error = DialectError("no choices", dialect="openai.chat")

    assert error.dialect == "openai.chat"
    assert str(error) == "openai.chat: no choices"


@pytest.mark.parametrize("kind", [StoreError, StoreUnavailableError, StoreDamagedError])
def test_a_store_error_knows_where(kind: type[StoreError]) -> None:
    error = kind("it is full", location="/data/store")

    assert error.location == "/data/store"
    assert str(error) == "it is full"


def test_a_configuration_error_is_a_sentence() -> None:
    assert str(ConfigurationError("say mode='replay'")) == "say mode='replay'"


def test_what_is_not_recorded_is_told_with_what_to_do() -> None:
    """Given a miss, then the message says what was wanted, what was found, and what to do next."""
    error = NotRecordedError(
        "POST https://api.test/v1",
        fingerprint="0123456789abcdef" * 4,
        namespace="exp1",
        wanted=3,
        free=1,
        near="The nearest differs in temperature.",
    )

    assert (error.fingerprint, error.namespace) == ("0123456789abcdef" * 4, "exp1")
    for part in ("POST https://api.test/v1", "3 sample(s)", "'exp1'", "1 of", "0123456789ab"):
        assert part in str(error)
    assert "The nearest differs in temperature." in str(error)
    assert "mode='cache'" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("say mode='replay'"),
        DialectError("no choices", dialect="openai.chat"),
        StoreDamagedError("it is full", location="/data/store"),
        NotRecordedError("POST x", fingerprint="f", namespace="n", wanted=3, free=1, near="none"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_home_from_worker_processes(error: CachesaverError) -> None:
    """Given an error of a worker, when pickled, then its parent sees it, and is not left hanging."""
    home = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own

    assert type(home) is type(error)
    assert (str(home), vars(home)) == (str(error), vars(error))
