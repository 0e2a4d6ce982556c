"""Law 3 with real agents: whatever changes but the program, a replay has the same trajectories.

Three programs of the kind researchers write, on the real SDK, over real sockets, each run in a process of
its own. What they print, puzzle by puzzle, is compared as a whole: prompts, answers, scores, result.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cachesaver.rehearsal import Latency, Prompt, Rehearsal, Utterance
from cachesaver.rehearsal.game24 import game24

pytestmark = [
    pytest.mark.source_tree,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX process groups"),
]

HERE = Path(__file__).parent
PUZZLES = ("4 9 10 13", "1 4 8 8", "6 6 6 6")
LATENCY = Latency(base=0.004, per_token=0.0001, jitter=0.9)


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A program and how it is called.

    Attributes:
        exact: Whether each draw has a name of its own. Where it has none (which worker process
            takes which job is a race), samples of one question may swap places, and only those.
    """

    program: str
    options: tuple[str, ...] = ()
    votes: int = 3
    pools: bool = True
    loops: bool = True
    exact: bool = True

    def comparable(self, transcript: Any) -> Any:
        """Return *transcript* with exchangeable samples in an order that means nothing."""
        if self.exact:
            return transcript
        return {k: {**v, "trajectory": sorted(v["trajectory"])} for k, v in transcript.items()}


CONSISTENCY = Agent(program="self_consistency.py", votes=5)

AGENTS = {
    "tree of thoughts": Agent(program="tree_of_thoughts.py"),
    "fleet": Agent(program="fleet.py", votes=2, pools=False),
    "self-consistency, asyncio": replace(CONSISTENCY, options=("--way", "asyncio")),
    "self-consistency, threads": replace(CONSISTENCY, options=("--way", "threads"), loops=False),
    "self-consistency, processes, a puzzle a job": replace(
        CONSISTENCY, options=("--way", "processes", "--job", "puzzle"), loops=False
    ),
    "self-consistency, processes, a sample a job": replace(
        CONSISTENCY, options=("--way", "processes"), loops=False, exact=False
    ),
}

