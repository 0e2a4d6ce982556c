"""Programs performed in many processes against one provider and one store, with kills on the way."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import cachesaver
from cachesaver.rehearsal import Rehearsal
from loads.judge import Life, independence, keeping, lost, reuse, sales, stored_tags
from loads.plans import Plan, least, plan
from loads.worker import Job

__all__ = ["Kills", "Program", "Season", "season"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program, run once in a namespace by so many workers; see `plans.plan`."""

    namespace: str
    seed: int
    workers: int = 1
    questions: int = 12
    size: int = 3
    leaving: float = 0.0

    @property
    def plan(self) -> Plan:
        """What it asks."""
        return plan(
            self.seed,
            self.workers,
            questions=self.questions,
            size=self.size,
            leaving=self.leaving,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """Who is killed by SIGKILL, and what happens then.

    Attributes:
        every: Seconds between two kills at the least.
        sold: Samples sold between two kills at the least: one falls into the middle of the work,
            however fast the machine is.
        most: How many there are at the most.
        whole: All processes of a program are killed at once, and it is started anew, as a new run;
            otherwise one worker is, and started again in the run that goes on without it.
        seed: Of who is killed.
    """

    every: float = 0.5
    sold: int = 0
    most: int = 1_000_000
    whole: bool = False
    seed: int = 0


@dataclass(eq=False)
class Season:
    """One provider, one store, and all that was seen of those who used them.

    Attributes:
        provider: Remembers all it was asked.
        lives: Of all worker processes so far.
    """

    provider: Rehearsal
    folder: Path
    nursery: subprocess.Popen[bytes]
    lives: list[Life] = field(default_factory=list[Life])
    programs: list[Program] = field(default_factory=list[Program])
    _runs: int = 0
    _unread: bytes = b""

    def perform(
        self, *programs: Program, kills: Kills | None = None, limit: float = 200
    ) -> list[Life]:
        """Run *programs* all at the same time, to their end; return their workers' lives.

        Raises:
            AssertionError: A worker failed, or they did not come to an end within *limit* seconds.
        """
        self.programs += programs
        performance = _Performance(self, kills, time.monotonic() + limit)
        for program in programs:
            performance.start(program)
        lives = performance.to_the_end()
        self.lives += lives
        return lives

    def breaches(self) -> list[str]:
        """Return one sentence for each breach of laws 1, 2 and 5 in everything so far."""
        sold, stored = sales(self.provider.calls().received), stored_tags(self.store)
        return [
            *independence(self.lives),
            *reuse(sold, stored, self.lives, least(each.plan for each in self.programs)),
            *keeping(self.lives, stored),
        ]

    def lost(self) -> int:
        """Return how many samples were sold to processes that were killed before they were kept."""
        return lost(sales(self.provider.calls().received), stored_tags(self.store), self.lives)

    def broken_off(self) -> int:
        """Return how many samples were sold in answers that the provider itself broke off."""
        sold, stored = sales(self.provider.calls().received), stored_tags(self.store)
        missing = sum(found not in stored for sale in sold for found in sale.tags)
        return missing - lost(sold, stored, self.lives) if not self.breaches() else 0

    @property
    def store(self) -> Path:
        """Where the store is."""
        return self.folder / "store"

    def next_run(self) -> str:
        """Return the id of another run."""
        self._runs += 1
        return f"run{self._runs}"

    def tell(self, wish: dict[str, Any]) -> None:
        """Ask the nursery for something."""
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(wish).encode() + b"\n")
        self.nursery.stdin.flush()

    def ended(self, patience: float) -> Iterator[tuple[str, int]]:
        """Iterate name and status of the workers that have ended, after *patience* seconds at most."""
        assert self.nursery.stdout is not None
        out = self.nursery.stdout.fileno()
        readable, _, _ = select.select([out], [], [], patience)
        if not readable:
            return
        read = os.read(out, 1 << 16)
        if not read:
            raise AssertionError("the nursery has died")
        *lines, self._unread = (self._unread + read).split(b"\n")
        for line in lines:
            said = json.loads(line)
            yield said["ended"], said["status"]


