"""Several processes on one LMDB store: at once, killed at any moment, and forked while it is open."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

import cachesaver
from cachesaver.ports import Policy
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.processes import here
from cachesaver.stores.testing import F, a_run, a_sample, buy, draw, indexes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")

PRELUDE = """
import json, os, signal, sys
from pathlib import Path
from cachesaver.ports import Policy
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.processes import here
from cachesaver.stores.testing import F, a_run, a_sample, buy, draw, fill, indexes

def say(*words):
    sys.stdout.write(json.dumps(words) + "\\n")
    sys.stdout.flush()

store = LmdbStore(Path(sys.argv[1]))
"""


def start(program: str, *words: object) -> subprocess.Popen[str]:
    """Start *program*, which finds *words* in `sys.argv` and can `say` things."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + program, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(str(cachesaver.__file__)).parents[1])},
    )


@contextmanager
def running(program: str, *words: object) -> Generator[subprocess.Popen[str]]:
    """Run *program* beside the test, and kill it at the end if it still runs."""
    process = start(program, *words)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(stream: IO[str] | None) -> list[list[object]]:
    """Return what a process said, without what it was about to say when it was killed."""
    assert stream is not None
    return [json.loads(line) for line in stream if line.endswith("\n")]


def finish(process: subprocess.Popen[str]) -> list[list[object]]:
    """Wait for a process to end well; return what it said."""
    found = said(process.stdout)
    assert process.wait(60) == 0
    return found


def test_processes_of_a_run_never_get_one_index_twice_and_lose_none(tmp_path: Path) -> None:
    program = """
sys.stdin.readline()  # all begin at once
for number in range(100):
    name = f"{sys.argv[2]}-{number}"
    (grant,) = draw(store, a_run(), name)
    fill(store, grant, a_sample(name))
    say(name, grant.index)
"""
    processes = [start(program, tmp_path, number) for number in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    drawn = {name: index for process in processes for name, index in finish(process)}

    assert sorted(map(str, drawn.values())) == sorted(map(str, range(400)))
    store = LmdbStore(tmp_path)
    assert {sample.draw: index for index, sample in store.samples(F)} == drawn
    assert list(store.verify()) == []
    store.close()
    for process in processes:
        process.communicate()


def test_nothing_that_was_returned_is_lost_and_nobody_is_blocked_by_a_kill(tmp_path: Path) -> None:
    """Given a writer killed at any moment, then what it had is there and what it held is free."""
    program = """
for number in range(100_000):
    names = [f"{sys.argv[2]}-{number}-{which}" for which in "abcd"]
    grants = draw(store, a_run(sys.argv[2]), *names, "replayed")
    futures = [
        store.fill(F, grant.index, grant.token, a_sample(name), question=b"{}")
        for name, grant in zip(names, grants)
    ]
    for name, grant, future in zip(names, grants, futures):
        if future.result().draw == name:
            say(name, grant.index)
"""
    store = LmdbStore(tmp_path)
    kept: dict[str, int] = {}

    for attempt in range(5):
        with running(program, tmp_path, attempt) as writer:
            assert writer.stdout is not None
            for _ in range(1 + 13 * attempt):
                name, index = json.loads(writer.stdout.readline())
                kept[name] = index
            writer.send_signal(signal.SIGKILL)
            kept |= {str(name): int(str(index)) for name, index in said(writer.stdout)}

        there = {sample.draw: index for index, sample in store.samples(F)}
        assert kept.items() <= there.items()
        assert list(store.verify()) == []
        # What was in flight is led by the first who comes, and is not waited for.
        run = a_run(f"after {attempt}", namespace="other")
        after = draw(store, run, *map(str, range(len(there) + 10)))
        assert all(grant.sample or grant.token for grant in after)
        for grant in after:
            store.release(run, F, grant.index, grant.token)
    store.close()


def test_two_handles_of_a_process_never_get_one_index_twice(tmp_path: Path) -> None:
    """Given one store under two names, when threads use both at once, then they are one store."""
    (tmp_path / "s").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "s")
    handles = [LmdbStore(tmp_path / "s"), LmdbStore(tmp_path / "link")]

    def work(number: int) -> list[int]:
        names = [f"{number}-{which}" for which in range(25)]
        return [buy(handles[number % 2], a_run(), name)[0] for name in names]

    with ThreadPoolExecutor(8) as threads:
        drawn = [index for some in threads.map(work, range(8)) for index in some]

    assert sorted(drawn) == list(range(200))
    handles[0].close()
    assert buy(handles[1], a_run(), "one more") == [200]
    assert list(handles[1].verify()) == []
    handles[1].close()


