"""The tables of whose an address is: each row can be read, fits something, and says where it is from."""

from __future__ import annotations

import re

import pytest

from cachesaver.dialects.chat_hosts import CHAT_HOSTS
from cachesaver.dialects.passing import PASSED
from cachesaver.dialects.providers import HOSTS, PATHS, SHARED, Telling


@pytest.mark.parametrize("pattern", HOSTS)
def test_a_host_fits_no_name_that_only_contains_it(pattern: str) -> None:
    host = re.compile(pattern)

    assert not host.fullmatch("")
    assert not host.fullmatch("localhost")
    assert not host.fullmatch("huggingface.co")
    assert HOSTS[pattern]
    assert re.search(r"\\\.[a-z()|?:\\.]+\Z|\)\Z", pattern), "a pattern ends in a fixed domain"


@pytest.mark.parametrize("row", PATHS, ids=lambda row: row.path)
def test_a_path_is_told_by_its_end_and_has_a_source(row: Telling) -> None:
    assert row.path.startswith(("/", "(?::"))
    assert row.source.startswith("https://")
    assert row.methods


def test_shared_hosts_are_rows_of_the_table_they_are_left_out_of() -> None:
    names = {row.name for row in CHAT_HOSTS}

    assert names >= SHARED
    assert not any("snowflake" in pattern or "databricks" in pattern for pattern in HOSTS)


def test_not_every_path_that_passes_tells_a_provider() -> None:
    """Given rows such as `/files`, then they are not taken over: everybody has them."""
    ends = [re.compile(f"(?:{row.path})\\Z") for row in PATHS]

    for path in ("/files", "/collections/c", "/jobs", "/health", "/a.png", "/resolve/main/x"):
        assert any(re.search(f"(?:{row.path})\\Z", path) for row in PASSED)
        assert not any(end.search(path) for end in ends)
