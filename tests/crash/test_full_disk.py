"""A disk that is really full: a file system of a few megabytes that this test mounts for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cachesaver.rehearsal import Rehearsal

IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
"""Mounts made in there are seen in there only, and need no rights."""

PRELUDE = """
import itertools, os, sys
from pathlib import Path
from cachesaver.errors import StoreError
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.testing import F, a_run, a_sample, buy, draw

disk = Path(sys.argv[1])
ballast = disk / "ballast"
ballast.write_bytes(bytes(1 << 19))

def use_up():
    with (disk / "hog").open("ab", buffering=0) as hog:
        try:
            while True:
                hog.write(bytes(4096))
        except OSError:
            pass
"""


def on_a_small_disk(program: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run *program* where `disk` is a file system of 4 MB, with half a megabyte of ballast on it."""
    mounted = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'
    return subprocess.run(
        [*IN_A_NAMESPACE, mounted, folder, sys.executable, "-c", PRELUDE + program, folder, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    try:
        tried = on_a_small_disk("", tmp_path)
    except FileNotFoundError:
        pytest.skip("needs unshare(1)")
    if tried.returncode:
        pytest.skip("needs a kernel that lets everyone mount in a namespace of their own")
    return tmp_path


def test_what_was_there_is_served_and_what_comes_after_room_was_made_is_kept(disk: Path) -> None:
    program = """
store = LmdbStore(disk / "s")
for number in itertools.count():
    (grant,) = draw(store, a_run(), str(number))
    sample = a_sample(str(number), os.urandom(30_000))
    future = store.fill(F, grant.index, grant.token, sample, question=b"{}")
    if future.exception() is not None:
        break
assert isinstance(future.exception(), StoreError), future.exception()
assert number > 10
assert [index for index, _ in store.samples(F)] == list(range(number))
assert list(store.verify()) == []

ballast.unlink()
store.release(a_run(), F, grant.index, grant.token)
assert buy(store, a_run(), str(number)) == [number]
store.close()
again = LmdbStore(disk / "s")
assert len(list(again.samples(F))) == number + 1
assert list(again.verify()) == []
again.close()
"""
    ran = on_a_small_disk(program, disk)

    assert (ran.returncode, ran.stderr) == (0, "")


def test_a_program_goes_on_live_and_says_so_once(disk: Path, rehearsal: Rehearsal) -> None:
    program = """
import httpx2
import cachesaver

def ask():
    body = {"model": "gpt", "messages": [{"role": "user", "content": "Say something."}]}
    answer = client.post("/v1/chat/completions", json=body)
    return answer.json()["choices"][0]["message"]["content"]

with (
    cachesaver.install("a", store=disk / "s", quiet=True) as session,
    httpx2.Client(base_url=sys.argv[2], timeout=60) as client,
):
    first = ask()
    use_up()
    texts = [ask() for _ in range(5)]
    (disk / "hog").unlink()
    after = ask()
    assert len({first, *texts, after}) == 7
    with cachesaver.namespace("b"):
        assert [ask(), ask()] == [first, after], "what was not kept is not in the pool"
"""
    ran = on_a_small_disk(program, disk, rehearsal.url)

    assert ran.returncode == 0, ran.stderr
    (warning,) = ran.stderr.splitlines()
    assert warning.startswith(("cachesaver: going on live", "cachesaver: the store failed"))
    assert "No space left on device" in warning
    assert rehearsal.calls().samples == 7


def test_a_full_disk_after_a_boot_is_an_error_and_no_crash(disk: Path) -> None:
    """Given a store of an earlier boot, so that the file of claims is new, on a disk that is full."""
    program = """
store = LmdbStore(disk / "s")
buy(store, a_run(), "a")
store.close()
for path in (disk / "s").glob("claims*"):
    path.unlink()
use_up()
try:
    LmdbStore(disk / "s")
except StoreError as error:
    print("told")
"""
    ran = on_a_small_disk(program, disk)

    assert (ran.returncode, ran.stdout) == (0, "told\n"), ran.returncode
