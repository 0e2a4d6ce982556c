"""What stands under a key is what was put there; damage is as good as nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from cachesaver.stores import records
from cachesaver.stores.entries import (
    NONE,
    NUMBER,
    Transaction,
    read_fresh,
    read_index,
    read_lease,
    walk,
    write_fresh,
    write_lease,
)
from cachesaver.stores.leases import Lease

HEAD = b"m" * 17


@pytest.fixture
def txn(tmp_path: Path) -> Iterator[Transaction]:
    with lmdb.open(str(tmp_path)) as environment, environment.begin(write=True) as opened:
        yield opened


def test_a_lease_is_read_as_it_was_written_whoever_owns_it(txn: Transaction) -> None:
    lease = Lease(owner="host\udce9 1")

    write_lease(txn, b"L", lease)

    assert read_lease(txn, b"L") == lease
    assert read_lease(txn, b"M") is None


def test_news_are_told_from_the_same_news_of_another_transaction(tmp_path: Path) -> None:
    numbers = {HEAD: 3, b"n" * 17: NONE}
    found = list[bytes]()
    with lmdb.open(str(tmp_path)) as environment:
        for _ in range(2):
            with environment.begin(write=True) as txn:
                write_fresh(txn, b"name", numbers)
                found.append(txn.get(b"Dname") or b"")

    assert [read_fresh(each) for each in found] == [numbers, numbers]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("record", "number"),
    [
        (records.seal(b"k", NUMBER.pack(7)), 7),
        (records.seal(b"k", NUMBER.pack(NONE)), None),
        (records.seal(b"other", NUMBER.pack(7)), None),
        (records.seal(b"k", b"short"), None),
        (b"", None),
    ],
)
def test_a_number_is_read_where_it_is_whole_and_where_it_belongs(
    tmp_path: Path, record: bytes, number: int | None
) -> None:
    with lmdb.open(str(tmp_path), max_dbs=1) as environment:
        table = environment.open_db(b"t")
        with environment.begin(write=True) as txn:
            txn.put(b"k", record, db=table)

            assert read_index(txn, table, b"k") == number
            assert read_index(txn, table, b"nothing") is None


def test_a_walk_comes_past_what_begins_so_and_nothing_else(txn: Transaction) -> None:
    for key in (b"a", b"b1", b"b2", b"c"):
        txn.put(key, key.upper())

    assert list(walk(txn, b"b")) == [(b"b1", b"B1"), (b"b2", b"B2")]
    assert list(walk(txn, b"d")) == []