@pytest.mark.parametrize("moment", ["_copy", "_settle", "claim"])
def test_a_kill_while_it_is_mirrored_loses_nothing_remembered(tmp_path: Path, moment: str) -> None:
    """Given a kill before the copy is written, before what was copied settles, or in between.

    Then the namespace remembers: at once, and when nothing but the mirror is left of it.
    """
    program = """
from cachesaver.stores import session, upkeep
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def mirroring(opened):
    if sys.argv[2] == "claim":
        opened.claim = die
    else:
        real = getattr(upkeep, sys.argv[2])
        def last(*words):
            real(*words)
            die()
        setattr(upkeep, sys.argv[2], last)
    mirror(opened)
draw(store, a_run("zero"), "b")
upkeep.mirror(store._opened())
mirror, upkeep.mirror = upkeep.mirror, mirroring
say(indexes(draw(store, a_run("one"), "x", "a", "b", policy=Policy.FRESH)))
signal.pause()
"""
    store = LmdbStore(tmp_path)
    buy(store, a_run(namespace="buyer"), *map(str, range(3)))
    store.close()
    with running(program, tmp_path, moment) as reader:
        drawn = said(reader.stdout)
        assert reader.wait(60) == -signal.SIGKILL

    store = LmdbStore(tmp_path)
    again = draw(store, a_run("two"), "b", "a", "x")
    store.close()
    (claims,) = tmp_path.glob("claims-*.mdb")
    claims.rename(tmp_path / "claims-another-boot.mdb")
    store = LmdbStore(tmp_path)
    after_a_cut = draw(store, a_run("three"), "a", "b", "x")
    store.close()

    assert drawn == [[[4, 5, 3]]]  # "b" in its turn before those of which nothing is known
    assert indexes(again) == [3, 5, 4]
    assert indexes(after_a_cut) == [5, 3, 4]


def test_a_namespace_remembers_the_last_of_what_processes_drew_in_turn(tmp_path: Path) -> None:
    """Given two that mirror all the time, each what either drew, then no copy brings back the past."""
    program = """
from cachesaver.stores import upkeep
for line in sys.stdin:
    number = int(line)
    say(indexes(draw(store, a_run(f"{number}"), "a", "b", policy=Policy.FRESH)))
    upkeep.mirror(store._opened())
"""
    processes = [start(program, tmp_path) for _ in range(2)]
    drawn: object = None
    for number in range(60):
        process = processes[number % 2]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        drawn = json.loads(process.stdout.readline())
    for process in processes:
        process.communicate()
    (claims,) = tmp_path.glob("claims-*.mdb")
    claims.rename(tmp_path / "claims-another-boot.mdb")

    store = LmdbStore(tmp_path)
    assert [indexes(draw(store, a_run("last"), "a", "b"))] == drawn
    store.close()


def test_a_namespace_remembers_what_a_killed_process_drew(tmp_path: Path) -> None:
    program = """
grants = draw(store, a_run("one"), "a", "b", "c")
say(indexes(grants))
signal.pause()
"""
    store = LmdbStore(tmp_path)
    buy(store, a_run(namespace="buyer"), "p", "q", "r")
    with running(program, tmp_path) as reader:
        assert reader.stdout is not None
        assert json.loads(reader.stdout.readline()) == [[0, 1, 2]]
        reader.kill()
        reader.wait()

    again = draw(store, a_run("two"), "c", "b", "a")

    assert indexes(again) == [2, 1, 0]
    store.close()


@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)"])
def test_a_child_forked_while_the_store_is_open_draws_on_its_own(tmp_path: Path, end: str) -> None:
    """Given parent and child on one store object, then both draw, and each keeps its files."""
    program = f"""
buy(store, a_run(), "first")
reading = store.samples(F)
child = os.fork()
me = "parent" if child else "child"
owner = here()
for number in range(20):
    name = f"{{me}}-{{number}}"
    say(name, buy(store, a_run(), name)[0])
say(me, owner)
if not child:
    {end}
assert os.waitpid(child, 0)[1] == 0
say("after", buy(store, a_run(), "after")[0])
store.close()
"""
    with running(program, tmp_path) as process:
        drawn = {str(name): what for name, what in finish(process)}

    assert drawn.pop("parent") != drawn.pop("child")
    assert sorted(int(str(index)) for index in drawn.values()) == list(range(1, 42))
    store = LmdbStore(tmp_path)
    assert len(list(store.samples(F))) == 42
    assert list(store.verify()) == []
    store.close()


def test_the_end_of_a_child_leaves_its_parents_readers_on_the_list(tmp_path: Path) -> None:
    """Given an inherited environment, when the child ends, then no page is reused under a reader."""
    program = """
from cachesaver.stores import session
opened = session.open_session(Path(sys.argv[1]))
environment = opened.samples
reading = environment.env.begin()
reading.get(b"x")
before = environment.env.readers()
child = os.fork()
if not child:
    del reading
    sys.exit(0)
os.waitpid(child, 0)
say(before == environment.env.readers(), "no active" in before)
"""
    with running(program, tmp_path) as process:
        assert finish(process) == [[True, False]]


