"""Recordings of other tools, read: whatever the file is, an iterator of interactions. Pure.

Used like::

    for interaction in read(path.read_bytes(), location=str(path)):
        interaction.request, interaction.response, interaction.lossy

A format is known by the keys at its top, not by the name of its file. To read one more, write a module
with a `claims` and a `read` and give it a row in `FORMATS`; another package names it as an entry point in
the group `cachesaver.readers`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from cachesaver.cassettes.readers import (
    azure,
    cassetter,
    go_vcr,
    har,
    httprr,
    ours,
    rig,
    ruby_vcr,
    vcrpy,
)
from cachesaver.cassettes.readers.texts import Document, documents
from cachesaver.cassettes.readers.values import Interaction
from cachesaver.errors import CassetteError
from cachesaver.plugins import READERS, plugins

__all__ = ["FORMATS", "Document", "Interaction", "format_of", "plain_text", "read"]

Claims = Callable[[Mapping[str, Any]], bool]
"""Tells from the mapping at the top of a file whether it is of this format."""

Read = Callable[[list[Document], str], Iterator[Interaction]]
"""Takes the documents of a file, and its name; iterates its interactions in their order."""

FORMATS: Final[Mapping[str, tuple[Claims, Read]]] = MappingProxyType(
    {
        # name: whether the mapping at the top of a file is its, and its reader. The first that claims.
        "cassetter": (cassetter.claims, cassetter.read),
        "go-vcr": (go_vcr.claims, go_vcr.read),
        "vcrpy": (vcrpy.claims, vcrpy.read),
        "ruby-vcr": (ruby_vcr.claims, ruby_vcr.read),
        "har": (har.claims, har.read),
        "azure-session": (azure.claims, azure.read),
        "rig": (rig.claims, rig.read),
    }
)
"""Formats that are JSON, YAML or TOML."""

_ReadDump = Callable[[bytes, str], Iterator[Interaction]]

_DUMPS: Final[Mapping[str, tuple[tuple[bytes, ...], _ReadDump]]] = MappingProxyType(
    {
        # name: what its files begin with, and its reader
        "cachesaver": (ours.BEGINNING, ours.read),
        "httprr": (httprr.BEGINNING, httprr.read),
    }
)
"""Formats that are their own."""


def read(content: bytes, *, location: str) -> Iterator[Interaction]:
    """Iterate the interactions of the file at *location*, in their order; it may be gzipped.

    Raises:
        CassetteError: It is in no format that is known, or damaged; the message says where.
        ConfigurationError: It is YAML, and PyYAML is not installed.
    """
    text = plain_text(content, location=location)
    for beginnings, read_dump in _DUMPS.values():
        if text.startswith(beginnings):
            return _told(read_dump(text, location), location)
    found = documents(text, location=location)
    _, (_, reader) = _format(found, location)
    return _told(reader(found, location), location)


def format_of(content: bytes, *, location: str) -> str:
    """Return the name of the format of the file at *location*: "cachesaver", "vcrpy", "har", ...

    Raises:
        CassetteError, ConfigurationError: As `read`.
    """
    text = plain_text(content, location=location)
    for name, (beginnings, _) in _DUMPS.items():
        if text.startswith(beginnings):
            return name
    name, _ = _format(documents(text, location=location), location)
    return name


def plain_text(content: bytes, *, location: str) -> bytes:
    """Return *content*, without gzip where it is in it.

    Raises:
        CassetteError: It was cut off.
    """
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(location, error) from error


def _format(found: list[Document], location: str) -> tuple[str, tuple[Claims, Read]]:
    top = found[0].value if found else None
    known = {**_brought(), **FORMATS}
    if isinstance(top, dict):
        for name, (claims, reader) in known.items():
            if claims(top):  # pyright: ignore[reportUnknownArgumentType]  # keys of any type
                return name, (claims, reader)
    names = ", ".join((*_DUMPS, *known))
    raise CassetteError(
        f"{location} is no recording that we can read: it is none of {names}; name another file.",
        location=location,
    )


def _brought() -> dict[str, tuple[Claims, Read]]:
    """Return the formats that other packages bring; they are tried before ours."""
    loaded: list[tuple[str, Any]] = [(each.name, each.load()) for each in plugins(READERS)]
    return {name: (module.claims, module.read) for name, module in loaded}


def _told(reading: Iterator[Interaction], location: str) -> Iterator[Interaction]:
    """Iterate *reading*; what it stumbles over becomes one error that names the place."""
    place = 0
    try:
        for interaction in reading:
            place = interaction.place + 1
            yield interaction
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(f"{location}, interaction {place}", error) from error


def _damaged(location: str, error: Exception) -> CassetteError:
    return CassetteError(
        f"{location} is damaged, or written by hand ({type(error).__name__}: {error}); mend it, or "
        "leave it out.",
        location=location,
    )
