# What is planted is planted in few words:
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cachesaver.stores import processes
from cachesaver.stores.processes import boot_id, can_see, here, is_alive
from cachesaver.stores.testing import dead_owner

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def changed(owner: str, part: int, value: str) -> str:
    parts = owner.split("/")
    parts[part] = value
    return "/".join(parts)


def test_this_process_lives_and_is_seen() -> None:
    assert is_alive(here())
    assert can_see(here())


def test_a_process_keeps_its_name() -> None:
    assert here() == here()


def test_a_process_that_ended_is_dead() -> None:
    assert not is_alive(dead_owner())


@linux
def test_a_process_that_took_over_a_pid_is_another() -> None:
    assert not is_alive(changed(here(), 3, "1"))


@linux
def test_nothing_of_an_earlier_boot_lives() -> None:
    assert boot_id() != ""
    assert not is_alive(changed(here(), 0, "another boot"))


@linux
def test_a_process_of_another_container_cannot_be_seen_and_is_not_given_up() -> None:
    elsewhere = changed(here(), 1, "pid:[1]")

    assert is_alive(elsewhere)
    assert not can_see(elsewhere)


@pytest.mark.parametrize("owner", ["", "worker-1", "a/b/c/d", "a/b/1/2/3"])
def test_a_text_that_is_no_owner_cannot_be_judged(owner: str) -> None:
    assert is_alive(owner)
    assert not can_see(owner)


@linux
def test_a_process_that_ended_but_was_not_waited_for_is_dead() -> None:
    program = "from cachesaver.stores.processes import here; print(here(), flush=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        owner = it.stdout.readline().strip()
        os.waitid(os.P_PID, it.pid, os.WEXITED | os.WNOWAIT)

        assert not is_alive(owner)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_name_of_its_own() -> None:
    before = here()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, here().encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)

    with os.fdopen(reading) as pipe:
        assert pipe.read() not in {"", before}


@linux
def test_where_proc_hides_others_a_pid_that_answers_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PROC_TELLS", False)
    monkeypatch.setattr(processes, "_started", lambda _: None)
    owners = [here(), dead_owner(), changed(here(), 2, "1"), changed(here(), 2, "9" * 30)]

    assert [is_alive(owner) for owner in owners] == [True, False, True, False]
