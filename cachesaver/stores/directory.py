"""The directory of an LMDB store: made, recognised or refused, before anything in it is opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cachesaver.errors import StoreUnavailableError

__all__ = ["CLAIMS", "FORMAT", "MARKER", "SAMPLES", "filesystem", "prepare", "refusal"]

MARKER = "cachesaver.json"
"""Says that a directory is ours, and how it is laid out."""

FORMAT = 1
"""Of the directory: goes up when an older cachesaver could misread what is in it."""

SAMPLES = "samples.mdb"

CLAIMS = "claims-"

_UNSHARED = {
    # http://www.lmdb.tech/doc/ ("Caveats"): "Do not use LMDB databases on remote filesystems, even
    # between processes on the same host": locks and shared memory maps do not hold there.
    "9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs",
    "panfs", "pvfs2", "smb3", "smbfs", "virtiofs", "vboxsf",
}  # fmt: skip

_LOCAL_FUSE = {"fuseblk", "fuse.fuse-overlayfs"}  # NTFS on a local disk; containers without root


def prepare(path: Path) -> None:
    """Make *path* a store's directory, or find that it is one.

    Raises:
        StoreUnavailableError: It is not, cannot become one, or is of a newer version.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        advice = refusal(filesystem(path))
        if advice:
            raise _unavailable(path, advice)
        _check_marker(path)
    except (FileExistsError, NotADirectoryError) as error:
        raise _unavailable(path, "is not a directory; name one that is, or is not there") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _unavailable(
            path, f"cannot be used ({reason}); make it writable for you, or name another directory"
        ) from error


def filesystem(path: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that holds *path*, such as `"ext4"`; empty if not known.

    Args:
        path: Exists.
        mounts: As proc_pid_mountinfo(5) describes it.
    """
    real, found, best = os.fsencode(path.resolve()), b"", -1
    try:
        lines = mounts.read_bytes().splitlines()
    except OSError:
        return ""
    for line in lines:
        place, _, kind = line.partition(b" - ")
        point = place.split()[4].decode("unicode_escape").encode("latin-1")
        inside = real == point or real.startswith(point.rstrip(b"/") + b"/")
        if inside and len(point) >= best:  # the last of those mounted on one point is on top
            found, best = kind.split()[0], len(point)
    return found.decode("ascii", "replace")


def refusal(kind: str) -> str:
    """Return why a file system of type *kind* cannot hold the store, with advice; else nothing."""
    if kind in _LOCAL_FUSE:
        return ""
    if kind not in _UNSHARED and kind != "fuse" and not kind.startswith("fuse."):
        return ""
    return (
        f"lies on a file system of type {kind}, where LMDB would lose data; name a directory on a "
        "local disk"
    )


def _check_marker(path: Path) -> None:
    marker = path / MARKER
    try:
        text = marker.read_bytes()
    except FileNotFoundError:
        if any(not entry.name.startswith(MARKER) for entry in path.iterdir()):
            # A process that makes the same store right now has put its marker by then.
            if not marker.exists():
                raise _unavailable(
                    path, "holds files, but no cachesaver store; name an empty or new directory"
                ) from None
            return _check_marker(path)
        return _write_marker(path)
    version = _version(text)
    if version is None:
        raise _unavailable(
            path, f"has a {MARKER} that cannot be read; restore it, or name another directory"
        )
    if version > FORMAT:
        raise _unavailable(
            path,
            f"was written by a newer cachesaver (store format {version}, this one knows "
            f"{FORMAT}); upgrade with `pip install -U cachesaver`, or name another directory",
        )
    return None


def _version(text: bytes) -> int | None:
    try:
        version: object = json.loads(text)["version"]
    except (ValueError, LookupError, TypeError):
        return None
    return version if isinstance(version, int) and not isinstance(version, bool) else None


def _write_marker(path: Path) -> None:
    """Write the marker whole or not at all; who comes second writes the same."""
    import tempfile

    content = json.dumps({"format": "cachesaver store", "version": FORMAT}) + "\n"
    handle, name = tempfile.mkstemp(prefix=MARKER + ".", dir=path)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path / MARKER)


def _unavailable(path: Path, what: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"the store directory {path} {what}.", location=str(path))
