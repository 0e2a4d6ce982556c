"""The table is sound, and the page names the whole table."""

from __future__ import annotations

import re

import pytest

from cachesaver.wiring import TRANSPORTS
from matrix.page import PAGE, Found, written
from matrix.table import COLUMNS, SDKS, rows

LINE = re.compile(
    r"^\| (?P<name>[\w-]+) (?P<version>[\w.]+)(?: \((?P<about>[^)]+)\))? \| (?P<way>[^|]+) \|"
)


def test_every_row_is_told_apart() -> None:
    named = [(sdk.title, row.way) for sdk, row in rows()]

    assert len(set(named)) == len(named)


def test_every_hook_is_a_transport_of_ours() -> None:
    known = {where.rpartition(".")[2] for where in TRANSPORTS.values()}

    assert {row.hook for _, row in rows() if row.hook} <= known


def test_who_is_seen_by_nobody_says_why() -> None:
    assert all(row.hook or row.passes for _, row in rows())


def test_every_column_that_does_not_apply_is_one() -> None:
    assert all(set(row.apart) <= set(COLUMNS) for _, row in rows())


@pytest.mark.source_tree
def test_the_page_has_every_row_and_no_other() -> None:
    found = [LINE.match(line) for line in PAGE.read_text("utf-8").splitlines()]
    named = [
        (f"{m['name']} ({m['about']})" if m["about"] else m["name"], m["way"]) for m in found if m
    ]

    assert named == [(sdk.title, row.way) for sdk, row in rows()], "run: make matrix"


@pytest.mark.source_tree
def test_the_page_tells_of_no_failure() -> None:
    assert "**no**" not in PAGE.read_text("utf-8")


def test_a_failure_is_told_with_its_reason() -> None:
    sdk = SDKS[0]
    row = sdk.rows[0]
    found = Found(
        sdk=sdk,
        row=row,
        faults={**dict.fromkeys(COLUMNS, ""), "warm": "2 calls"},
        versions={"openai": "3.57.0", "httpx2": "2.16.2"},
    )

    page = written("<!-- generated -->\n<!-- end -->", [found], "Found today.")

    assert "| openai 3.57.0 | sync | httpx2 2.16.2 | `httpx` | yes | **no** [1] | yes |" in page
    assert "\n1. 2 calls\n" in page
