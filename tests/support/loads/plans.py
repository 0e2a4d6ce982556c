"""What a program asks, drawn by seed: threads and trees of tasks, in one process or several.

Values only. Two siblings that begin with the same question are clones: they ask the same in all
that follows, so that it does not matter which of them is first (contract.md, "Draw ids").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

__all__ = ["Ask", "Group", "Plan", "least", "plan"]

FAULTS = tuple(f"{status};times=1;retry-after=0.01" for status in (429, 500, 503))

CUT = "cut-stream;times=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call of a program.

    Attributes:
        question: Name of the model that is asked, the same text always. One that begins with
            `claude` is asked in the form of Anthropic, and has no `n`.
        n: How many samples.
        stream: Whether as a stream.
        client: `openai` or `httpx`.
        fault: What goes wrong the first time that this reaches the provider; empty for nothing.
        leaves: Whether a task loses patience at its first try, and asks again.
    """

    question: str
    n: int = 1
    stream: bool = False
    client: str = "openai"
    fault: str = ""
    leaves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Clones: *clones* threads or tasks that each ask *asks* in turn, and then start *below*.

    Attributes:
        asks: Empty for one who only starts others.
        below: Its groups of tasks, all started at once.
    """

    name: str
    clones: int
    asks: tuple[Ask, ...]
    below: tuple[Group, ...] = ()

    def all_asks(self) -> Iterator[Ask]:
        """Iterate what all the clones ask."""
        for _ in range(self.clones):
            yield from self.asks
            for group in self.below:
                yield from group.all_asks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One program. *threads* and *tasks*: by worker process, from rank 0."""

    threads: tuple[tuple[Group, ...], ...]
    tasks: tuple[tuple[Group, ...], ...]

    @property
    def workers(self) -> int:
        """How many processes perform it."""
        return len(self.tasks)

    def draws(self) -> Counter[str]:
        """Return how often one run of it draws each question."""
        counted = Counter[str]()
        for groups in (*self.threads, *self.tasks):
            for group in groups:
                for ask in group.all_asks():
                    counted[ask.question] += ask.n
        return counted


def least(plans: Iterable[Plan]) -> dict[str, int]:
    """Return what must be bought of each question so that each plan can run once: law 2."""
    most = dict[str, int]()
    for each in plans:
        for question, draws in each.draws().items():
            most[question] = max(draws, most.get(question, 0))
    return most


def plan(
    seed: int, workers: int = 1, *, questions: int = 12, size: int = 3, leaving: float = 0.0
) -> Plan:
    """Return the program that *seed* stands for.

    Args:
        workers: Among how many processes it is divided.
        questions: How many it asks at the most; fewer are asked more often.
        size: Grows with how much it does: about `20 * size` draws a worker.
        leaving: Share of calls, 0 to 1, whose tasks lose patience at first.
    """
    pool = [f"claude-{n}" if n % 4 == 3 else f"gpt-{n}" for n in range(questions)]
    threads, tasks = list[tuple[Group, ...]](), list[tuple[Group, ...]]()
    for rank in range(workers):
        rng = Random(f"{seed}/{rank}")  # noqa: S311  # reproducible on purpose
        maker = _Maker(rng, pool, leaving)
        # No thread begins as a task does: they are children of one node, and no clones.
        firsts = rng.sample(pool, 2 * size)
        threads.append(maker.groups("thread", firsts[:size], depth=0))
        tasks.append(maker.groups("task", firsts[size:], depth=2))
    return Plan(threads=tuple(threads), tasks=tuple(tasks))


@dataclass(frozen=True, slots=True)
class _Maker:
    rng: Random
    pool: list[str]
    leaving: float

    def groups(self, name: str, firsts: list[str], *, depth: int) -> tuple[Group, ...]:
        """Return siblings that begin with *firsts*, which differ."""
        return tuple(
            self._group(f"{name}{place}", first, depth=depth) for place, first in enumerate(firsts)
        )

    def _group(self, name: str, first: str, *, depth: int) -> Group:
        rng = self.rng
        more = [self._ask(rng.choice(self.pool)) for _ in range(rng.randrange(3))]
        below: tuple[Group, ...] = ()
        if depth and rng.random() < 0.6:
            firsts = rng.sample(self.pool, rng.randint(1, 2))
            below = self.groups(f"{name}.", firsts, depth=depth - 1)
        # Who only starts others is known by the order in which it is started, so it has no clones.
        starter = bool(below) and rng.random() < 0.3
        return Group(
            name=name,
            clones=1 if starter else rng.randint(1, 3),
            asks=() if starter else (self._ask(first), *more),
            below=below,
        )

    def _ask(self, question: str) -> Ask:
        rng = self.rng
        claude = question.startswith("claude")
        stream = not claude and rng.random() < 0.3
        fault = ""
        if rng.random() < 0.15:
            fault = rng.choice([*FAULTS, *[CUT] * 2])
        return Ask(
            question=question,
            n=1 if claude or stream else rng.choice([1, 1, 1, 2, 5]),
            stream=stream,
            client="httpx" if claude else rng.choice(["openai", "httpx"]),
            fault=fault,
            leaves=bool(self.leaving) and not stream and rng.random() < self.leaving,
        )
