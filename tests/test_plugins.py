"""Entry points of other packages are found, once, whichever group asks."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from cachesaver.plugins import DIALECTS, READERS, STORES, TRANSPORTS, forget, plugins

GROUPS = [DIALECTS, READERS, STORES, TRANSPORTS]


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
    lines = (f"[{group}]\nacme = acme:{group[-3:]}\n" for group in GROUPS)
    (info / "entry_points.txt").write_text("".join(lines))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


@pytest.mark.parametrize("group", GROUPS)
def test_what_a_package_brings_is_found(package: None, group: str) -> None:
    assert [each.value for each in plugins(group) if each.name == "acme"] == [f"acme:{group[-3:]}"]


def test_the_packages_are_read_once(package: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(STORES)
    monkeypatch.setattr(sys, "path", list[str]())

    assert [each.name for each in plugins(DIALECTS) if each.name == "acme"] == ["acme"]


def test_where_nobody_brings_anything_the_packages_are_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (other / "entry_points.txt").write_text("[console_scripts]\ncachesaver-like = other:main\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "missing")])
    monkeypatch.setattr(metadata, "entry_points", _fail)

    assert plugins(STORES) == ()


def test_what_is_no_folder_is_left_to_those_who_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a package in an archive on the path, then it is found."""
    with zipfile.ZipFile(tmp_path / "acme.zip", "w") as archive:
        archive.writestr("acme-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: acme\n")
        archive.writestr("acme-1.0.dist-info/entry_points.txt", f"[{STORES}]\nacme = acme:it\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "acme.zip")])

    assert [each.value for each in plugins(STORES)] == ["acme:it"]


def _fail(**_: object) -> None:
    raise AssertionError("the packages were parsed")
