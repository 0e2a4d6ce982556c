"""Programs that use the official SDKs, run in processes of their own: bought, and asked again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from cachesaver.rehearsal import Rehearsal

Act = dict[str, dict[str, Any]]
"""By program: what it `said`, and how many `calls` reached the provider."""

RUNNER = Path(__file__).with_name("runner.py")


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the programs of a module said, each time in a process of its own but for `fresh`.

    Attributes:
        bought: The first time.
        again: The second time, in the same namespace.
        fresh: In another namespace, and the process of `again`.
        replayed: In a third one, by `mode="replay"`, when the provider had been shut down.
    """

    bought: Act
    again: Act
    fresh: Act
    replayed: Act

    def assert_bought_once(self, name: str) -> None:
        """The program *name* reached the provider the first time only, and said the same always."""
        said, calls = self.bought[name]["said"], self.bought[name]["calls"]
        assert "raised" not in said, said
        assert calls > 0
        for act in (self.again, self.fresh, self.replayed):
            assert act[name] == {"said": said, "calls": 0}

    def assert_one_sample(self, name: str) -> None:
        """The program *name* said one thing twice, and one call was enough."""
        first, second = self.bought[name]["said"]
        assert first == second != ""
        assert self.bought[name]["calls"] == 1


def run_python(
    *arguments: str | Path, said: str = "", timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    """Run a program of its own that imports what this process imports."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


@pytest.fixture(scope="session")
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return `run_python`."""
    return run_python


def perform(
    module: Path, url: str, store: Path, hosts: Sequence[str], *sessions: tuple[str, str]
) -> list[Act]:
    """Run the programs of *module* in a process of its own, in *sessions* (namespace and mode)."""
    told = {
        "url": url,
        "store": str(store),
        "import_first": len(sessions) > 1,
        "sessions": [
            {"namespace": namespace, "mode": mode, "hosts": hosts} for namespace, mode in sessions
        ],
    }
    ran = run_python(RUNNER, module, said=json.dumps(told))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr
    answers: list[Act] = json.loads(ran.stdout)
    return answers


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What the module's `PROGRAMS` said.

    A module with `NAMES_HOST = True` has the rehearsal's address named (`hosts=`): for APIs that are
    only told from others by their host.
    """
    path, store = request.path, tmp_path_factory.mktemp("store") / "samples"
    module: Any = cast("Any", request).module  # pytest does not say of what type
    hosts = ["127.0.0.1"] if getattr(module, "NAMES_HOST", False) else []
    with Rehearsal(seed=0) as provider:
        (bought,) = perform(path, provider.url, store, hosts, ("first", "cache"))
        again, fresh = perform(
            path, provider.url, store, hosts, ("first", "cache"), ("second", "cache")
        )
    (replayed,) = perform(path, provider.url, store, hosts, ("third", "replay"))
    return Played(bought=bought, again=again, fresh=fresh, replayed=replayed)
