"""`cachesaver run`: what the program sees of it, and how its processes share one run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cachesaver.cli import main, parser
from cachesaver.cli.run import BOOT, prepared
from cachesaver.errors import ConfigurationError, StoreUnavailableError
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores import keys
from cachesaver.stores.entries import walk
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.session import close, open_session

Command = Callable[..., Any]

TYPOS = [
    *(("--mode", "cahce"), ("-n", ""), ("--host", "http://x"), ("--replicate", "-1")),
    *(("--budget", "5 apples"), ("--max-concurrency", "0")),
]

ASK = """
import json, os, urllib3
def ask(*_):
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
    with urllib3.PoolManager() as pool:  # a connection of its own: forks would share one
        answer = pool.request("POST", os.environ["URL"], json=body)
    return answer.json()["choices"][0]["message"]["content"].replace("\\n", " ")
"""


@pytest.fixture
def work(tmp_path: Path, command: Command) -> Path:
    """The folder in which `command` runs, with a module `asking` in it."""
    (tmp_path / "work" / "asking.py").write_text(ASK)
    return tmp_path / "work"


def environment(*arguments: object, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what `cachesaver run` with *arguments* gives the program as its environment."""
    return prepared(inherited or {}, parser().parse_args(["run", *map(str, arguments)]))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


class TestTheEnvironment:
    def test_options_are_told_to_every_process(self, tmp_path: Path) -> None:
        options = ("-n", "a", "--mode", "replay", "--host", "x.test", "--host", "y.test")

        told = environment(*options, "--store", "pool", "--strict", "-q", "--run", "job 7")

        assert told["CACHESAVER_NAMESPACE"] == "a"
        assert told["CACHESAVER_MODE"] == "replay"
        assert told["CACHESAVER_HOSTS"] == "x.test,y.test"
        assert told["CACHESAVER_STRICT"] == told["CACHESAVER_QUIET"] == "1"
        assert told["CACHESAVER_RUN"] == "job 7"
        assert "CACHESAVER_REPLICATE" not in told
        assert told["CACHESAVER_STORE"] == str(tmp_path / "pool"), "the program may change folders"

    def test_a_replicate_is_told_or_inherited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = environment("--store", "memory://", "--replicate", "0")
        monkeypatch.setenv("CACHESAVER_REPLICATE", "2")
        outer = environment("--store", "memory://")

        told = [each["CACHESAVER_REPLICATE"] for each in (given, outer)]
        assert told == ["0", "2"]

    def test_guards_are_told_to_every_process(self) -> None:
        guards = ("--max-concurrency", 8, "--budget", "5 usd,100 calls")

        told = environment(*guards, "--store", "memory://")

        assert told["CACHESAVER_CONCURRENCY"] == "8"
        assert told["CACHESAVER_BUDGET"] == "5 usd, 100 calls"

    def test_what_is_not_said_is_left_out(self) -> None:
        inherited = {"CACHESAVER_BUDGET": "1", "CACHESAVER_STRICT": "1", "OTHER": ""}

        told = environment("--store", "memory://", inherited=inherited)

        assert told["OTHER"] == ""
        assert {name for name in told if name.startswith("CACHESAVER_")} == {
            *("CACHESAVER_AUTOSTART", "CACHESAVER_MODE", "CACHESAVER_NAMESPACE"),
            *("CACHESAVER_RUN", "CACHESAVER_STORE"),
        }

    def test_guards_are_inherited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CACHESAVER_CONCURRENCY", "3")
        monkeypatch.setenv("CACHESAVER_BUDGET", "7 samples")

        told = environment("--store", "memory://")

        assert (told["CACHESAVER_CONCURRENCY"], told["CACHESAVER_BUDGET"]) == ("3", "7 samples")

    def test_home_is_written_out(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))

        assert environment("--store", "~/pool")["CACHESAVER_STORE"] == str(tmp_path / "pool")

    def test_a_url_stays_one(self) -> None:
        assert environment("--store", "memory://")["CACHESAVER_STORE"] == "memory://"

    def test_what_is_not_said_is_inherited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CACHESAVER_NAMESPACE", "outer")
        monkeypatch.setenv("CACHESAVER_MODE", "refresh")

        told = environment("--store", "memory://")

        assert (told["CACHESAVER_NAMESPACE"], told["CACHESAVER_MODE"]) == ("outer", "refresh")

    def test_each_is_a_run_of_its_own_also_inside_another(self) -> None:
        outer = environment("--store", "memory://")
        told = {**outer, "CACHESAVER_RUN": f"{outer['CACHESAVER_RUN']};slot=3;pid=1"}
        inner = environment("--store", "memory://", inherited=told)

        assert outer["CACHESAVER_RUN"] not in inner["CACHESAVER_RUN"]
        assert ";slot=" not in inner["CACHESAVER_RUN"], "its place in the outer run"

    def test_a_run_is_joined_by_what_its_processes_are_told(self) -> None:
        """Given what a child process finds in its environment, handed on, then the run is that one."""
        told = environment("--store", "memory://", "--run", "job 7;slot=0;pid=1")

        assert told["CACHESAVER_RUN"] == "job 7"

    def test_the_users_pythonpath_is_kept_behind_ours(self) -> None:
        inherited = {"PYTHONPATH": os.pathsep.join(("a", "b")), "OTHER": "kept"}

        told = environment("--store", "memory://", inherited=inherited)

        assert told["PYTHONPATH"].split(os.pathsep) == [str(BOOT), "a", "b"]
        assert told["OTHER"] == "kept"

    def test_mode_live_opens_no_store(self, tmp_path: Path) -> None:
        environment("--store", tmp_path / "pool", "--mode", "live")

        assert not (tmp_path / "pool").exists()

    @pytest.mark.parametrize("option", TYPOS)
    def test_a_typo_starts_nothing(self, option: tuple[str, str]) -> None:
        with pytest.raises(ConfigurationError):
            environment(*option, "--store", "memory://")

    def test_files_of_others_start_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("precious")

        with pytest.raises(StoreUnavailableError, match="no cachesaver store"):
            environment("--store", tmp_path)


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ((), "no program is given: write it after --"),
        (("--",), "no program is given: write it after --"),
        (("--", "no-such-program"), "the program no-such-program is not found"),
        (("--", "./script.py"), "./script.py is not a program; for a script write: -- python"),
        (("--", "./text"), "./text is not a program; for a script write: -- python"),
    ],
)
def test_what_cannot_be_run(
    program: tuple[str, ...], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "script.py").write_text("print()")
    (tmp_path / "text").write_text("print()")
    (tmp_path / "text").chmod(0o700)

    status = main(["run", "-n", "a", "--store", "memory://", *program])

    said = capsys.readouterr().err
    assert status == 2
    assert complaint in said
    assert said.count("\n") == 1


