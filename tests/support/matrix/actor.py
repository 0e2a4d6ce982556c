"""Performs the rows of one SDK in processes of their own: `python -m matrix.actor`.

Standard input says which, against which provider, and in which processes: the `first` buys, the
`second` finds everything in the store, `recorded` has a cassette, and `replayed` nothing else: the provider
has been shut down by then. Those of one start are forks of a process that has imported the SDK and no more.
Standard output gets what was seen, a line of JSON a process.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cachesaver
from matrix import programs
from matrix.provider import Gone, Provider
from matrix.ways import Way, opened
from unmeasured import unmeasured

PROGRAMS: Mapping[str, Callable[[programs.Stage], Any]] = {
    "cold": programs.cold,
    "stream": programs.stream,
    "error": programs.error,
    "timeout": programs.timeout,
    "cancel": programs.cancel,
}
AGAIN = ("cold", "stream")
"""What the other processes do once more."""


class Heard(logging.Handler):
    """Keeps what we complain of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main() -> None:
    told = json.load(sys.stdin)
    ways: dict[str, Way] = importlib.import_module(f"matrix.sdks.{told['module']}").WAYS
    if odd := ways.keys() ^ told["ways"]:
        raise LookupError(f"ways without a row, or rows without a way: {sorted(odd)}")
    *forks, here = told["processes"]
    for process in forks:
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        unmeasured()
        status = 1
        try:
            _tell(process, ways, told)
            status = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(status)
    _tell(here, ways, told)


def _tell(process: str, ways: Mapping[str, Way], told: dict[str, Any]) -> None:
    reached = Gone if process == "replayed" else Provider
    provider, store, hosts = reached(told["url"]), Path(told["store"]), told["hosts"]
    acts = list[dict[str, Any]]()
    for place, name in enumerate(told["ways"]):
        where = (ways[name], provider, store / str(place), hosts)
        if process == "first":
            live = _without(*where[:2])
            acts.append({"live": live, "first": _with_us(*where, tuple(PROGRAMS))})
        elif process == "second":
            acts.append({process: _with_us(*where, AGAIN)})
        else:
            acts.append({process: _with_cassette(process, *where)})
    sys.stdout.write(json.dumps(acts) + "\n")
    sys.stdout.flush()


def _without(way: Way, provider: Provider) -> dict[str, Any]:
    provider.reset()
    return {name: _performed(name, way, provider, None) for name in PROGRAMS}


def _with_us(
    way: Way, provider: Provider, store: Path, hosts: list[str], names: tuple[str, ...]
) -> dict[str, Any]:
    provider.reset()
    with (
        _hearing() as complaints,
        cachesaver.install("a", store=store, hosts=hosts, strict=True, quiet=True) as session,
    ):
        seen = _watched(session)
        told = {name: _performed(name, way, provider, session) for name in names}
    return told | {"complaints": complaints, "seen": sorted(seen)}


def _with_cassette(
    process: str, way: Way, provider: Provider, store: Path, hosts: list[str]
) -> dict[str, Any]:
    provider.reset()
    path, mode = store.with_suffix(".cassette"), "none" if process == "replayed" else "once"
    with (
        _hearing() as complaints,
        cachesaver.use_cassette(path, record_mode=mode, hosts=hosts) as cassette,
    ):
        told = {name: _performed(name, way, provider, cassette.session) for name in AGAIN}
    return told | {"complaints": complaints, "unused": len(cassette.store.unused)}


@contextmanager
def _hearing() -> Generator[list[str]]:
    """Yield what we complain of."""
    heard = Heard()
    logging.getLogger("cachesaver").addHandler(heard)
    try:
        yield heard.lines
    finally:
        logging.getLogger("cachesaver").removeHandler(heard)


def _watched(session: Any) -> set[str]:
    """Return a set that gets the transports that ask *session*, and the clients they hook."""
    seen, answer, aanswer = set[str](), session.answer, session.aanswer

    def note() -> None:
        # This one, its caller, the door that leads to the session, and who comes through it.
        frame = sys._getframe(3)
        hook = str(frame.f_globals["__name__"]).rpartition(".")[2]
        client: Any = getattr(frame.f_locals.get("self"), "_lib", None)
        seen.add(hook if client is None else f"{hook} on {client.__name__}")

    def answered(*args: Any) -> Any:
        note()
        return answer(*args)

    def aanswered(*args: Any) -> Any:
        note()
        return aanswer(*args)

    session.answer, session.aanswer = answered, aanswered
    return seen


def _performed(
    name: str, way: Way, provider: Provider, session: cachesaver.Session | None
) -> dict[str, Any]:
    before = provider.calls()
    try:
        with opened(way, provider.url) as calls:
            stage = programs.Stage(calls=calls, way=way, provider=provider, session=session)
            stored = stage.stored()
            said = PROGRAMS[name](stage)
            stored = stage.stored() - stored
    except Exception:  # noqa: BLE001  # told to the judge
        return {"broken": traceback.format_exc()}
    return {"said": said, "calls": provider.calls() - before, "stored": stored}


if __name__ == "__main__":
    main()
