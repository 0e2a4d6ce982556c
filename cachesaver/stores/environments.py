"""Opening LMDB environments: one per file and process, never one inherited through a fork.

Bookkeeping of files, maps and locks; what is in the files is for claims.py and writer.py to know.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from pathlib import Path

import lmdb

from cachesaver.errors import StoreDamagedError, StoreError, StoreUnavailableError
from cachesaver.stores.pages import lacks_pages

__all__ = ["Environment"]

_LARGEST = (1 << 40) if os.name == "posix" else (1 << 28)
"""Bytes of address space to begin with; the files stay as small as what is in them.

Windows makes the file as large as the map, so there it begins small and grows.
"""

_SMALLEST = 1 << 20

_PAGES = 1 << 16
"""Bytes; a multiple of every page size in use."""

_READERS = 4096
"""Slots for read transactions, of all processes together; LMDB's own default is 126."""


class Environment:
    """One LMDB file that grows as needed.

    Not locked: whoever calls `grow` or `adopt` sees to it that no transaction of this process is
    open on it.

    Attributes:
        env: What begins transactions.
    """

    def __init__(self, path: Path, *, durable: bool, tables: int = 0) -> None:
        self.path = path
        _allocate_locks(path)
        self.env = _open(path, durable=durable, tables=tables)
        _check_length(path, self.env)
        self.env.reader_check()

    def grow(self) -> None:
        """Enlarge the map: to twice its size, or less where that does not fit.

        Raises:
            StoreError: There is no more address space; the environment is as it was.
        """
        size = self.env.info()["map_size"]
        larger = (size * quarters // 4 // _PAGES * _PAGES for quarters in (8, 6, 5))
        fitting = next(filter(_fits, larger), None)
        if fitting is None:
            raise StoreError(
                f"the store file {self.path} is full at {size} bytes: the process may not map "
                "more; raise the limit of its address space (`ulimit -v`).",
                location=str(self.path),
            )
        self.env.set_mapsize(fitting)

    def adopt(self) -> None:
        """Take over the size to which another process has grown the map."""
        self.env.set_mapsize(0)

    def close(self) -> None:
        """Close the file; only in the process that opened it."""
        self.env.close()

    def abandon(self) -> None:
        """Let go, in a forked child, of the inherited environment.

        Not `close`: that would strike the *parent's* readers off the list they share, and its
        pages would be reused under its eyes. An lmdb object that merely ends, in another process
        than its own, leaves them alone, and lets the child open the file for itself.
        """
        del self.env


_LOCKS = _READERS * 64 + (1 << 12)
"""Bytes of the file of locks: a cache line a reader, and what LMDB keeps besides (lmdb.h, mdb.c)."""


def _allocate_locks(path: Path) -> None:
    """Give the file of locks its room on disk.

    LMDB makes it as a hole and writes to it through a map: on a full disk that would not be an
    error but the end of the process (SIGBUS).
    """
    if not hasattr(os, "posix_fallocate"):
        return  # macOS and Windows
    try:
        locks = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return  # LMDB says why
    try:
        if os.fstat(locks).st_size < _LOCKS:
            os.posix_fallocate(locks, 0, _LOCKS)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _unavailable(path, "the disk is full") from error
        # else a file system that cannot do it
    finally:
        os.close(locks)


def _open(path: Path, *, durable: bool, tables: int) -> lmdb.Environment:
    size = _first_size()
    while True:
        try:
            return lmdb.open(
                str(path),
                map_size=size,
                subdir=False,
                sync=durable,
                metasync=durable,
                mode=0o600,
                max_readers=_READERS,
                max_dbs=tables,
                # Spare ones are aborted when a forked child lets go: the parent's slots with them.
                max_spare_txns=0,
                readahead=False,
            )
        except lmdb.MemoryError as error:
            if size <= _SMALLEST:
                raise _unavailable(path, "no address space is left (`ulimit -v`)") from error
            size //= 2
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.CorruptedError) as error:
            raise _damaged(path, "is not an LMDB file of the version we write") from error
        except lmdb.Error as error:
            raise _unavailable(path, str(error)) from error


def _fits(size: int) -> bool:
    """Tell whether *size* bytes can be mapped. Tried out beforehand: lmdb closes what fails."""
    if sys.platform == "win32":
        return True
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    try:
        mmap.mmap(-1, size, flags=flags, prot=mmap.PROT_READ).close()
    except (OSError, OverflowError, ValueError):
        return False
    return True


def _first_size() -> int:
    """Return the map size to try first: a fair part where the address space is limited."""
    if sys.platform == "win32":
        return _LARGEST
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return _LARGEST
    fair = max(limit // 16, _SMALLEST)
    return min(_LARGEST, 1 << (fair.bit_length() - 1))


def _check_length(path: Path, env: lmdb.Environment) -> None:
    """Refuse a file that was cut off: LMDB would kill the process where pages are missing."""
    wanted, found = _lengths(path, env)
    # A new file has its two meta pages and nothing else.
    if found >= wanted:
        return
    with env.begin(write=True), path.open("rb") as file:  # nobody else writes meanwhile
        wanted, found = _lengths(path, env)
        cut = found < wanted and lacks_pages(file, env.stat()["psize"])
    if cut:
        env.close()
        raise _damaged(path, f"has {found} bytes where {wanted} were written")


def _lengths(path: Path, env: lmdb.Environment) -> tuple[int, int]:
    """Return the bytes that LMDB counts and those of the file."""
    return (env.info()["last_pgno"] + 1) * env.stat()["psize"], path.stat().st_size


def _unavailable(path: Path, reason: str) -> StoreUnavailableError:
    return StoreUnavailableError(
        f"the store file {path} cannot be opened: {reason}.", location=str(path)
    )


def _damaged(path: Path, what: str) -> StoreDamagedError:
    return StoreDamagedError(
        f"the store file {path} {what}; restore it from a copy, or move it away to begin anew.",
        location=str(path),
    )
