"""What is shipped: packages, the link of the transports, the version, the contents of a wheel."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

source_tree = pytest.mark.source_tree


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def dotted(folder: Path, *, inside: Path, name: str) -> str:
    return ".".join((name, *folder.relative_to(inside).parts))


def packages(top: str, name: str) -> set[str]:
    """Return every package under the folder *top* of the repository, which is called *name*."""
    inside = ROOT / top
    return {
        dotted(path.parent, inside=inside, name=name)
        for path in inside.rglob("__init__.py")
        if "transports" not in path.relative_to(inside).parts
    }


@source_tree
def test_the_packages_listed_are_those_on_disk() -> None:
    on_disk = packages("cachesaver", "cachesaver") | packages("transports", "cachesaver.transports")

    listed = settings()["tool"]["setuptools"]["packages"]

    assert listed == sorted(on_disk)


@source_tree
def test_link_and_mapping_lead_to_the_same_folder() -> None:
    """Given a checkout without symlinks, then the file in the link's place names the target."""
    link = ROOT / "cachesaver" / "transports"

    target = link.readlink() if link.is_symlink() else Path(link.read_text(encoding="utf-8"))

    assert target.as_posix() == "../transports"
    assert settings()["tool"]["setuptools"]["package-dir"] == {
        "cachesaver.transports": "transports"
    }
    assert (link.parent / target).resolve() == (ROOT / "transports").resolve()


@source_tree
def test_transports_have_one_name_only() -> None:
    """Given the repository's root on the path, when `transports` is imported, then it refuses."""
    done = subprocess.run(
        [sys.executable, "-c", "import transports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "ImportError: this package is called 'cachesaver.transports'" in done.stderr


def test_all_that_is_imported_comes_from_one_place() -> None:
    """Given where the code under test lies, then no module of ours was loaded from elsewhere.

    CACHESAVER_TESTED=installed, set by .ci/run, asks for an installed wheel.
    """
    installed = os.environ.get("CACHESAVER_TESTED") == "installed"
    allowed = (
        [Path(sysconfig.get_path("purelib")) / "cachesaver"]
        if installed
        else [ROOT / "cachesaver", ROOT / "transports"]
    )

    ours = [m for name, m in sys.modules.items() if name.partition(".")[0] == "cachesaver"]

    files = [Path(m.__file__).resolve() for m in ours if m.__file__]
    assert files
    assert [f for f in files if not any(f.is_relative_to(a.resolve()) for a in allowed)] == []


def test_the_version_stands_in_one_place() -> None:
    assert importlib.import_module("cachesaver").__version__ == version("cachesaver")


@source_tree
def test_the_installed_version_is_the_one_of_this_tree() -> None:
    assert version("cachesaver") == settings()["project"]["version"], "install again: make test"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return a wheel built from a copy of this tree, by the build backend itself (no network)."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-c", BUILD, str(ROOT), str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (file,) = (folder / "dist").glob("*.whl")
    return zipfile.ZipFile(file)


BUILD = """
import os, shutil, sys
from setuptools import build_meta
root, folder = sys.argv[1:]
dull = shutil.ignore_patterns("__pycache__", "*.egg-info")
for name in ("cachesaver", "transports"):
    shutil.copytree(f"{root}/{name}", f"{folder}/tree/{name}", symlinks=True, ignore=dull)
for name in ("pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(f"{root}/{name}", f"{folder}/tree")
os.mkdir(f"{folder}/dist")
os.chdir(f"{folder}/tree")
build_meta.build_wheel(f"{folder}/dist")
"""


@source_tree
def test_a_wheel_holds_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    modules = {
        f"cachesaver/{path.relative_to(ROOT / 'cachesaver').as_posix()}"
        for path in (ROOT / "cachesaver").rglob("*.py")
        if "transports" not in path.relative_to(ROOT / "cachesaver").parts
    }
    adapters = {
        f"cachesaver/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "transports").rglob("*.py")
    }

    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert shipped == modules | adapters | {"cachesaver/py.typed"}


@source_tree
def test_a_wheel_says_who_may_use_it_and_how_it_is_called(wheel: zipfile.ZipFile) -> None:
    names = {name.partition(".dist-info/")[2] for name in wheel.namelist()}

    assert {"licenses/LICENSE", "entry_points.txt", "METADATA"} <= names
