"""File names for the cassettes of tests: readable, and never one for two tests. Pure."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

__all__ = ["SUFFIX", "file_name"]

SUFFIX: Final = ".cassette"

_PLAIN: Final = "[](),=+@ "
"""What no file system objects to, beside letters, digits and `_.-~`."""

_LONGEST: Final = 200
"""Bytes. File systems take 255, and temporary files beside it add to its name."""


def file_name(test: str) -> str:
    """Return a file name for *test*, such as "TestChat.test_it[a/b]"; "TestChat.test_it[a%2Fb].cassette".

    Everything but plain characters is percent-encoded, so that two tests never share a file (but on a
    file system that does not tell case). What would be too long ends in a digest.
    """
    name = quote(test, safe=_PLAIN)
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST - 17]}~{hashlib.sha256(test.encode()).hexdigest()[:16]}"
    return name + SUFFIX
