"""What must have come of the programs: one sentence a column where it did not, nothing where it did."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from matrix.table import COLUMNS, Row

__all__ = ["judge"]

Act = Mapping[str, Any]


def judge(row: Row, acts: Mapping[str, Act]) -> dict[str, str]:
    """Return what is wrong, by column; empty where nothing is. Columns that do not apply are left out.

    Args:
        row: Whose.
        acts: What `matrix.play` returned for it.
    """
    columns = [column for column in COLUMNS if column not in row.apart]
    told = dict[str, Iterator[str]]()
    for column in columns:
        if row.is_refused(column):
            told[column] = _refused(acts)
        else:
            told[column] = _passing(column, acts) if row.passes else _FAULTS[column](acts)
    faults = {column: "; ".join(found) for column, found in told.items()}
    if seen := "; ".join(_seen_by_others(row, acts["first"]["seen"])):
        faults["cold"] = "; ".join(filter(None, (seen, faults["cold"])))
    return faults


def _seen_by_others(row: Row, seen: Sequence[str]) -> Iterator[str]:
    """Tell where the row does not say by which hook its requests are seen, and on which client."""
    client = {"httpx": row.client, "urllib3": "urllib3"}.get(row.hook, "")
    expected = f"{row.hook} on {client}" if client else row.hook
    if list(seen) != ([] if row.passes else [expected]):
        yield f"seen by {', '.join(seen) or 'nobody'}"


def _passing(column: str, acts: Mapping[str, Act]) -> Iterator[str]:
    """Tell where what is none of our business is not as it is without us."""
    live, first = acts["live"][column], acts["first"][column]
    yield from _broken(live, first)
    if "broken" not in live and "broken" not in first:
        yield from _differing("", _unseen(live["said"]), _unseen(first["said"]))
    if first.get("stored"):
        yield f"{first['stored']} stored"


def _refused(acts: Mapping[str, Act]) -> Iterator[str]:
    """Tell where what no hook answers was stopped while a cassette was recorded, or left by its replay."""
    recorded, replayed = acts["recorded"], acts["replayed"]
    yield from recorded["complaints"]
    yield from _broken(recorded["cold"])
    if recorded["cold"].get("stored"):
        yield f"{recorded['cold']['stored']} recorded"
    if "broken" not in replayed["cold"] or not any(map(_REFUSAL.search, replayed["complaints"])):
        yield "not refused by a replay"


_REFUSAL = re.compile(r"^cachesaver: POST \S+ was not reached, by ")


def _unseen(said: Any) -> Any:
    """Return *said* without what only who is seen can say."""
    if not isinstance(said, dict):
        return _unnumbered(said)
    every = cast("dict[str, Any]", said)
    return {name: _unseen(each) for name, each in every.items() if name not in _OURS}


_OURS = frozenset({"crossed", "first", "once", "whole"})


def _cold(acts: Mapping[str, Act]) -> Iterator[str]:
    yield from acts["first"]["complaints"]
    live, first = acts["live"]["cold"], acts["first"]["cold"]
    yield from _as_live(live, first)
    if "broken" not in first and (first["calls"], first["stored"]) not in {(2, 2), (1, 1)}:
        yield f"{first['calls']} calls, {first['stored']} samples"


def _warm(acts: Mapping[str, Act]) -> Iterator[str]:
    yield from acts["second"]["complaints"]
    yield from _again(acts, "cold")


def _stream(acts: Mapping[str, Act]) -> Iterator[str]:
    live, first = acts["live"]["stream"], acts["first"]["stream"]
    yield from _broken(live, first)
    if "broken" in live or "broken" in first:
        return
    said = first["said"]
    yield from _differing("", _unnumbered(live["said"]["pieces"]), _unnumbered(said["pieces"]))
    if not said["whole"] or said["whole"] != said["crossed"]:
        yield f"recorded whole {said['whole']!r}, streamed {said['crossed']!r}"
    if (first["calls"], first["stored"]) != (2, 2):
        yield f"{first['calls']} calls, {first['stored']} samples"
    yield from _again(acts, "stream")


def _cassette(acts: Mapping[str, Act]) -> Iterator[str]:
    recorded, replayed = acts["recorded"], acts["replayed"]
    yield from recorded["complaints"]
    yield from replayed["complaints"]
    for program in ("cold", "stream"):
        yield from _broken(recorded[program], replayed[program])
        if "broken" not in recorded[program] and "broken" not in replayed[program]:
            yield from _differing(program, recorded[program]["said"], replayed[program]["said"])
    if recorded["cold"].get("calls") != recorded["cold"].get("stored"):
        yield f"{recorded['cold'].get('calls')} calls, {recorded['cold'].get('stored')} recorded"
    if replayed["unused"]:
        yield f"{replayed['unused']} answers that were recorded and not asked for"


def _error(acts: Mapping[str, Act]) -> Iterator[str]:
    yield from _failures(acts, "error")


def _timeout(acts: Mapping[str, Act]) -> Iterator[str]:
    yield from _failures(acts, "timeout")


def _cancel(acts: Mapping[str, Act]) -> Iterator[str]:
    yield from _failures(acts, "cancel")


_FAULTS = {
    "cold": _cold,
    "warm": _warm,
    "stream": _stream,
    "error": _error,
    "timeout": _timeout,
    "cancel": _cancel,
    "cassette": _cassette,
}


def _failures(acts: Mapping[str, Act], program: str) -> Iterator[str]:
    """Tell where what was raised, and what a second try got, is not as it is without us."""
    live, first = acts["live"][program], acts["first"][program]
    yield from _as_live(live, first)
    for step, told in () if "broken" in first else first["said"].items():
        if told.get("stored"):
            yield f"{step}: {told['stored']} stored"
        if not told.get("own", True):
            yield f"{step}: {told['raised']} is not the SDK's own"
        if not told.get("hasty", True):
            yield f"{step}: late"
        if not told.get("once", True):
            yield f"{step}: not one call and one sample"
        if not told.get("first", True):
            yield f"{step}: not the same draw"


def _again(acts: Mapping[str, Act], program: str) -> Iterator[str]:
    """Tell where the second process saw anything else than the first, or had to ask."""
    first, second = acts["first"][program], acts["second"][program]
    yield from _broken(first, second)
    if "broken" not in first and "broken" not in second:
        yield from _differing("", first["said"], second["said"])
    if second.get("calls"):
        yield f"{second['calls']} calls by a second process"


_SERIAL = re.compile(
    r"req_[0-9a-f]+|\b[0-9a-f]{32}\b|'date': '[^']*'|, 'cache-status': '[^']*'"
    r'|time taken=[\d.]+|"hasty": (true|false),? ?'
)
"""The number of a request, when it was and how long it took, and the header that we add."""


def _as_live(live: Act, ours: Act) -> Iterator[str]:
    yield from _broken(live, ours)
    if "broken" not in live and "broken" not in ours:
        yield from _differing("", _unnumbered(live["said"]), _unnumbered(ours["said"]))


def _unnumbered(said: Any) -> Any:
    return json.loads(_SERIAL.sub("", json.dumps(said, sort_keys=True)))


def _broken(*told: Act) -> Iterator[str]:
    for each in told:
        if "broken" in each:
            yield each["broken"].strip().rpartition("\n")[2]


def _differing(where: str, one: Any, other: Any) -> Iterator[str]:
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in cast("dict[str, Any]", one):
            yield from _differing(f"{where} {name}".strip(), one[name], other[name])
    else:
        yield f"{where or 'answers'} differ: {_short(one)} and {_short(other)}"


def _short(told: Any) -> str:
    text = json.dumps(told)
    return text if len(text) < 200 else f"{text[:120]} ... {text[-60:]}"
