from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import pytest

from cachesaver.errors import StoreDamagedError, StoreError, StoreUnavailableError
from cachesaver.stores import environments
from cachesaver.stores.environments import Environment

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")

FILL = """
import resource, sys
from pathlib import Path
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.testing import F, a_run, a_sample, buy, draw
resource.setrlimit(resource.{limit}, ({size}, {size}))
store = LmdbStore(Path(sys.argv[1]))
"""


def run(program: str, *words: object) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_its_files_are_for_their_owner_only_and_small(tmp_path: Path) -> None:
    environment = Environment(tmp_path / "x.mdb", durable=True)

    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_blocks * 512 < 1 << 20
    environment.close()


def test_it_grows_and_keeps_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_LARGEST", 1 << 20)
    environment = Environment(tmp_path / "x.mdb", durable=False)
    with environment.env.begin(write=True) as txn:
        txn.put(b"k", b"v")

    environment.grow()

    assert environment.env.info()["map_size"] == 1 << 21
    with environment.env.begin() as reading:
        assert reading.get(b"k") == b"v"
    environment.close()


def test_where_it_cannot_grow_it_says_so_and_works_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_LARGEST", 1 << 46)
    environment = Environment(tmp_path / "x.mdb", durable=False)

    with pytest.raises(StoreError, match="raise the limit of its address space"):
        environment.grow()

    with environment.env.begin(write=True) as txn:
        assert txn.put(b"k", b"v")
    environment.close()


@posix
def test_a_limited_address_space_is_shared_fairly(tmp_path: Path) -> None:
    program = (
        FILL.format(limit="RLIMIT_AS", size=2 << 30)
        + """
print(store._session.samples.env.info()["map_size"], buy(store, a_run(), "a"))
"""
    )
    assert run(program, tmp_path) == f"{2 << 26} [0]\n"


@posix
def test_in_a_narrow_address_space_it_grows_as_it_fills(tmp_path: Path) -> None:
    program = (
        FILL.format(limit="RLIMIT_AS", size=2 << 30)
        + """
import os
before = store._session.samples.env.info()["map_size"]
for number in range(20):
    (grant,) = draw(store, a_run(), str(number))
    sample = a_sample("x", os.urandom(10 << 20))
    store.fill(F, number, grant.token, sample, question=b"").result()
print(before < store._session.samples.env.info()["map_size"], len(list(store.samples(F))))
"""
    )
    assert run(program, tmp_path) == "True 20\n"


def test_a_map_that_does_not_fit_is_halved_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = lmdb.open

    def narrow(path: str, *, map_size: int, **options: Any) -> object:
        asked.append(map_size)
        if map_size > 1 << 21:
            raise lmdb.MemoryError("Cannot allocate memory")
        return real(path, map_size=map_size, **options)

    monkeypatch.setattr(environments, "_LARGEST", 1 << 23)
    monkeypatch.setattr(lmdb, "open", narrow)

    Environment(tmp_path / "x.mdb", durable=False).close()

    assert asked == [1 << 23, 1 << 22, 1 << 21]


def test_where_no_map_fits_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> object:
        raise lmdb.MemoryError("Cannot allocate memory")

    monkeypatch.setattr(lmdb, "open", full)

    with pytest.raises(StoreUnavailableError, match="no address space is left"):
        Environment(tmp_path / "x.mdb", durable=False)


def test_what_is_no_lmdb_file_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.mdb").write_bytes(b"no database" * 4096)

    with pytest.raises(StoreDamagedError, match="is not an LMDB file"):
        Environment(tmp_path / "x.mdb", durable=False)


def test_a_file_that_was_cut_off_is_damaged_and_not_touched(tmp_path: Path) -> None:
    """LMDB itself would kill the process with a bus error."""
    environment = Environment(tmp_path / "x.mdb", durable=True)
    with environment.env.begin(write=True) as txn:
        txn.put(b"k", b"v" * 100_000)
    environment.close()
    with (tmp_path / "x.mdb").open("r+b") as file:
        file.truncate(20_000)

    with pytest.raises(StoreDamagedError, match="has 20000 bytes where"):
        Environment(tmp_path / "x.mdb", durable=True)


def test_a_file_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="No such file or directory"):
        Environment(tmp_path / "none" / "x.mdb", durable=False)


def test_readers_that_died_are_struck_off_on_opening(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from cachesaver.stores.environments import Environment
reading = Environment(Path(sys.argv[1]), durable=False).env.begin()
reading.get(b"x")
os._exit(0)
"""
    run(program, tmp_path / "x.mdb")

    environment = Environment(tmp_path / "x.mdb", durable=False)

    assert environment.env.readers() == "(no active readers)\n"
    assert environment.env.max_readers() >= 4096
    environment.close()


@posix
def test_a_full_disk_is_told_to_who_fills_and_what_is_there_is_served(tmp_path: Path) -> None:
    program = (
        FILL.format(limit="RLIMIT_FSIZE", size=1 << 20)
        + """
import os
from cachesaver.errors import StoreError
buy(store, a_run(), "a")
(grant,) = draw(store, a_run(), "b")
sample = a_sample("b", os.urandom(2 << 20))
try:
    store.fill(F, grant.index, grant.token, sample, question=b"").result(60)
except StoreError as error:
    print("failed")
    store.release(a_run(), F, grant.index, grant.token)
(again,) = draw(store, a_run(), "b")
(hit,) = draw(store, a_run("two"), "a")
print(again.index, bool(again.token), hit.sample is not None)
"""
    )
    assert run(program, tmp_path) == "failed\n1 True True\n"
