"""Opening a store to look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver.cli.opening import existing_store
from cachesaver.errors import ConfigurationError, StoreUnavailableError


@pytest.mark.parametrize("scheme", ["", "lmdb://"])
def test_looking_makes_no_store(tmp_path: Path, scheme: str) -> None:
    with (
        pytest.raises(ConfigurationError, match="there is no store at"),
        existing_store(f"{scheme}{tmp_path / 'typo'}"),
    ):
        pass

    assert list(tmp_path.iterdir()) == []


def test_the_environment_names_it_too(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHESAVER_STORE", str(filled))

    with existing_store(None) as store:
        assert store.summary().samples == 3


def test_home_may_be_written_short(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(filled.parent))
    monkeypatch.setenv("USERPROFILE", str(filled.parent))

    with existing_store(f"~/{filled.name}") as store:
        assert store.summary().samples == 3


def test_a_store_in_memory_is_there_and_empty() -> None:
    with existing_store("memory://") as store:
        assert store.summary().samples == 0


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")

    with (
        pytest.raises(StoreUnavailableError, match="no cachesaver store"),
        existing_store(str(tmp_path)),
    ):
        pass

    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