def test_arguments_streams_and_status_are_the_programs_own(command: Command, work: Path) -> None:
    (work / "echo.py").write_text(
        "import sys; print(sys.argv[1:]); print(sys.stdin.read(), file=sys.stderr); sys.exit(7)"
    )
    arguments = ["-n", "--", "-q", "--mode", "x y", ""]

    done = command(
        *("run", "-n", "a", "--store", "pool", "--", sys.executable, "echo.py", *arguments),
        given="typed",
    )

    assert (done.stdout, done.stderr, done.returncode) == (f"{arguments}\n", "typed\n", 7)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_the_program_takes_our_place(env: dict[str, str], tmp_path: Path) -> None:
    """Given a program that waits, when our process is told to end, then it is what ends."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "cachesaver", "run", "--store", str(tmp_path / "pool"), "--"),
            *(sys.executable, "-c", "import os, sys; print(os.getpid(), flush=True); input()"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)

        assert (pid, process.wait(30)) == (process.pid, -signal.SIGTERM)


FAMILY = """
import multiprocessing, os, subprocess, sys, warnings
# Python 3.12 and later warn of every fork beside a thread, and the store's writer is one.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
from asking import ask
from cachesaver import current_session

def forked():
    read, write = os.pipe()
    if not (pid := os.fork()):
        os.write(write, ask().encode())
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    return os.fdopen(read).read()

def worker(queue):
    answer = ask()
    queue.put((multiprocessing.current_process().name, (current_session().slot, answer)))

def main():
    print("root", ask())
    for how in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(how)
        queue = context.SimpleQueue()
        workers = [context.Process(target=worker, args=(queue,), name=f"{how}{n}") for n in (1, 2)]
        for each in workers:
            each.start()
        said = dict(queue.get() for _ in workers)
        for each in workers:
            each.join()
            print(*said[each.name])
    print("os.fork", forked())
    sys.stdout.flush()
    subprocess.run([sys.executable, "-c", "from asking import ask; print('-c', ask())"], check=True)
    subprocess.run([sys.executable, "-m", "child", "-x"], check=True)
    print("root again", ask())

