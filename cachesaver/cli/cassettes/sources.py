"""What a command line names: a cassette, another tool's recording, a folder of them, or a store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cachesaver.cassettes.imports import Answer, Verdict, judged
from cachesaver.cassettes.names import SUFFIX
from cachesaver.cassettes.readers import Interaction, format_of, plain_text, read
from cachesaver.cassettes.readers.ours import interaction_of
from cachesaver.cassettes.transfer import answers_in, answers_of, errors_in
from cachesaver.cli.opening import existing_store
from cachesaver.errors import CassetteError, ConfigurationError
from cachesaver.options import Rules
from cachesaver.stores.directory import MARKER

__all__ = [
    "answers",
    "cassettes",
    "content_of",
    "errors",
    "interactions",
    "is_ours",
    "is_store",
    "recordings",
    "verdicts",
]

SUFFIXES: Final = (
    *(SUFFIX, ".yaml", ".yml", ".json", ".toml", ".har", ".httprr"),
    *(".yaml.gz", ".yml.gz", ".json.gz", ".httprr.gz"),
)
"""Of the files in a folder that may be recordings."""


def is_store(named: str) -> bool:
    """Tell whether *named* is a store: a URL, or the directory of one."""
    return "://" in named or (Path(named) / MARKER).exists()


def is_ours(named: str) -> bool:
    """Tell whether the file that is *named* is a cassette of ours."""
    return format_of(content_of(Path(named)), location=named) == "cachesaver"


def content_of(path: Path) -> bytes:
    """Return what the file at *path* holds.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or error}") from error


def answers(named: str, *, hosts: Sequence[str] = (), rules: Rules | None = None) -> list[Answer]:
    """Return the answers of what is *named*, as they stand there, or as an import would keep them.

    Raises:
        ConfigurationError, CassetteError, StoreError: It cannot be read.
    """
    if is_store(named):
        with existing_store(named) as store:
            return list(answers_of(store))
    path = Path(named)
    if is_ours(named):
        return list(answers_in(path))
    return [
        each for verdict in verdicts(path, hosts=hosts, rules=rules) for each in verdict.answers
    ]


def errors(named: str) -> list[Answer]:
    """Return the errors of providers in what is *named*; none but a cassette of ours keeps any."""
    return list(errors_in(Path(named))) if not is_store(named) and is_ours(named) else []


def verdicts(
    path: Path, *, hosts: Sequence[str] = (), rules: Rules | None = None
) -> Iterator[Verdict]:
    """Iterate what becomes of the interactions of the recording at *path*."""
    return judged(read(content_of(path), location=str(path)), hosts=hosts, rules=rules)


def interactions(named: str) -> list[Interaction]:
    """Return the interactions of what is *named*.

    Raises:
        ConfigurationError, CassetteError, StoreError: It cannot be read.
    """
    if is_store(named):
        return [interaction_of(each.question, each.sample) for each in answers(named)]
    return list(read(content_of(Path(named)), location=named))


def recordings(named: Sequence[str]) -> Iterator[Path]:
    """Iterate the files that are *named*, and in folders those that are recordings of any format.

    Raises:
        ConfigurationError, CassetteError: A file that is named cannot be read.
    """
    for each in named:
        path = Path(each)
        if path.is_dir():
            yield from (file for file in _files(path) if _is_recording(file))
        else:
            format_of(content_of(path), location=each)
            yield path


def cassettes(named: Sequence[str]) -> Iterator[Path]:
    """Iterate the cassettes that are *named*, and those in folders.

    Raises:
        ConfigurationError: One that is named cannot be read.
    """
    for each in named:
        path = Path(each)
        if path.is_dir():
            yield from (file for file in _files(path) if file.suffix == SUFFIX)
        else:
            content_of(path)
            yield path


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.name.endswith(SUFFIXES))
    return sorted(path for path in found if path.is_file())


def _is_recording(path: Path) -> bool:
    """Tell whether the file at *path* is one, or was before it was damaged: that is said later."""
    content, location = content_of(path), str(path)
    try:
        format_of(content, location=location)
    except CassetteError as error:
        if "no JSON, YAML or TOML" in str(error):
            signs = _SIGNS.search(plain_text(content, location=location))
            return path.suffix == SUFFIX or signs is not None
        return "no recording that we can read" not in str(error)
    return True


_SIGNS: Final = re.compile(
    rb"""^(?:http_)?interactions:|"(?:http_)?interactions"\s*:|"Entries"\s*:|"log"\s*:\s*\{|"""
    rb'"cachesaver cassette"',
    re.MULTILINE,
)
"""What stands in recordings of JSON and YAML (`readers.FORMATS`), readable or not."""