@dataclass(eq=False)
class _Performance:
    season: Season
    kills: Kills | None
    deadline: float
    up: dict[str, tuple[Program, Job]] = field(default_factory=dict[str, tuple[Program, Job]])
    doomed: set[str] = field(default_factory=set[str])
    again: list[Program] = field(default_factory=list[Program])
    lives: list[Life] = field(default_factory=list[Life])
    _births: int = 0

    def start(self, program: Program) -> None:
        """Start all workers of *program* in a run that they share."""
        run = self.season.next_run()
        for rank in range(program.workers):
            self._bear(program, run, rank)

    def _bear(self, program: Program, run: str, rank: int) -> None:
        self._births += 1
        job = Job(
            name=f"{program.namespace}.{run}.{rank}.{self._births}",
            run=run,
            rank=rank,
            url=self.season.provider.url,
            store=str(self.season.store),
            folder=str(self.season.folder),
            **asdict(program),
        )
        self.up[job.name] = program, job
        self.season.tell({"start": asdict(job)})

    def to_the_end(self) -> list[Life]:
        """Wait for all, kill some."""
        kills = self.kills
        rng = Random(kills.seed if kills else 0)  # noqa: S311  # reproducible on purpose
        killed, last, before = 0, time.monotonic(), self._sold()
        while self.up:
            now = time.monotonic()
            if now > self.deadline:
                raise AssertionError(f"these have not come to an end: {sorted(self.up)}")
            if (
                kills
                and killed < kills.most
                and now >= last + kills.every
                and self._sold() >= before + kills.sold
            ):
                killed, last, before = killed + 1, now, self._sold()
                self._kill(rng, whole=kills.whole)
            for name, status in self.season.ended(0.02):
                self._bury(name, status)
        return self.lives

    def _sold(self) -> int:
        return sum(entry.tally.samples for entry in self.season.provider.calls().entries)

    def _kill(self, rng: Random, *, whole: bool) -> None:
        chosen = rng.choice(sorted(self.up))
        program = self.up[chosen][0]
        victims = [chosen]
        if whole:
            victims = [name for name, (each, _) in self.up.items() if each is program]
            self.again.append(program)
        for name in {*victims} - self.doomed:
            self.doomed.add(name)
            self.season.tell({"kill": name})

    def _bury(self, name: str, status: int) -> None:
        program, job = self.up.pop(name)
        life = _life(job, status, killed=name in self.doomed)
        self.lives.append(life)
        if self.kills and self.kills.whole:
            if program in self.again and not any(each is program for each, _ in self.up.values()):
                self.again = [each for each in self.again if each is not program]
                self.start(program)
        elif not life.is_done:
            self._bear(program, job.run, job.rank)


def _life(job: Job, status: int, *, killed: bool) -> Life:
    path = Path(job.folder) / job.name
    log, error = path.with_name(f"{job.name}.log"), path.with_name(f"{job.name}.error")
    if error.exists() or status not in ((0, -9) if killed else (0,)):
        told = error.read_text() if error.exists() else "it left no word"
        raise AssertionError(f"{job.name} ended with {status}: {told}")
    lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    return Life(job=job, lines=tuple(map(json.loads, lines)), killed=killed, status=status)


@contextmanager
def season(folder: Path, *, seed: int = 0, latency: str = "0.02~0.9") -> Generator[Season]:
    """Open a provider, and a nursery for worker processes; everything is in *folder*."""
    roots = (str(Path(__file__).parents[1]), str(Path(str(cachesaver.__file__)).parents[1]))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CACHESAVER_")},
        "PYTHONPATH": os.pathsep.join(roots),
    }
    with (
        Rehearsal(seed=seed, latency=latency, tail=1_000_000) as provider,
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("nursery.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        ) as nursery,
    ):
        yield Season(provider=provider, folder=folder, nursery=nursery)
