"""Every module has a test module of its own, at the same place in tests/."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[1]

TESTED_ELSEWHERE = {
    "ports": "protocols: their contract classes are run by every implementation",
    "transports/httpx_messages": "the halves of transports/httpx, through its tests",
}
"""Modules without a test module of their own, and where they are tested. It only ever shrinks."""


def modules() -> dict[str, Path]:
    """Return every module that does something, by its path from the package: `stores/lmdb`."""
    trees = {"": ROOT / "cachesaver", "transports/": ROOT / "transports"}
    return {
        prefix + path.relative_to(tree).with_suffix("").as_posix(): path
        for prefix, tree in trees.items()
        for path in sorted(tree.rglob("*.py"))
        if path.relative_to(tree).parts[0] != "transports" and does_something(path)
    }


def does_something(path: Path) -> bool:
    """Tell whether the module at *path* defines a function or a class, not names alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(
        isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for n in tree.body
    )


def is_tested(module: str) -> bool:
    """Tell whether *module* has its test: `stores/lmdb` in `stores/test_lmdb*.py`.

    A package is tested by `test_NAME*.py` beside its folder or `test_init.py` in it; a contract
    class (`testing`, or in it), by the modules that inherit it.
    """
    *folder, name = module.split("/")
    if "testing" in {name, *folder}:
        return True
    if name == "__init__" and folder:
        return bool(
            matches([*folder[:-1]], f"test_{folder[-1]}*.py") or matches(folder, "test_init*.py")
        )
    stem = name.strip("_") if folder or name != "__init__" else "exports"
    return bool(matches(folder, f"test_{stem}.py") or matches(folder, f"test_{stem}_*.py"))


def matches(folder: list[str], pattern: str) -> list[Path]:
    return list((ROOT / "tests").joinpath(*folder).glob(pattern))


def test_every_module_has_its_test_module() -> None:
    untested = {name for name in modules() if not is_tested(name)}

    assert sorted(untested - set(TESTED_ELSEWHERE)) == []


def test_no_exemption_outlives_its_reason() -> None:
    """Given an exempt module that has its tests now, or is gone, then its row goes too."""
    needless = {name for name in TESTED_ELSEWHERE if name not in modules() or is_tested(name)}

    assert sorted(needless) == []
