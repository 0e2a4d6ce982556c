"""Which cassette a test has, and where it lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachesaver.cassettes.names import file_name

__all__ = ["claim", "folder_of", "name_of", "path_of"]


def folder_of(item: pytest.Item) -> Path:
    """Return where the cassettes of the module of *item* lie."""
    return item.path.parent / str(item.config.getini("cachesaver_cassette_dir"))


def path_of(item: pytest.Item) -> Path:
    """Return where the cassette of *item* lies: as its marker says, or by the name of the test."""
    named = name_of(item)
    if not named:
        _, _, test = item.nodeid.partition("::")
        return folder_of(item) / item.path.stem / file_name(test.replace("::", "."))
    given = Path(named)
    is_name = not given.is_absolute() and given.parent == Path()
    return folder_of(item) / given if is_name else Path(os.path.abspath(given))  # noqa: PTH100


def claim(item: pytest.Item, owners: dict[str, str]) -> Path:
    """Return `path_of` *item*; note in *owners*, by the path without case, that it is its own.

    Raises:
        UsageError: It is another's by accident.
    """
    path = path_of(item)
    if name_of(item):
        return path
    owner = owners.setdefault(str(path).casefold(), item.nodeid)
    if owner != item.nodeid:
        raise pytest.UsageError(
            f"{item.nodeid} and {owner} would share the cassette {path}; "
            "name one of them: @pytest.mark.cassette('another')"
        )
    return path


def name_of(item: pytest.Item) -> str:
    """Return what the marker of *item* calls its cassette, so that others may have it too; or nothing."""
    marker = item.get_closest_marker("cassette")
    return str(marker.args[0]) if marker is not None and marker.args else ""