def test_a_fork_in_the_middle_of_other_threads_work_leaves_the_child_able(tmp_path: Path) -> None:
    """Given threads that draw and fill without a pause, when the process forks, then both go on."""
    program = """
import threading
stop = threading.Event()
def work(name):
    number = 0
    while not stop.is_set():
        buy(store, a_run(), f"{name}-{number}")
        number += 1
threads = [threading.Thread(target=work, args=(name,)) for name in "xyz"]
for thread in threads:
    thread.start()
for generation in range(15):
    child = os.fork()
    if not child:
        buy(store, a_run(), f"child-{generation}")
        os._exit(0)
    say(os.waitpid(child, 0)[1])
stop.set()
for thread in threads:
    thread.join()
"""
    with running(program, tmp_path) as process:
        assert finish(process) == [[0]] * 15
    store = LmdbStore(tmp_path)
    found = list(store.samples(F))
    assert len({sample.draw for _, sample in found}) == len(found)
    assert sum(sample.draw.startswith("child") for _, sample in found) == 15
    store.close()


def test_a_lease_of_a_child_ends_with_it_and_not_with_its_parent(tmp_path: Path) -> None:
    program = """
child = os.fork()
if not child:
    draw(store, a_run(), "a")
    os._exit(0)
os.waitpid(child, 0)
draw(store, a_run(), "b")
say(bool(store.poll(F, 0, owner=here()).token), bool(store.poll(F, 1, owner=here()).token))
"""
    with running(program, tmp_path) as process:
        assert finish(process) == [[True, False]]


def test_a_process_that_was_killed_but_not_waited_for_holds_no_lease(tmp_path: Path) -> None:
    program = """
draw(store, a_run(), "a")
say("drawn")
signal.pause()
"""
    store = LmdbStore(tmp_path)
    with running(program, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        waiting = store.poll(F, 0, owner=here())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie

        grant = store.poll(F, 0, owner=here())

    assert (waiting.token, bool(grant.token)) == ("", True)
    store.close()


def test_samples_given_up_on_are_written_when_the_program_ends(tmp_path: Path) -> None:
    """Given a program that ends without waiting and without closing, then all is written."""
    program = """
for name in map(str, range(50)):
    (grant,) = draw(store, a_run(), name)
    store.fill(F, grant.index, grant.token, a_sample(name), question=b"{}")
"""
    with running(program, tmp_path) as process:
        finish(process)

    store = LmdbStore(tmp_path)
    assert [index for index, _ in store.samples(F)] == list(range(50))
    store.close()


def test_a_run_joined_by_several_processes_numbers_them(tmp_path: Path) -> None:
    program = "say(store.join('run', owner=here()), store.join('run', owner=here()))"

    numbers: list[object] = []
    for _ in range(3):
        with running(program, tmp_path) as process:
            numbers += finish(process)

    assert numbers == [[0, 0], [1, 1], [2, 2]]


def test_reading_and_writing_processes_see_each_others_samples(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path)
    (grant,) = draw(store, a_run(), "a")
    program = """
(waits,) = draw(store, a_run("two", namespace="other"), "x")
say(bool(waits.token), waits.sample is not None)
sys.stdin.readline()
hit = store.poll(F, 0, owner=here())
say(hit.sample == a_sample("a"))
"""
    with running(program, tmp_path) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == [False, False]
        store.fill(F, 0, grant.token, a_sample("a"), question=b"{}").result(60)
        assert process.stdin is not None
        process.stdin.write("filled\n")
        process.stdin.flush()
        assert finish(process) == [[True]]
    assert store.acquire(a_run(), F, ["a"], owner=here(), policy=Policy.READ)[0].sample is not None
    store.close()


MEMBER = """
store.enter("run", sys.argv[2], owner=here())
for number in range(100):
    (grant,) = draw(store, a_run("run"), f"{sys.argv[2]}-{number}")
    fill(store, grant, a_sample(sys.argv[2]))
    say(grant.index)
sys.stdin.readline()
store.leave("run", sys.argv[2])
store.close()
"""


def test_a_run_outlives_all_its_members_but_the_last(tmp_path: Path) -> None:
    """Given processes that end one after the other, or die, then the last still has its own draws."""
    with running(MEMBER, tmp_path, "p") as parent, running(MEMBER, tmp_path, "c") as child:
        drawn = list[object]()
        for each in (parent, child):
            assert each.stdout is not None
            drawn += [json.loads(each.stdout.readline())[0] for _ in range(100)]
        assert sorted(map(str, drawn)) == sorted(map(str, range(200)))
        parent.communicate("go")
        store = LmdbStore(tmp_path)
        store.collect()

        assert indexes(draw(store, a_run("run"), "x")) == [200]
        child.kill()
        child.wait()
        store.collect()

        assert indexes(draw(store, a_run("run"), "y")) == [0]
        store.close()
