"""What stands under a key of an LMDB store, besides samples: numbers, leases, news of draws.

Keys are described in keys.py.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from cachesaver.exchange import Sample
from cachesaver.stores import records
from cachesaver.stores.keys import HEAD, INDEX
from cachesaver.stores.leases import Lease

__all__ = [
    "NONE",
    "NUMBER",
    "Table",
    "Tables",
    "Transaction",
    "read_fresh",
    "read_index",
    "read_lease",
    "read_sample",
    "walk",
    "write_fresh",
    "write_lease",
]

if TYPE_CHECKING:  # lmdb's classes are generic, and named, in its stubs only
    Transaction = lmdb.Transaction[bytes]
    Table = lmdb._Database  # noqa: SLF001
else:
    Transaction = lmdb.Transaction
    Table = object

NONE = -1
"""Stands for no number."""

NUMBER = struct.Struct("<q")

_LEASE = struct.Struct("<32sd")

_FRESH = struct.Struct(f"<{HEAD}sq")
"""Head of the key in `memory`; number."""


class Tables(NamedTuple):
    """The sub-databases of the environment of samples."""

    samples: Table
    questions: Table
    bought: Table
    memory: Table


def read_sample(txn: Transaction, table: Table, key: bytes) -> Sample | None:
    """Return the sample under *key*, or None when there is none.

    Raises:
        ValueError: There is a record, but a damaged one.
    """
    record = txn.get(key, None, table)
    return None if record is None else records.decode(records.unseal(key, record))


def read_index(txn: Transaction, table: Table, key: bytes) -> int | None:
    """Return the sealed number under *key*; None when there is none, or a damaged one."""
    record = txn.get(key, None, table)  # not by keyword: that costs a dict, four times a draw
    if record is None:
        return None
    try:
        number: int = NUMBER.unpack(records.unseal(key, record))[0]
    except (ValueError, struct.error):
        return None
    return None if number == NONE else number


def read_lease(txn: Transaction, key: bytes) -> Lease | None:
    """Return the lease under *key*."""
    record = txn.get(key)
    if record is None:
        return None
    token, since = _LEASE.unpack_from(record)
    owner = record[_LEASE.size :].decode("utf-8", "surrogatepass")
    return Lease(owner=owner, token=token.decode(), since=since)


def write_lease(txn: Transaction, key: bytes, lease: Lease) -> None:
    """Put *lease* under *key*."""
    owner = lease.owner.encode("utf-8", "surrogatepass")
    txn.put(key, _LEASE.pack(lease.token.encode("ascii"), lease.since) + owner)


def read_fresh(record: bytes) -> dict[bytes, int]:
    """Return what is to be kept, of a *record* that is not in `memory` yet: numbers by head."""
    return dict(_FRESH.iter_unpack(record[INDEX.size :]))


def write_fresh(txn: Transaction, rest: bytes, numbers: Mapping[bytes, int]) -> None:
    """Keep *numbers*, by the head of their key, until they are in `memory`; see `upkeep.mirror`.

    The number of the transaction goes with them: who finds the record it has copied knows that no
    other value came and went meanwhile.
    """
    record = INDEX.pack(txn.id())
    for head, number in numbers.items():
        record += _FRESH.pack(head, number)
    txn.put(b"D" + rest, record)


def walk(txn: Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate key and value of the claims whose keys begin with *prefix*, in their order."""
    with txn.cursor() as cursor:
        if not cursor.set_range(prefix):
            return
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key, value
