"""The reference says what the code says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.source_tree

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
GENERATE: dict[str, Any] = runpy.run_path(str(REFERENCE / "generate.py"))


@pytest.mark.parametrize("page", sorted(GENERATE["PAGES"]))
def test_a_generated_page_is_up_to_date(page: str) -> None:
    made = GENERATE["regenerated"](page)

    assert (REFERENCE / page).read_text(encoding="utf-8") == made, (
        "run: python docs/reference/generate.py"
    )


def test_every_variable_of_the_environment_is_described() -> None:
    """Given every CACHESAVER_… name in the code, then the page has these and no others."""
    sources = [*(ROOT / "cachesaver").rglob("*.py"), *(ROOT / "transports").rglob("*.py")]
    used = {name for path in sources for name in variables(path)}

    assert variables(REFERENCE / "environment.md") == used


def variables(path: Path) -> set[str]:
    return set(re.findall(r"CACHESAVER_[A-Z]+", path.read_text(encoding="utf-8")))


def test_every_variable_of_a_cluster_is_described() -> None:
    from cachesaver.runs import RANKS

    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")

    assert [name for name in RANKS if f"`{name}`" not in page] == []


def test_every_field_of_a_sample_is_described() -> None:
    from cachesaver.exchange import Sample

    page = (REFERENCE / "files.md").read_text(encoding="utf-8")

    assert [name for name in Sample.__dataclass_fields__ if f"`{name}`" not in page] == []