if __name__ == "__main__":
    main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_all_processes_are_one_run_and_replay_what_they_drew(
    command: Command, work: Path, rehearsal: Rehearsal
) -> None:
    """Given processes of every kind, then no two draw one sample, and each draws its own again."""
    (work / "family.py").write_text(FAMILY)
    (work / "child.py").write_text("from asking import ask; print('-m', ask())")
    options = ("--store", "pool", "-q")

    cold = command("run", "-n", "a", *options, "--", sys.executable, "family.py")
    bought = rehearsal.calls().calls
    warm = command(
        *("run", "-n", "b", *options, "--mode", "replay", "--", sys.executable, "-m", "family")
    )

    assert (cold.returncode, cold.stderr, warm.stderr) == (0, "", "")
    lines = cold.stdout.splitlines()
    assert len(lines) == 11
    assert len({line.partition(" ")[2] for line in lines}) == bought == len(lines)
    assert warm.stdout.splitlines() == lines
    workers = ["0/1", "0/2", "0/3", "0/4", "0/5", "0/6"]
    assert [line.partition(" ")[0] for line in lines[1:7]] == workers, "whoever was up first"
    assert rehearsal.calls().calls == bought


def test_replicates_share_nothing_and_each_replays(
    command: Command, work: Path, rehearsal: Rehearsal
) -> None:
    program = ("--", sys.executable, "-c", "from asking import ask; print(ask()); print(ask())")

    def drawn(number: int) -> list[str]:
        options = ("-n", "exp", "--replicate", number, "--store", "pool", "-q")
        return list(command("run", *map(str, options), *program).stdout.splitlines())

    zero, one = drawn(0), drawn(1)
    bought = rehearsal.calls().calls

    assert len({*zero, *one}) == bought == 4
    assert [drawn(1), drawn(0)] == [one, zero]
    assert rehearsal.calls().calls == bought


def test_programs_that_follow_one_another_are_one_run(
    command: Command, work: Path, rehearsal: Rehearsal
) -> None:
    """Given a script that starts one Python after another, then no two draw the same sample."""
    ask = f"{sys.executable} -c 'from asking import ask; print(ask())'"
    (work / "script.sh").write_text(f"{ask}\n{ask}\n")

    first = command("run", "--store", "pool", "-q", "--", "sh", "script.sh")
    again = command("run", "--store", "pool", "-q", "--", "sh", "script.sh")

    assert len(set(first.stdout.splitlines())) == rehearsal.calls().calls == 2
    assert again.stdout == first.stdout


@pytest.mark.parametrize("joined", [(), ("--run", "job 7")])
def test_a_run_ends_with_its_program_but_for_one_that_was_joined(
    joined: tuple[str, ...], command: Command, work: Path
) -> None:
    program = ("--", sys.executable, "-c", "from asking import ask; ask()")
    command("run", "--store", "pool", "-q", *joined, *program)
    store = LmdbStore(work / "pool")

    store.collect()

    assert runs_of(work / "pool") == ([keys.run_prefix("job 7")] if joined else [])
    store.close()


def runs_of(path: Path) -> list[bytes]:
    """Return the prefixes of the runs of which the store in *path* keeps something."""
    opened = open_session(path)
    found = opened.look(lambda claims: {key[: keys.RUN_PREFIX] for key, _ in walk(claims, b"R")})
    close(opened)
    return sorted(found)


def test_a_program_with_an_install_of_its_own_nests(command: Command, work: Path) -> None:
    (work / "nested.py").write_text(
        textwrap.dedent(
            """
            import cachesaver
            from asking import ask
            ask()
            with cachesaver.install(namespace="inner"):
                ask()
            """
        )
    )

    done = command("run", "-n", "outer", "--store", "pool", "--", sys.executable, "nested.py")

    inner, outer = done.stderr.splitlines()
    assert inner.startswith("cachesaver: namespace 'inner': 1 hits, 0 fetched, ")
    assert outer.startswith("cachesaver: namespace 'outer': 0 hits, 1 fetched, ")


def test_what_replay_lacks_is_an_error_of_the_program(command: Command, work: Path) -> None:
    done = command(
        *("run", "--store", "pool", "--mode", "replay", "--"),
        *(sys.executable, "-c", "from asking import ask; ask()"),
    )

    assert done.returncode == 1
    assert "NotRecordedError: POST http://127.0.0.1" in done.stderr
