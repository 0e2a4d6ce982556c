# What is planted is planted in few words:
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cachesaver import stores
from cachesaver.errors import ConfigurationError, StoreUnavailableError
from cachesaver.ports import Store
from cachesaver.stores import open_store
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.memory import MemoryStore


def theirs(url: str) -> Store:
    """Stand for what an installed package brings."""
    store = MemoryStore()
    store.url = url  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return store


def test_memory_is_a_store_in_memory() -> None:
    assert isinstance(open_store("memory://"), MemoryStore)


@pytest.mark.parametrize("form", ["lmdb://{}", "{}"])
def test_a_path_is_an_lmdb_store(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(tmp_path / "a b"))

    assert repr(store) == f"<LmdbStore {tmp_path / 'a b'}>"
    store.close()


def test_a_path_in_a_url_may_be_quoted(tmp_path: Path) -> None:
    store = open_store(f"lmdb://{tmp_path}/a%20b")

    assert (tmp_path / "a b").is_dir()
    store.close()


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_it_is_a_directory_of_the_user(
    url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "theirs")

    store = open_store(url)

    assert isinstance(store, LmdbStore)
    assert (tmp_path / "theirs" / "cachesaver.json").exists()
    store.close()


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("nope://x", "write one of lmdb://, memory://"),
        ("memory://x", "write memory://"),
        ("lmdb://relative/path", "write lmdb:///absolute/path"),
        ("lmdb:///x?y=1", "write lmdb:///absolute/path"),
    ],
)
def test_a_url_that_means_nothing_is_refused_with_advice(url: str, advice: str) -> None:
    with pytest.raises(ConfigurationError, match=advice):
        open_store(url)


def test_an_installed_package_may_bring_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="theirs", value=f"{__name__}:theirs", group="cachesaver.stores")
    monkeypatch.setattr(EntryPoint, "load", lambda _: theirs)
    monkeypatch.setattr(stores, "plugins", lambda _: (point,))

    store = open_store("theirs://host/7")

    assert vars(store)["url"] == "theirs://host/7"
    with pytest.raises(ConfigurationError, match="lmdb://, memory://, theirs://"):
        open_store("nope://")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cachesaver.stores.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lmdb", None)

    with pytest.raises(StoreUnavailableError, match=r"pip install lmdb"):
        open_store(str(tmp_path))