every_agent = pytest.mark.parametrize("name", AGENTS)


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One run of a program: where it draws, and what shall make no difference."""

    namespace: str
    mode: str = "cache"
    hash_seed: int = 0
    latency_seed: int = 0
    workers: int = 4
    uvloop: bool = False
    votes: int = 0


@dataclass(kw_only=True)
class Result:
    """What a run printed, and how many calls and samples its provider saw."""

    transcript: Any
    calls: int
    samples: int


class Audience:
    """The voice that plays, which tells when it has spoken often enough."""

    def __init__(self) -> None:
        self.enough = threading.Event()
        self.left = 0

    def __call__(self, prompt: Prompt, rng: Random) -> Utterance:
        self.left -= 1
        if self.left == 0:
            self.enough.set()
        return game24(prompt, rng)

    def wait_for(self, samples: int) -> threading.Event:
        self.enough = threading.Event()
        self.left = samples
        return self.enough


@dataclass(kw_only=True)
class Lab:
    """A store, a provider, and programs that are run with them."""

    agent: Agent
    store: Path
    provider: Rehearsal
    audience: Audience
    histories: dict[str, Result] = field(default_factory=dict[str, Result])

    def run(self, launch: Launch) -> Result:
        """Run the program to its end."""
        self.provider.latency = replace(LATENCY, seed=launch.latency_seed)
        before = self.provider.calls().total
        with self.started(launch) as process:
            printed, complaints = process.communicate()
        assert process.returncode == 0, complaints
        seen = self.provider.calls().total - before
        return Result(transcript=json.loads(printed), calls=seen.calls, samples=seen.samples)

    def kill_after(self, samples: int, launch: Launch) -> None:
        """Run the program and its workers until the provider has given so many samples."""
        self.provider.latency = replace(LATENCY, seed=launch.latency_seed)
        enough = self.audience.wait_for(samples)
        with self.started(launch) as process:
            assert enough.wait(60)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL

    def started(self, launch: Launch) -> subprocess.Popen[str]:
        votes = launch.votes or self.agent.votes
        command = [*PUZZLES, *self.agent.options, "--votes", str(votes)]
        command += ["--workers", str(launch.workers)] if self.agent.pools else []
        command += ["--uvloop"] if launch.uvloop else []
        return subprocess.Popen(
            [sys.executable, HERE / self.agent.program, *command],
            env=self.environment(launch),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def environment(self, launch: Launch) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CACHESAVER_")}
        return {
            **kept,
            "CACHESAVER_NAMESPACE": launch.namespace,
            "CACHESAVER_STORE": str(self.store),
            "CACHESAVER_MODE": launch.mode,
            "CACHESAVER_STRICT": "1",
            "CACHESAVER_QUIET": "1",
            "OPENAI_BASE_URL": self.provider.openai_url,
            "OPENAI_API_KEY": "none-is-needed",
            "PYTHONHASHSEED": str(launch.hash_seed),
        }

    def differences(self, one: Result, other: Result) -> list[str]:
        """Return the first difference of each puzzle."""
        ours, theirs = map(self.agent.comparable, (one.transcript, other.transcript))
        found = {puzzle: first_difference(ours[puzzle], theirs.get(puzzle)) for puzzle in ours}
        return [f"{puzzle}: {what}" for puzzle, what in found.items() if what]


def first_difference(one: Any, other: Any, at: str = "") -> str:
    """Return where *one* and *other* part, and what stands there; empty where they do not."""
    if one == other:
        return ""
    for key in shared_keys(one, other):
        if found := first_difference(one[key], other[key], f"{at}[{key!r}]"):
            return found
    return f"{at or 'all'}: {one!r:.90} became {other!r:.90}"


def shared_keys(one: Any, other: Any) -> Iterator[Any]:
    kinds: set[type] = {one.__class__, other.__class__}
    if kinds == {dict}:
        yield from (key for key in one if key in other)
    elif kinds == {list}:
        yield from range(min(len(one), len(other)))


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Lab]]:
    """For each agent a store with one cold run in it; run when first asked for."""
    audience = Audience()
    with Rehearsal(seed=24, voice=audience) as provider:
        yield {
            name: Lab(
                agent=agent,
                store=tmp_path_factory.mktemp("lab") / "store",
                provider=provider,
                audience=audience,
            )
            for name, agent in AGENTS.items()
        }


COLD = Launch(namespace="cold")


def cold(lab: Lab) -> Result:
    """Return what the agent did at first, when nothing was stored."""
    if "cold" not in lab.histories:
        lab.histories["cold"] = lab.run(COLD)
    return lab.histories["cold"]


def emptied(lab: Lab, folder: Path) -> Lab:
    """Return *lab* with a store of its own, in which nothing has happened."""
    return replace(lab, store=folder / "store", histories={})


REPLAYS = {
    "in the same namespace": Launch(namespace="cold"),
    "in a fresh namespace": Launch(namespace="fresh"),
    "under another hash seed and other latencies": Launch(
        namespace="seeds", hash_seed=7, latency_seed=7
    ),
    "with one worker": Launch(namespace="one", workers=1),
    "with eight workers": Launch(namespace="eight", workers=8),
    "on uvloop": Launch(namespace="uvloop", uvloop=True, hash_seed=3),
}


@every_agent
@pytest.mark.parametrize("how", REPLAYS)
def test_a_replay_has_the_same_trajectories_and_asks_nobody(
    labs: dict[str, Lab], name: str, how: str
) -> None:
    """Given a cold run, when the program runs again, then it prints the same and buys nothing."""
    lab, launch = labs[name], REPLAYS[how]
    if launch.workers != COLD.workers and not lab.agent.pools:
        pytest.skip("it has no number of workers")
    if launch.uvloop:
        pytest.importorskip("uvloop")
        if not lab.agent.loops:
            pytest.skip("it has no loop")
    first = cold(lab)

    again = lab.run(launch)

    assert lab.differences(first, again) == []
    assert (again.calls, first.calls > 0) == (0, True)


@every_agent
def test_a_replay_needs_no_provider(labs: dict[str, Lab], name: str) -> None:
    """Given a cold run, when its provider is gone and mode is replay, then two workers print the same."""
    lab = labs[name]
    first = cold(lab)

    lab.provider.stop()
    try:
        again = lab.run(Launch(namespace="alone", mode="replay", workers=2))
    finally:
        lab.provider.start()

    assert lab.differences(first, again) == []


@every_agent
def test_what_was_killed_and_resumed_has_its_own_replay(
    labs: dict[str, Lab], name: str, tmp_path: Path
) -> None:
    """Given a run killed half-way and resumed at another pace, then that is what a replay repeats."""
    whole = cold(labs[name])
    lab = emptied(labs[name], tmp_path)
    lab.kill_after(whole.samples // 2, Launch(namespace="first", latency_seed=1))
    resumed = lab.run(Launch(namespace="first", latency_seed=2, hash_seed=1))

    again = lab.run(Launch(namespace="first", workers=2))
    fresh = lab.run(Launch(namespace="fresh", workers=8, hash_seed=2))

    assert lab.differences(resumed, again) == []
    assert lab.differences(resumed, fresh) == []
    assert (again.calls, fresh.calls) == (0, 0)
    # What was returned before the kill is not bought again.
    assert 0 < resumed.samples < whole.samples


@every_agent
def test_a_mixed_history_disturbs_no_replay(
    labs: dict[str, Lab], name: str, tmp_path: Path
) -> None:
    """Given that another configuration drew in between, then each namespace repeats what it had.

    A fresh one repeats what the last run had: where two configurations reach one question by other
    ways, and one has more draws of it, no order of arrival lets both have what they had before.
    """
    lab = emptied(labs[name], tmp_path)
    more = lab.agent.votes + 2
    few = lab.run(Launch(namespace="few", latency_seed=1))
    many = lab.run(Launch(namespace="many", votes=more, latency_seed=2))

    few_again = lab.run(Launch(namespace="few", hash_seed=1))
    many_again = lab.run(Launch(namespace="many", votes=more, hash_seed=2))
    fresh_few = [lab.run(Launch(namespace=f"few-{n}", hash_seed=n)) for n in (1, 2)]
    fresh_many = [lab.run(Launch(namespace=f"many-{n}", votes=more, hash_seed=n)) for n in (1, 2)]

    assert lab.differences(few, few_again) == []
    assert lab.differences(many, many_again) == []
    assert lab.differences(*fresh_few) == []
    assert lab.differences(*fresh_many) == []
    again = (few_again, many_again, fresh_few[1], fresh_many[1])
    assert [each.calls for each in again] == [0] * 4


def test_a_difference_is_told_where_it_begins() -> None:
    one = {"trajectory": [{"said": "a"}, {"said": "b"}], "result": True}
    other = {"trajectory": [{"said": "a"}, {"said": "c"}], "result": False}

    assert first_difference(one, one) == ""
    assert first_difference(one, other) == "['trajectory'][1]['said']: 'b' became 'c'"
