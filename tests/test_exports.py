"""What is public: `__all__` of each module is true, and the root's is short."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import cachesaver
import cachesaver.transports

HEAVY = {
    *("aiohttp", "anthropic", "botocore", "google", "httpcore", "httpx", "httpx2", "openai"),
    *(
        "genai_prices",
        "requests",
        "urllib3",
        "lmdb",
        "redis",
        "sqlite3",
        "asyncio",
        "starlette",
        "torch",
        "transformers",
        "uvicorn",
    ),
}
"""What a program that never calls a provider should not pay for."""

TOO_LARGE = {"torch", "transformers"}
"""What the environment of the tests may lack, though a module of ours needs it."""


def module_names() -> list[str]:
    """Return every module of ours; a walk does not see the link in a checkout without symlinks."""
    roots = (cachesaver, cachesaver.transports)
    walks = [pkgutil.walk_packages(root.__path__, f"{root.__name__}.") for root in roots]
    names = {module.name for walk in walks for module in walk}
    return sorted(names | {root.__name__ for root in roots})


def load(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in TOO_LARGE:
            raise
        pytest.skip(f"needs {error.name}, which is too large to be installed with the others")


def test_both_trees_are_walked() -> None:
    assert {"cachesaver.exchange", "cachesaver.transports.testing"} <= set(module_names())


@pytest.mark.parametrize("name", module_names())
def test_what_a_module_calls_public_exists(name: str) -> None:
    module = load(name)

    public: list[str] = getattr(module, "__all__", [])

    assert [each for each in public if not hasattr(module, each)] == []
    assert len(set(public)) == len(public)


@pytest.mark.parametrize("name", module_names())
def test_a_module_with_public_definitions_says_which(name: str) -> None:
    module = load(name)

    defined = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_") and getattr(value, "__module__", None) == name
    }

    assert not defined or hasattr(module, "__all__"), f"{name} has no __all__: {sorted(defined)}"


def test_the_root_exports_about_a_dozen_names() -> None:
    assert 1 <= len(cachesaver.__all__) <= 18


def test_importing_it_costs_no_client_and_no_backend() -> None:
    """Given a fresh interpreter, when cachesaver is imported, then nothing heavy came with it."""
    program = "import cachesaver, sys; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name},
        capture_output=True,
        text=True,
        check=True,
    )

    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
