"""An engine asked for without torch says what to install."""

from __future__ import annotations

import sys

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.local import open_engine


@pytest.fixture(autouse=True)
def _not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("cachesaver.local.")]:
        if name != "cachesaver.local.opening":
            monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_what_is_missing_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys.modules.get("torch", sys))
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigurationError, match=rf"needs {missing}, .*\n.*cachesaver\[local\]"):
        open_engine(object())


def test_what_is_broken_for_another_reason_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cachesaver.local.choosing", None)

    with pytest.raises(ModuleNotFoundError, match=r"cachesaver\.local\.choosing"):
        open_engine(object())
