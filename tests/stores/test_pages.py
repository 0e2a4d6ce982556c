from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random

import lmdb
import pytest

from cachesaver.stores import pages
from cachesaver.stores.environments import Environment
from cachesaver.stores.pages import lacks_pages


def written(path: Path, transactions: int) -> lmdb.Environment:
    """Return an environment whose file is shorter than LMDB counts it."""
    env = lmdb.open(str(path), subdir=False, map_size=1 << 30, sync=False, metasync=False)
    random = Random(transactions)  # noqa: S311
    for _ in range(transactions):
        with env.begin(write=True) as txn:
            for _ in range(random.choice([1, 5, 20])):
                key = b"%d" % random.randrange(300)
                if not txn.delete(key):
                    txn.put(key, random.randbytes(random.choice([10, 1000, 3000, 9000])))
    with env.begin(write=True) as txn:  # takes pages at the end, and gives them up again
        txn.put(b"gone", b"v" * 10_000_000)
        txn.delete(b"gone")
    assert short(path, env)
    return env


def short(path: Path, env: lmdb.Environment) -> bool:
    return path.stat().st_size < (env.info()["last_pgno"] + 1) * env.stat()["psize"]


@pytest.mark.parametrize("transactions", [3, 10, 300])
def test_a_file_that_ends_in_free_pages_is_in_good_health(
    tmp_path: Path, transactions: int
) -> None:
    """LMDB never writes what one transaction took and gave up; it refused such a store."""
    env = written(tmp_path / "x.mdb", transactions)
    with env.begin() as txn:
        kept = dict(txn.cursor())
    env.close()

    environment = Environment(tmp_path / "x.mdb", durable=False)

    assert short(tmp_path / "x.mdb", environment.env)
    with environment.env.begin() as reading:
        assert dict(reading.cursor()) == kept
    environment.close()


@pytest.mark.parametrize("transactions", [3, 10, 300])
def test_no_page_in_use_can_be_cut_off_unnoticed(tmp_path: Path, transactions: int) -> None:
    """A value that fills its pages is the last in the file, whatever is free before it."""
    env = written(tmp_path / "x.mdb", transactions)
    with env.begin(write=True) as txn:
        txn.put(b"last", b"v" * 20_000_000)
    size = env.stat()["psize"]
    env.close()
    whole = (tmp_path / "x.mdb").read_bytes()
    count = len(whole) // size

    assert not lacks_pages(io.BytesIO(whole), size)
    for cut in (*range(count - 50, count), *range(count - 50)[::97]):
        assert lacks_pages(io.BytesIO(whole[: cut * size]), size), cut


def test_an_empty_file_of_lmdb_lacks_nothing(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "x.mdb"), subdir=False) as env:
        size = env.stat()["psize"]

    assert not lacks_pages(io.BytesIO((tmp_path / "x.mdb").read_bytes()), size)


def test_what_cannot_be_read_lacks_pages(tmp_path: Path) -> None:
    """Given a list of free pages that was written over at random, then an answer, and no error."""
    env = written(tmp_path / "x.mdb", 300)
    size = env.stat()["psize"]
    env.close()
    whole = (tmp_path / "x.mdb").read_bytes()
    random = Random(0)  # noqa: S311

    assert lacks_pages(io.BytesIO(b"no database" * 4096), size)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(2000):
            damaged[random.randrange(2 * size, len(whole))] = random.randrange(256)
        assert lacks_pages(io.BytesIO(damaged), size) in {True, False}


def test_a_last_page_that_cannot_be_takes_no_memory(tmp_path: Path) -> None:
    """Given a damaged number of pages, then it is told apart without a list of all of them."""
    env = written(tmp_path / "x.mdb", 3)
    size = env.stat()["psize"]
    env.close()
    whole = bytearray((tmp_path / "x.mdb").read_bytes())
    for page in (0, 1):
        *told, _, transaction = pages._META.unpack_from(whole, page * size + pages._HEADER.size)
        pages._META.pack_into(whole, page * size + pages._HEADER.size, *told, 1 << 50, transaction)

    assert lacks_pages(io.BytesIO(whole), size)


def test_a_tree_that_bites_its_tail_is_left(tmp_path: Path) -> None:
    env = written(tmp_path / "x.mdb", 300)
    size = env.stat()["psize"]
    env.close()
    whole = bytearray((tmp_path / "x.mdb").read_bytes())
    for page in range(2, len(whole) // size):
        # A branch with two children, and both are itself.
        node = struct.pack("@4H", page, 0, 0, 0)
        branch = struct.pack("@N4H", page, 0, 1, 20, 32) + struct.pack("@2H", 32, 48)
        whole[page * size : page * size + 64] = branch.ljust(32, b"\0") + node.ljust(16, b"\0") * 2

    assert lacks_pages(io.BytesIO(whole), size)
