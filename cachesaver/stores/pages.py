"""The pages of an LMDB file that are nowhere: free ones at its end, or the ones that were cut off.

LMDB takes pages at the end of its file and, where the same transaction gives them up again, counts
them and never writes them (P_LOOSE in mdb.c): a file may be shorter than its last page in good
health. What it may not lack is a page in use, and every other page is on the list of free ones.

Source: mdb.c of LMDB 0.9, data version 1: MDB_page, MDB_meta, MDB_db, MDB_node, MDB_IDL. Read from
the file and not through LMDB's map, where a missing page ends the process (SIGBUS).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["lacks_pages"]

_HEADER = struct.Struct("@N4H")
"""Page number, padding, flags, end of the offsets, beginning of the nodes."""

_DB = "I2H5N"
"""Padding, flags, depth; pages of three kinds, entries, root."""

_META = struct.Struct(f"@2IPN{_DB}{_DB}2N")
"""Magic, version, address, size of the map; the free pages' tree, the main one; last page, number
of the transaction."""

_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF = 0x01, 0x02
_BIG = 0x01
"""The flag of a node whose value has pages of its own."""

_NODE = struct.Struct("@4H")
"""Size or page number (two halves), flags (or the highest part of a page number), size of the key."""

_NONE = (1 << 8 * struct.calcsize("N")) - 1
"""The root of an empty tree."""

_PAGE_NUMBER = struct.Struct("@N")


class _Meta(NamedTuple):
    root: int
    last_page: int
    transaction: int


def lacks_pages(file: BinaryIO, page_size: int) -> bool:
    """Tell whether *file* has lost pages in use; nobody may write to it meanwhile.

    Returns:
        True as well where its list of free pages cannot be read.
    """
    pages = _Pages(file, page_size)
    try:
        meta = max((pages.meta(0), pages.meta(1)), key=lambda each: each.transaction)
        absent = range(pages.count, meta.last_page + 1)
        return len({number for number in pages.free(meta.root) if number in absent}) < len(absent)
    except (struct.error, ValueError, OverflowError, RecursionError):
        return True


class _Pages:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self._seen: set[int] = set()
        self.count = file.seek(0, 2) // size

    def meta(self, number: int) -> _Meta:
        found = _META.unpack_from(self._page(number), _HEADER.size)
        if found[:2] != (_MAGIC, _VERSION):
            raise ValueError(f"magic and version are {found[:2]}")
        return _Meta(root=found[11], last_page=found[-2], transaction=found[-1])

    def free(self, root: int) -> Iterator[int]:
        """Yield the page numbers in the lists that the tree at *root* holds."""
        if root == _NONE:
            return
        if root in self._seen:
            raise ValueError(f"page {root} is in the tree twice")
        self._seen.add(root)
        page = self._page(root)
        _, _, flags, end, _ = _HEADER.unpack_from(page)
        for (offset,) in struct.iter_unpack("@H", page[_HEADER.size : end]):
            low, high, node_flags, key = _NODE.unpack_from(page, offset)
            if flags & _BRANCH:
                yield from self.free(low | high << 16 | node_flags << 32)
            elif flags & _LEAF:
                value = page[offset + _NODE.size + key :][: low | high << 16]
                yield from self._list(value, big=bool(node_flags & _BIG), size=low | high << 16)
            else:
                raise ValueError(f"page {root} has the flags {flags}")

    def _list(self, value: bytes, *, big: bool, size: int) -> Iterator[int]:
        if big:
            (first,) = _PAGE_NUMBER.unpack_from(value)
            value = self._read(first * self._size + _HEADER.size, size)
        (count,) = _PAGE_NUMBER.unpack_from(value)
        yield from struct.unpack_from(f"@{count}N", value, _PAGE_NUMBER.size)

    def _page(self, number: int) -> bytes:
        return self._read(number * self._size, self._size)

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        found = self._file.read(size)
        if len(found) < size:
            raise ValueError(f"{size} bytes at {offset} are not there")
        return found
