"""A cassette on disk: read at once, appended to while it is recorded, set in order at the end.

Several processes may record into one: each answer is appended in one piece under a lock, and whoever
closes last leaves the file in order. Nothing here runs on an event loop's thread but the reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock

from cachesaver.cassettes.format import (
    TORN_CUT,
    Document,
    Head,
    is_whole,
    merged,
    parse,
    parted,
    written,
)
from cachesaver.errors import CassetteError

__all__ = ["append", "forget", "holds", "put_in_order", "put_in_place", "read", "remove", "revise"]

_CUT: Final = b"---\n"

_SLOTS: Final = 64
"""Locks for all cassettes of a user; each is held for the moment of a write."""


def read(path: Path) -> tuple[Head, list[Document]]:
    """Return what the cassette holds; nothing where there is none.

    Raises:
        CassetteError: It cannot be read, or is damaged.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Head(), []
    except OSError as error:
        raise _failed("read", path, error) from error
    return parse(text, location=str(path)) if text else (Head(), [])


def append(path: Path, documents: Iterable[Document]) -> None:
    """Add *documents* at the end of the cassette, on disk when this returns. Makes the cassette.

    Raises:
        CassetteError: It cannot be written.
    """
    text = b"".join(_CUT + each.text for each in documents)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path), path.open("a+b") as file:
            _mend_end(file)
            if not file.tell():
                text = written(Head(), ()) + text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _failed("written", path, error) from error


def _mend_end(file: BinaryIO) -> None:
    """End the last line of *file*; cut off its last document where that was not written to its end."""
    if not (size := file.tell()):
        return
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        text = file.read()
        if torn := TORN_CUT.search(text):
            file.truncate(torn.start())
            text = text[: torn.start()]
        if is_whole(text):
            file.write(b"\n")
        else:
            file.truncate(_last_cut(text))
    file.seek(0, os.SEEK_END)


def _last_cut(text: bytes) -> int:
    """Return where the last line that parts documents begins; 0 where there is none."""
    return max(text.rfind(b"\n" + _CUT), text.rfind(b"\n---\r\n")) + 1


def put_in_order(
    path: Path, clients: Mapping[str, str], outdated: Mapping[str, Document] | None = None
) -> None:
    """Sort and merge the documents of the cassette, and note what it was recorded with.

    Args:
        path: Of the cassette; without one nothing happens.
        clients: Versions by package, added to those that stand there.
        outdated: Documents whose answers are to go, by fingerprint: they were recorded anew.

    Raises:
        CassetteError: It cannot be written.
    """
    try:
        with _lock(path):
            if not path.exists():
                return
            head, documents = read(path)
            kept = merged(documents, outdated or {})
            told = Head(clients={**head.clients, **clients})
            _replace(path, written(told, kept))
    except OSError as error:
        raise _failed("written", path, error) from error


def revise(path: Path, change: Callable[[list[Document]], Iterable[Document]]) -> None:
    """Put what *change* makes of the documents of the cassette in their place. Makes the cassette.

    Args:
        path: Of the cassette.
        change: Takes one document a question, and returns such.

    Raises:
        CassetteError: It cannot be read or written, or is damaged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _lock(path):
            head, documents = read(path)
            changed = change(list(merged(documents, {})))
            text = written(head, sorted(changed, key=lambda each: each.fingerprint))
            path.touch()
            _replace(path, text)
    except OSError as error:
        raise _failed("written", path, error) from error


def holds(path: Path, before: datetime) -> bool:
    """Tell whether there is a cassette, and it holds what was recorded *before* that, or nothing.

    Raises:
        CassetteError: It cannot be read, or is damaged.
    """
    _, documents = read(path)
    has_old = any(parted(each, before)[0] is not None for each in documents)
    return path.exists() and (has_old or not documents)


def remove(path: Path) -> None:
    """Forget the cassette; a link to it stays, for what is recorded anew."""
    with contextlib.suppress(FileNotFoundError):
        path.resolve().unlink()


def forget(path: Path, before: datetime) -> None:
    """Forget what was recorded *before* that; the cassette itself, where nothing else is in it.

    Raises:
        CassetteError: It cannot be read or written, or is damaged.
    """
    try:
        with _lock(path):
            head, documents = read(path)
            kept = [new for each in documents if (new := parted(each, before)[1]) is not None]
            if not kept:
                remove(path)
            elif kept != documents:
                _replace(path, written(head, merged(kept, {})))
    except OSError as error:
        raise _failed("written", path, error) from error


@contextlib.contextmanager
def _lock(path: Path) -> Generator[None]:
    """Hold the lock for *path*: one of a few files of this user's, which are never removed.

    Nobody wants them in his repository; a lock that is removed after use is one that two may hold;
    and one for each cassette that ever was would fill their folder.
    """
    slot = hashlib.sha256(os.fsencode(path.resolve())).digest()[0] % _SLOTS
    lock = _taken(f"{slot:02}.lock")
    try:
        yield
    finally:
        lock.release()


def _taken(name: str) -> FileLock:
    """Return the lock *name*, held, in the first of the folders in which there can be one."""
    *folders, last = _lock_folders()
    for folder in folders:
        with contextlib.suppress(
            OSError, NotImplementedError
        ):  # not to be written, or without locks
            return _taken_in(folder, name)
    return _taken_in(last, name)


def _taken_in(folder: Path, name: str) -> FileLock:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / name)
    lock.acquire()
    return lock


def _lock_folders() -> Iterator[Path]:
    """Iterate where locks are: with the user's caches, for all that he runs has those in one place.

    Folders for temporary files differ: batch systems, shells and sandboxes make one for each job. They
    are for who has no other to write to, or no home at all (a container's user who is in no list of
    users); and each user's is his own.
    """
    from platformdirs import user_cache_path

    with contextlib.suppress(RuntimeError, OSError):  # says pathlib where there is no home
        yield user_cache_path("cachesaver-locks", appauthor=False)
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""  # Windows has temporary files by user
    yield Path(tempfile.gettempdir()) / f"cachesaver-locks{user}"


def put_in_place(path: Path, content: bytes) -> None:
    """Put *content* in the place of what the file at *path* holds, if it is there: whole, or not at all.

    Where *path* is a link it stays one, and what it leads to is written; permissions stay. Raises OSError.
    """
    path = path.resolve()
    beside = path.with_name(f".{uuid.uuid4().hex}.tmp")  # the name may be as long as names can be
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # there is none yet, or no permissions here
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def _replace(path: Path, text: bytes) -> None:
    if path.read_bytes() != text:
        put_in_place(path, text)


def _failed(what: str, path: Path, error: OSError) -> CassetteError:
    return CassetteError(
        f"the cassette {path} cannot be {what}: {error.strerror or error}; "
        "see to its folder and permissions, or name another file.",
        location=str(path),
    )
