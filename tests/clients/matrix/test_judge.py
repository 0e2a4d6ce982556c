"""Each column can fail: what was seen is spotless, then one thing of it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matrix.judge import judge
from matrix.table import COLUMNS, Row

ROW = Row(way="sync", client="httpx", hook="httpx")
PASSING = Row(
    way="sync",
    client="reqwest",
    hook="",
    passes="nobody sees it",
    apart={"warm": "never", "cassette": "never"},
)
UNSEEN = Row(
    way="sync", client="reqwest", hook="", passes="nobody sees it", apart={"warm": "never"}
)

RAISED: Any = {"raised": "sdk.Error", "own": True, "told": "no", "stored": 0, "hasty": True}
AGAIN: Any = {"said": "an answer", "once": True, "first": True}


def seen() -> dict[str, Any]:
    """What processes saw in which all went well."""
    failing = {"broke": RAISED, "broke, retried": AGAIN}
    cold = {"said": ["one", "two"], "calls": 2, "stored": 2}
    pieces = {"pieces": ["o", "ne"], "whole": "text", "crossed": "text"}
    stream = {"said": pieces, "calls": 2, "stored": 2}
    rest = {name: {"said": failing, "calls": 2, "stored": 1} for name in COLUMNS[3:6]}
    first: dict[str, Any] = {
        "cold": cold,
        "stream": stream,
        **rest,
        "complaints": [],
        "seen": ["httpx on httpx"],
    }
    live = {**first, "stream": {"said": {"pieces": ["o", "ne"]}, "calls": 1, "stored": 0}}
    second: dict[str, Any] = {
        "cold": {**cold, "calls": 0, "stored": 0},
        "stream": {**stream, "calls": 0, "stored": 0},
        "complaints": [],
    }
    recorded: dict[str, Any] = {"cold": cold, "stream": stream, "complaints": [], "unused": 0}
    acts = {
        "live": live,
        "first": first,
        "second": second,
        "recorded": recorded,
        "replayed": {**recorded, "cold": {**cold, "calls": 0, "stored": 0}},
    }
    # Written and read, so that nothing is shared.
    said: dict[str, Any] = json.loads(json.dumps(acts))
    return said


def faults(row: Row, told: Any) -> dict[str, str]:
    return {column: fault for column, fault in judge(row, told).items() if fault}


def test_nothing_is_wrong_where_nothing_is() -> None:
    assert judge(ROW, seen()) == dict.fromkeys(COLUMNS, "")


WRONG: dict[str, tuple[str, str, Any]] = {
    # what is put where, and the column that must tell
    "another answer than live": ("cold", "first/cold/said", ["one", "three"]),
    "a call too many": ("cold", "first/cold/calls", 3),
    "a sample too few": ("cold", "first/cold/stored", 1),
    "a warning of ours": ("cold", "first/complaints", ["the store failed"]),
    "another hook than the row says": ("cold", "first/seen", ["httpx on httpx2"]),
    "nobody who saw it": ("cold", "first/seen", []),
    "a program that broke": ("cold", "first/cold", {"broken": "Traceback\nValueError: x"}),
    "another answer than before": ("warm", "second/cold/said", ["one", "three"]),
    "a call of the second process": ("warm", "second/cold/calls", 1),
    "a warning in the second process": ("warm", "second/complaints", ["the store failed"]),
    "other pieces than live": ("stream", "first/stream/said/pieces", ["one"]),
    "a stream that is not the sample": ("stream", "first/stream/said/crossed", "other"),
    "a stream without text": ("stream", "first/stream/said/whole", ""),
    "a stream that is bought again": ("stream", "second/stream/calls", 1),
    "another exception than live": ("error", "first/error/said/broke/raised", "ours.Error"),
    "another message than live": ("error", "first/error/said/broke/told", "yes"),
    "an exception of nobody's": ("error", "first/error/said/broke/own", False),
    "an error that is stored": ("timeout", "first/timeout/said/broke/stored", 1),
    "a limit that does not hold": ("timeout", "first/timeout/said/broke/hasty", False),
    "a retry that is another draw": ("timeout", "first/timeout/said/broke, retried/first", False),
    "a retry that is not stored": ("cancel", "first/cancel/said/broke, retried/once", False),
    "another answer than was recorded": ("cassette", "replayed/cold/said", ["one", "three"]),
    "another stream than was recorded": ("cassette", "replayed/stream/said/pieces", ["one"]),
    "a call that was not recorded": ("cassette", "recorded/cold/stored", 1),
    "a replay that broke": ("cassette", "replayed/stream", {"broken": "Traceback\nValueError: x"}),
    "an answer that nobody asked for": ("cassette", "replayed/unused", 1),
    "a warning while recording": ("cassette", "recorded/complaints", ["the store failed"]),
    "a warning while replaying": ("cassette", "replayed/complaints", ["the store failed"]),
    "another answer to the retry": ("cancel", "first/cancel/said/broke, retried/said", "other"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_column_tells_what_is_wrong_in_it(wrong: str) -> None:
    column, path, value = WRONG[wrong]
    told = seen()
    put(told, path, value)
    if column == "stream" and path.startswith("first") and "pieces" in path:
        told["second"]["stream"]["said"]["pieces"] = value
    if path == "first/cold/said":
        told["second"]["cold"]["said"] = value

    found = faults(ROW, told)

    assert column in found
    assert found.keys() <= {column, "warm", "stream"} if "cold" in path else {column}


def put(told: Any, path: str, value: Any) -> None:
    *parents, name = path.split("/")
    for parent in parents:
        told = told[parent]
    told[name] = value


def test_what_differs_at_every_call_is_no_fault() -> None:
    told = seen()
    told["live"]["cold"]["said"] = ["req_00112233445566", "ab" * 16]
    told["first"]["cold"]["said"] = told["second"]["cold"]["said"] = ["req_ffeeddccbb", "cd" * 16]

    assert faults(ROW, told) == {}


def test_what_passes_through_must_be_as_live_and_nowhere() -> None:
    told = seen()
    told["first"]["seen"] = []
    for act in told["first"].values():
        if isinstance(act, dict):
            act["stored"] = 0
    told["first"]["error"]["said"]["broke, retried"] |= {"once": False, "first": False}
    assert faults(PASSING, told) == {}

    told["first"]["error"]["stored"] = 1
    told["first"]["timeout"]["said"]["broke"] = {**RAISED, "raised": "ours.Error"}

    assert faults(PASSING, told).keys() == {"error", "timeout"}

    told["first"]["seen"] = ["httpx on httpx"]

    assert "cold" in faults(PASSING, told)


def unseen() -> dict[str, Any]:
    """What was seen of calls that no hook sees."""
    told = seen()
    for act in ("cold", "stream", "error", "timeout", "cancel"):
        told["first"][act]["stored"] = 0
    told["first"]["seen"] = []
    told["recorded"]["cold"]["stored"] = 0
    told["replayed"] = {
        "cold": {"broken": "Traceback\nEscapeError: x"},
        "complaints": ["cachesaver: POST http://x.test was not reached, by sdk: it asks a model."],
    }
    return told


def test_what_nobody_sees_is_refused_by_a_replay() -> None:
    assert faults(UNSEEN, unseen()) == {}


ESCAPES: dict[str, tuple[str, Any]] = {
    "one that left by a replay": ("replayed/cold", {"said": ["one", "two"]}),
    "one that failed by itself": ("replayed/complaints", []),
    "one that was refused for another reason": ("replayed/complaints", ["the store failed"]),
    "one that was refused before": ("recorded/cold", {"broken": "Traceback\nEscapeError: x"}),
    "one that was recorded": ("recorded/cold/stored", 1),
    "a warning while recording": ("recorded/complaints", ["the store failed"]),
}


@pytest.mark.parametrize("wrong", ESCAPES)
def test_what_nobody_sees_and_is_not_refused_is_told(wrong: str) -> None:
    told = unseen()
    put(told, *ESCAPES[wrong])

    assert faults(UNSEEN, told).keys() == {"cassette"}


def test_what_does_not_apply_is_not_judged() -> None:
    row = Row(way="sync", client="httpx", hook="httpx", apart={"stream": "it has none"})
    told = seen()
    del told["first"]["stream"], told["second"]["stream"]

    assert "stream" not in judge(row, told)
