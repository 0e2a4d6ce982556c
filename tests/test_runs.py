"""Which run a process is in, its place there, and what it tells its children."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from cachesaver import runs
from cachesaver.contexts import Family
from cachesaver.errors import StoreError
from cachesaver.places import Place
from cachesaver.ports import Policy, Run
from cachesaver.runs import RANKS, Runs, announce, inherited, is_unnumbered, retract
from cachesaver.stores.memory import MemoryStore
from cachesaver.stores.processes import here

NAMES = ("CACHESAVER_RUN",)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that nobody started, told nothing, with nothing announced."""
    for name in (*NAMES, *RANKS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(runs, "_FAMILIES", {})
    yield
    retract()


def told() -> dict[str, str]:
    return {name: os.environ[name] for name in NAMES if name in os.environ}


def started_by(
    monkeypatch: pytest.MonkeyPatch, run: str = "", slot: str = "", pid: str = "1"
) -> None:
    """Make this process look like a child of one that announced this."""
    monkeypatch.setenv("CACHESAVER_RUN", f"{run};slot={slot};pid={pid}")


class TestTelling:
    def test_children_are_told_and_we_are_not(self) -> None:
        announce("the-run", "0")

        assert told() == {"CACHESAVER_RUN": f"the-run;slot=0;pid={os.getpid()}"}
        assert inherited() == ""
        assert _child("from cachesaver.runs import inherited; print(inherited())") == "the-run"

    @pytest.mark.parametrize(
        "run", ["the-run", "job 7", "a;b", "a;slot=b", ";pid=3", "x;slot=1;pid=y"]
    )
    def test_whatever_a_run_is_called_it_is_told(self, run: str) -> None:
        """Given an id that looks like what is told beside it, then children join it, as who hands it on."""
        announce(run, "rank 3/1")

        assert _child("from cachesaver.runs import inherited; print(inherited())") == run
        assert Runs(MemoryStore(), here(), os.environ["CACHESAVER_RUN"]).id == run
        assert Runs(MemoryStore(), here(), run).id == run

    def test_the_environment_is_left_as_it_was(self) -> None:
        before = dict(os.environ)

        announce("one", "0")
        announce("two", "1")
        retract()

        assert dict(os.environ) == before

    def test_what_a_parent_said_is_said_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started_by(monkeypatch, run="parents", slot="3")
        before = dict(os.environ)

        announce("ours", "3/1")
        assert told()["CACHESAVER_RUN"].startswith("ours;slot=3/1;")
        retract()
        retract()

        assert dict(os.environ) == before
        assert inherited() == "parents"


def _child(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return done.stdout.strip()


class TestWhichRun:
    def test_a_program_starts_one_of_its_own(self) -> None:
        one, other = (Runs(MemoryStore(), here()) for _ in range(2))

        assert one.id
        assert one.id != other.id

    def test_a_child_joins_its_parents(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started_by(monkeypatch, run="parents")

        assert Runs(MemoryStore(), here()).id == "parents"

    def test_an_id_that_is_given_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        started_by(monkeypatch, run="parents")

        assert Runs(MemoryStore(), here(), "given").id == "given"

    def test_every_namespace_and_replicate_is_a_run_under_the_same_id(self) -> None:
        ours = Runs(MemoryStore(), here())

        run, family = ours.of("a")

        assert run == Run(id=ours.id, namespace="a")
        assert ours.of("a") == (run, family)
        assert ours.of("a", 0)[0] == Run(id=ours.id, namespace="a", replicate=0)
        assert ours.of("a", 0)[1] is not family
        assert ours.of("b")[0] == Run(id=ours.id, namespace="b")
        assert ours.of("b")[1] is not family

    def test_a_second_session_of_a_run_goes_on_where_the_first_stopped(self) -> None:
        first, second = (Runs(MemoryStore(), here(), "given") for _ in range(2))

        assert first.of("a")[1] is second.of("a")[1]


class TestItsEnd:
    def test_a_run_that_was_started_here_is_forgotten_by_the_store_and_by_us(self) -> None:
        store = MemoryStore()
        ours = Runs(store, here())
        run, family = ours.of("a")
        _take(store, run)

        ours.leave()

        assert (store._taken, dict(store._members), runs._FAMILIES) == ({}, {}, {})
        assert family.is_over

    def test_one_that_never_drew_has_nothing_to_forget(self) -> None:
        store = MemoryStore()

        Runs(store, here()).leave()

        assert dict(store._members) == {}

    @pytest.mark.parametrize("first", ["parent", "child"])
    def test_parent_and_child_may_end_in_either_order(
        self, first: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given a run of two processes, when one ends, then the other's draws are still its own."""
        store = MemoryStore()
        parent = Runs(store, here())
        started_by(monkeypatch, run=parent.id, slot=parent.slot)
        child = Runs(store, here())
        taken = [
            _take(store, each.of("a")[0], name) for each, name in ((parent, "p"), (child, "c"))
        ]
        ending, staying = (parent, child) if first == "parent" else (child, parent)

        ending.leave()
        taken.append(_take(store, staying.of("a")[0], "later"))
        staying.leave()

        assert taken == [0, 1, 2]
        assert store._taken == {}

    def test_a_run_does_not_end_between_two_children(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Given a parent that told its children and draws nothing itself, then it is a member too."""
        store = MemoryStore()
        parent = Runs(store, here())
        started_by(monkeypatch, run=parent.id, slot=parent.slot)
        taken = list[int]()

        for name in ("first", "second"):
            child = Runs(store, here())
            taken.append(_take(store, child.of("a")[0], name))
            child.leave()

        assert taken == [0, 1]

    def test_two_sessions_of_a_process_are_two_members(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = MemoryStore()
        started_by(monkeypatch, run="r", slot="0")
        outer, inner = (Runs(store, here()) for _ in range(2))
        taken = [_take(store, each.of("a")[0], str(each)) for each in (outer, inner)]

        inner.leave()
        taken.append(_take(store, outer.of("a")[0], "later"))

        assert taken == [0, 1, 2]

    @pytest.mark.parametrize("how", ["given", "told by nobody"])
    def test_a_run_joined_by_its_id_outlives_the_gap_between_two_tasks(
        self, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = MemoryStore()
        if how != "given":
            monkeypatch.setenv("CACHESAVER_RUN", "job")
        taken = list[int]()

        for name in ("first", "second"):
            task = Runs(store, here(), "job" if how == "given" else "")
            run, family = task.of("a")
            taken.append(_take(store, run, name))
            task.leave()

        assert taken == [0, 1]
        assert not family.is_over
        assert Runs(store, here(), "job").of("a")[1] is family

    def test_a_forked_child_does_not_end_its_parents_run(self) -> None:
        store = MemoryStore()
        ours = Runs(store, here())
        run, _ = ours.of("a")
        _take(store, run)

        ours.forked("child")
        ours.of("a")
        ours.leave()

        assert list(store._taken) == [run]

    def test_a_run_is_entered_once_however_much_is_drawn(self) -> None:
        store = Counting()
        ours = Runs(store, here())

        for number in range(100):
            ours.of(f"namespace {number % 3}", number % 2)

        assert store.entered == 1

    def test_what_could_not_be_entered_is_tried_again(self) -> None:
        store = Counting(fails=1)
        ours = Runs(store, here())

        with pytest.raises(StoreError):
            ours.of("a")
        ours.of("a")
        ours.leave()

        assert dict(store._members) == {}


class Counting(MemoryStore):
    """Counts who enters, and fails the first times."""

    def __init__(self, fails: int = 0) -> None:
        super().__init__()
        self.entered = 0
        self.fails = fails

    def enter(self, run: str, member: str, *, owner: str, lasting: bool = False) -> None:
        if self.entered < self.fails:
            self.fails -= 1
            raise StoreError("full", location="x")
        self.entered += 1
        super().enter(run, member, owner=owner, lasting=lasting)


def _take(store: MemoryStore, run: Run, draw: str = "d") -> int:
    (grant,) = store.acquire(run, "f", [draw], owner=here(), policy=Policy.RESERVE)
    return grant.index


class TestPlaces:
    def test_processes_are_numbered_as_they_come(self) -> None:
        store = MemoryStore()

        assert [Runs(store, owner, "given").slot for owner in "aba"] == ["0", "1", "0"]

    @pytest.mark.parametrize("name", RANKS)
    def test_a_rank_is_its_number(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "3")

        assert Runs(MemoryStore(), here()).slot == "rank 3"

    def test_an_empty_rank_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", "")

        assert Runs(MemoryStore(), here()).slot == "0"

    def test_a_child_of_a_rank_is_not_that_rank(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RANK", "3")
        started_by(monkeypatch, run="r", slot="rank 3")

        assert Runs(MemoryStore(), here()).slot == "0"

    def test_a_place_is_told_once_and_again_after_a_fork(self) -> None:
        store = MemoryStore()
        ours = Runs(store, "parent")

        assert (ours.slot, ours.slot) == ("0", "0")
        ours.forked("child")
        assert ours.slot == "1"

    def test_a_fork_is_numbered_below_its_own_parent_whatever_other_runs_have_told(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = MemoryStore()
        Runs(store, "another", "job").of("a")
        ours = Runs(store, "parent", "job")
        assert ours.slot == "1"
        started_by(monkeypatch, run="another", slot="7")
        monkeypatch.setattr(runs, "_identity", lambda: (2,))

        ours.forked("child")
        assert ours.slot == "1/2"
        ours.forked("grandchild")
        monkeypatch.setattr(runs, "_identity", lambda: (2, 1))
        assert ours.slot == "1/2.1"

    def test_a_run_that_is_begun_at_a_place_names_its_draws_from_there(self) -> None:
        ours, place = Runs(MemoryStore(), here()), Place(parent=None, label="task")
        _, before = ours.of("a")

        ours.begin_at(place)
        ours.begin_at(Place(parent=None, label="later"))

        _, after = ours.of("b")
        assert before.begins_at(place)
        assert after.begins_at(place)

    def test_one_that_is_joined_or_begun_at_the_root_does_not(self) -> None:
        joined, ours = Runs(MemoryStore(), here(), "job"), Runs(MemoryStore(), here())

        joined.begin_at(Place(parent=None, label="task"))
        ours.begin_at(Place(parent=None, label="main thread", is_ordered=True))

        assert (joined.base, ours.base) == (None, None)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    @pytest.mark.parametrize(
        ("environment", "expected"),
        [
            ({}, ["0/1", "0/2"]),
            ({"RANK": "3"}, ["rank 3/1", "rank 3/2"]),
            ({"CACHESAVER_RUN": ";slot=2;pid=1"}, ["2/1", "2/2"]),
            ({"CACHESAVER_RUN": ";slot=rank 3;pid=1", "RANK": "3"}, ["rank 3/1", "rank 3/2"]),
        ],
        ids=["alone", "of a rank", "told", "told by a rank"],
    )
    def test_workers_of_multiprocessing_are_numbered_below_their_parent(
        self,
        method: str,
        environment: Mapping[str, str],
        expected: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Given ranks with workers of one run, told by their parent or not, then no two share a place."""
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        numbered = _Numbered(method)

        assert [numbered.slot_of(identity) for identity in (1, 2)] == expected

    def test_who_draws_apart_takes_nobodys_place(self) -> None:
        """Given a gateway that comes first, then the program's first process is still number 0."""
        store = MemoryStore()
        gateways = [Runs(store, each, "r", apart="gateway") for each in ("gateway 1", "gateway 2")]

        apart = [each.slot for each in gateways]
        program = Runs(store, "program", "r").slot

        assert apart == ["gateway/0", "gateway/1"]
        assert program == "0"

    def test_its_place_ends_with_the_run(self) -> None:
        store = MemoryStore()
        for _ in range(2):
            one = Runs(store, here(), "r", apart="gateway")
            one._lasting = False
            assert one.slot == "gateway/0"
            one.leave()

        assert not store._members


class _Numbered:
    """Starts workers and gives them the number that multiprocessing would give the next ones."""

    def __init__(self, method: str) -> None:
        self._context: Any = multiprocessing.get_context(method)

    def slot_of(self, number: int) -> str:
        ours, theirs = self._context.Pipe()
        worker = self._context.Process(target=_say_slot, args=(theirs,))
        worker._identity = (number,)
        worker.start()
        slot = str(ours.recv())
        worker.join()
        return slot


def _say_slot(to: Connection) -> None:
    to.send(Runs(MemoryStore(), here(), "given").slot)


def test_a_fork_forgets_its_parents_families() -> None:
    runs._FAMILIES["r", "n", None] = Family("0")

    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, str(len(runs._FAMILIES)).encode())
        os._exit(0)
    os.waitpid(pid, 0)

    assert os.read(reading, 10) == b"0"
    os.close(reading)
    os.close(writing)


class TestBeforeMultiprocessingNumbers:
    """A spawned worker imports the program's main module before it has its number."""

    def test_a_spawned_worker_waits_for_its_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "orig_argv", ["python", "-c", "...", "--multiprocessing-fork"])

        assert is_unnumbered()

    def test_an_ordinary_process_does_not(self) -> None:
        assert not is_unnumbered()

    def test_until_then_children_are_told_of_the_place_above(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started_by(monkeypatch, run="parents", slot="5")

        announce("r", "")
        said = os.environ["CACHESAVER_RUN"]
        retract()

        assert said == f"r;slot=5;pid={os.getpid()}"
        assert os.environ["CACHESAVER_RUN"] == "parents;slot=5;pid=1"
