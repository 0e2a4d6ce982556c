"""Law 3 for threads, pools, processes and loops: the very same sample for the very same work.

Every program has pieces of work that begin with one and the same question and then ask about what they
were told. Who asks first differs from run to run. It is run three times, each time in a process of its own:
bought; again; and in a fresh namespace that may not buy. Each time the provider answers in another
order, the pieces dawdle differently, hashes differ, and pools have another number of workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cachesaver.rehearsal import Latency, Rehearsal

SCRIPT = Path(__file__).with_name("programs.py")


@dataclass(frozen=True, kw_only=True)
class Act:
    """One run of all programs: by program and piece, what it was told; and the calls it cost."""

    said: dict[str, dict[str, list[str]] | str]
    calls: int
    samples: int


def perform(provider: Rehearsal, store: Path, seed: int, workers: int, *session: str) -> Act:
    provider.latency = Latency(base=0.03, jitter=0.9, seed=seed)
    namespace, mode = session
    told = {
        "url": provider.openai_url,
        "store": str(store),
        "namespace": namespace,
        "mode": mode,
        "seed": seed,
        "workers": workers,
        "programs": NAMES,
    }
    before = provider.calls()
    ran = subprocess.run(
        [sys.executable, SCRIPT, json.dumps(told)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONHASHSEED": str(seed),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr
    after = provider.calls()
    return Act(
        said=json.loads(ran.stdout),
        calls=after.calls - before.calls,
        samples=after.samples - before.samples,
    )


def names() -> list[str]:
    """The programs, read from the source: to import it would install."""
    table = SCRIPT.read_text(encoding="utf-8").partition("PROGRAMS: ")[2]
    lines = table.partition("\n}")[0].splitlines()
    return [line.split('"')[1] for line in lines if line.startswith('    "')]


NAMES = names()


@pytest.fixture(scope="module")
def acts(tmp_path_factory: pytest.TempPathFactory) -> list[Act]:
    store = tmp_path_factory.mktemp("store") / "samples"
    with Rehearsal(seed=0) as provider:
        return [
            perform(provider, store, 1, 2, "first", "cache"),
            perform(provider, store, 2, 1, "first", "cache"),
            perform(provider, store, 3, 8, "second", "replay"),
        ]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("name", NAMES)
def test_every_piece_of_work_is_told_the_same_again(acts: list[Act], name: str) -> None:
    bought, *again = (act.said[name] for act in acts)

    assert isinstance(bought, dict), bought
    told = [first for first, _ in bought.values()]
    assert len(set(told)) == len(told) >= 4, "one run's draws are independent"
    for act in again:
        assert act == bought


@pytest.mark.timeout(500)
def test_nothing_is_bought_again(acts: list[Act]) -> None:
    assert [act.calls for act in acts[1:]] == [0, 0]
    assert acts[0].samples == sum(2 * len(said) for said in acts[0].said.values()) > 0
