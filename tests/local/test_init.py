"""What `cachesaver.local` gives by its own name, and what it costs to import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cachesaver.local
from cachesaver.local import mounting


def test_mount_has_its_short_name() -> None:
    assert cachesaver.local.mount is mounting.mount
    assert cachesaver.local.Mounted is mounting.Mounted


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match=r"'cachesaver\.local' has no attribute 'mounted'"):
        cachesaver.local.mounted  # type: ignore[attr-defined]  # noqa: B018


SCRIPT = """
import sys
import cachesaver.local
assert "cachesaver.local.mounting" not in sys.modules
from cachesaver.local import mount
assert callable(mount)
print(*sorted({"torch", "transformers", "starlette", "uvicorn", "pydantic"} & set(sys.modules)))
"""


def test_nothing_heavy_is_imported_for_it() -> None:
    """Given a process that only names `mount`, then neither torch nor a server is imported."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )

    assert (ran.stdout.strip(), ran.stderr) == ("", "")
