"""`cachesaver cassette import` and `export`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from cachesaver.cassettes.exports import WRITERS
from cachesaver.cassettes.imports import Answer, Verdict
from cachesaver.cassettes.names import SUFFIX
from cachesaver.cassettes.transfer import add_to_cassette, add_to_store
from cachesaver.cli.cassettes.sources import (
    SUFFIXES,
    answers,
    errors,
    interactions,
    is_ours,
    is_store,
    recordings,
    verdicts,
)
from cachesaver.cli.tables import counted
from cachesaver.errors import ConfigurationError
from cachesaver.settings import Settings, settings
from cachesaver.stores import open_store

__all__ = ["export_", "import_"]


def import_(arguments: argparse.Namespace) -> int:
    """Make cassettes of what is named; 1 if there was no answer in it."""
    source, target = str(arguments.source), Path(arguments.target)
    chosen = settings(
        hosts=arguments.host,
        ignore=arguments.ignore or (),
        blank=arguments.blank or (),
        aliases=dict(map(_alias, arguments.alias or ())),
    )
    if is_store(source) or not Path(source).is_dir():
        return 0 if any(_imported(source, _named(source, target), chosen)) else 1
    if target.is_file():
        raise ConfigurationError(
            f"{source} is a folder, and {target} is a file: name a folder for its cassettes"
        )
    found = [
        (path, target / path.relative_to(source).parent / _name(path))
        for path in recordings([source])
    ]
    counts = [_imported(str(path), cassette, chosen) for path, cassette in found]
    kept, failed = (sum(each[which] for each in counts) for which in (0, 1))
    print(f"{_kinds(kept, failed)} of {counted(len(found), 'recording')}")
    return 0 if kept or failed else 1


def _alias(given: str) -> tuple[str, str]:
    origin, cut, name = given.partition("=")
    if not cut:
        raise ConfigurationError(f"--alias {given} names nothing: write ORIGIN=NAME")
    return origin, name


def _named(source: str, target: Path) -> Path:
    """The cassette to write; in a folder that is there, one named after its source."""
    return target / _name(Path(source)) if target.is_dir() else target


def _name(path: Path) -> str:
    suffix = max((each for each in SUFFIXES if path.name.endswith(each)), key=len, default="")
    return path.name.removesuffix(suffix) + SUFFIX


def _imported(source: str, cassette: Path, chosen: Settings) -> tuple[int, int]:
    """Put the answers of *source* into *cassette*, and its errors; return how many there are of both."""
    failed = errors(source)
    if is_store(source) or is_ours(source):
        found, told = answers(source), list[str]()
    else:
        judged = list(verdicts(Path(source), hosts=chosen.hosts, rules=chosen.rules))
        found, told = [each for one in judged for each in one.answers], list(_remarks(judged))
    if found or failed:
        added = add_to_cassette(cassette, found, failed)
        print(f"{source} -> {cassette}: {_summed(found, failed)}, {added} of them new")
    else:
        print(f"{source}: no answer to keep")
    for line in told:
        print(f"  {line}")
    return len(found), len(failed)


def _summed(found: Sequence[Answer], failed: Sequence[Answer] = ()) -> str:
    questions = len({each.fingerprint for each in (*found, *failed)})
    return f"{_kinds(len(found), len(failed))} to {counted(questions, 'question')}"


def _kinds(answers: int, errors: int) -> str:
    return counted(answers, "answer") + (f" and {counted(errors, 'error')}" if errors else "")


def _remarks(judged: Iterable[Verdict]) -> Iterator[str]:
    """Iterate what is kept out, and what the rest has lost: one line for each reason."""
    lost = dict[str, list[int]]()
    for each in judged:
        interaction = each.interaction
        for why in interaction.lossy if each.answers else ():
            lost.setdefault(why, []).append(interaction.place)
        if each.reason:
            place = (
                f"{interaction.place}, line {interaction.line}"
                if interaction.line
                else interaction.place
            )
            yield f"kept out: interaction {place}: {interaction.request.summary}: {each.reason}"
    for why, places in lost.items():
        yield f"lossy: {why} (interaction {', '.join(map(str, places[:9]))}{', …' if places[9:] else ''})"


# --- export

_BY_SUFFIX: Final = {
    ".yaml": "vcrpy",
    ".yml": "vcrpy",
    ".json": "vcrpy-json",
    ".har": "har",
}


def export_(arguments: argparse.Namespace) -> int:
    """Write what is named for another tool, or into a store; 1 if there was nothing in it."""
    source, target = str(arguments.source), str(arguments.target)
    if _format(arguments.format, target) == "store":
        return _into_store(source, target)
    found = interactions(source)
    text = WRITERS[_format(arguments.format, target)](found)
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(text)
    except OSError as error:
        raise ConfigurationError(
            f"{target} cannot be written: {error.strerror or error}"
        ) from error
    print(f"{source} -> {target}: {counted(len(found), 'interaction')}")
    for why in dict.fromkeys(why for each in found for why in each.lossy):
        count = sum(why in each.lossy for each in found)
        print(f"  lossy: {why} ({counted(count, 'interaction')})")
    return 0 if found else 1


def _format(given: str | None, target: str) -> str:
    found = given or ("store" if is_store(target) else _BY_SUFFIX.get(Path(target).suffix))
    if found is None:
        raise ConfigurationError(
            f"nothing says what to write to {target}: add --format vcrpy, har or store, or name a file "
            "that ends in .yaml, .json or .har"
        )
    return found


def _into_store(source: str, target: str) -> int:
    found = answers(source)
    store = open_store(target)
    try:
        added = add_to_store(store, found)
    finally:
        store.close()
    print(f"{source} -> {target}: {_summed(found)}, {added} of them new")
    if failed := errors(source):
        print(f"  kept out: {counted(len(failed), 'error')}: a store keeps none")
    return 0 if found else 1
