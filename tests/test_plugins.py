"""Entry points of other packages are found, once, whichever group asks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoints
from pathlib import Path

import pytest

from cachesaver import plugins as module
from cachesaver.plugins import DIALECTS, STORES, TRANSPORTS, forget, plugins


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package on the path that brings one of each."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    lines = (f"[{group}]\nacme = acme:{group[-3:]}\n" for group in (DIALECTS, STORES, TRANSPORTS))
    (info / "entry_points.txt").write_text("".join(lines))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.parametrize("group", [DIALECTS, STORES, TRANSPORTS])
def test_what_a_package_brings_is_found(package: None, group: str) -> None:
    assert [each.value for each in plugins(group) if each.name == "acme"] == [f"acme:{group[-3:]}"]


def test_the_packages_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = list[None]()

    def look() -> EntryPoints:
        reads.append(None)
        return EntryPoints()

    monkeypatch.setattr(module, "entry_points", look)

    for group in (DIALECTS, STORES, TRANSPORTS, DIALECTS):
        plugins(group)

    assert len(reads) == 1
