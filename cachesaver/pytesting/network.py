"""Tests that may not leave this process: while they run, and in the threads they leave behind.

The meaning of `--block-network`, of its hosts and of the marker is pytest-recording's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import thread as pools
from contextlib import contextmanager
from typing import Any, Final, cast

import pytest

from cachesaver import tripwire
from cachesaver.session import Session
from cachesaver.standing import replaying

__all__ = ["allowed_hosts", "blocked", "forget", "kept_in", "lifted"]

_IN_FORCE: list[tuple[tripwire.OfThreads, Callable[[], None]]] = []
"""What holds for threads that outlived their tests, and what ends it."""

_ADVICE: Final = (
    "The network is blocked for this test. If it needs the host, allow it by a regular expression:\n"
    "    pytest --allowed-hosts=REGEX[,REGEX]\n"
    "or cachesaver_allowed_hosts in the settings of pytest, one a line, or for this test alone\n"
    "    @pytest.mark.block_network(allowed_hosts=[REGEX])"
)

_AT_REST: Final = vars(pools)["_worker"].__code__
"""Where a thread of a pool waits for work: whose it will be, nobody knows."""


def allowed_hosts(item: pytest.Item) -> tuple[str, ...]:
    """Return the regular expressions of hosts that *item* may speak to.

    Those of its marker, else of the command line, else of the settings of the project.

    Raises:
        UsageError: The marker says something else.
    """
    given = _of_marker(item) or item.config.getoption("allowed_hosts", default=None)
    if isinstance(given, str):
        given = given.split(",")
    return tuple(given or item.config.getini("cachesaver_allowed_hosts"))


def _of_marker(item: pytest.Item) -> Sequence[str] | None:
    marker = item.get_closest_marker("block_network")
    if marker is None:
        return None
    if marker.args or marker.kwargs.keys() - {"allowed_hosts"}:
        raise pytest.UsageError(
            f"{item.nodeid}: write @pytest.mark.block_network, or "
            "@pytest.mark.block_network(allowed_hosts=[...]) with regular expressions"
        )
    return cast("Sequence[str] | None", marker.kwargs.get("allowed_hosts"))


@contextmanager
def blocked(hosts: Sequence[str]) -> Generator[None]:
    """Let nothing connect to another host, or to this one, than those that match one of *hosts*.

    One matches where the beginning of a name or address does, as in pytest-recording.
    """
    begun = [f"(?:{each})(?s:.*)" for each in hosts]
    rule = tripwire.Blocking(begun, loopback=False, advice=_ADVICE)
    with _also_in_threads(rule):
        disarm = tripwire.arm(rule)
        try:
            yield
        finally:
            disarm()


@contextmanager
def kept_in(session: Session) -> Generator[None]:
    """Let threads that outlive this block ask no provider, where *session* replays."""
    if not session.replays:
        yield
        return
    with _also_in_threads(replaying(session)):
        yield


@contextmanager
def _also_in_threads(rule: tripwire.Rule) -> Generator[None]:
    """Have *rule* in force for the threads that are started here, until they end."""
    before = set(threading.enumerate())
    try:
        yield
    finally:
        _prune()
        if left := [each for each in threading.enumerate() if each not in before]:
            _hold(rule, left)


def _hold(rule: tripwire.Rule, threads: Sequence[threading.Thread]) -> None:
    frames: dict[int, Any] = vars(sys)["_current_frames"]()  # all that tells what a thread does
    busy = [each for each in threads if not _is_at_rest(frames.get(each.ident or 0))]
    if busy:
        narrowed = tripwire.OfThreads(rule, busy)
        _IN_FORCE.append((narrowed, tripwire.arm(narrowed)))


def _is_at_rest(frame: Any) -> bool:
    return frame is not None and frame.f_code is _AT_REST


def _prune() -> None:
    for held in [each for each in _IN_FORCE if not each[0].is_needed]:
        _IN_FORCE.remove(held)
        held[1]()


def forget() -> None:
    """Let threads do as they like: no test will run any more."""
    while _IN_FORCE:
        _IN_FORCE.pop()[1]()


def lifted(request: pytest.FixtureRequest) -> None:
    """Undo what pytest-recording blocks in the test of *request*, which records with us.

    It knows of its own recordings only.
    """
    if request.config.pluginmanager.has_plugin("recording"):
        request.getfixturevalue("block_network")
        sys.modules["pytest_recording.network"].unblock()
