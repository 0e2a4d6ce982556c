"""A kernel is used where it was seen to be right; where not, there is another way, and a warning."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from cachesaver.local import kernels


def raising() -> str:
    raise ModuleNotFoundError("no Triton")


def test_what_is_right_is_used(caplog: pytest.LogCaptureFixture) -> None:
    found = kernels.find("tokens are drawn", lambda: "kernel", lambda it: it == "kernel")

    assert (found, caplog.text) == ("kernel", "")


@pytest.mark.parametrize(
    ("load", "is_right", "why"),
    [
        (raising, lambda _: True, "ModuleNotFoundError: no Triton"),
        (lambda: "kernel", lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: "kernel", lambda _: False, "it gave something else"),
    ],
)
def test_what_is_not_is_done_without_and_that_is_said(
    load: Callable[[], str],
    is_right: Callable[[str], bool],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert kernels.find("tokens are drawn", load, is_right) is None

    (said,) = caplog.records
    assert said.levelno == logging.WARNING
    assert said.getMessage() == f"tokens are drawn without a kernel of Triton: {why}"
