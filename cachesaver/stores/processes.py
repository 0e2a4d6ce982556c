"""Who holds a lease, and whether that process still runs. No clock, and no third-party package.

An owner is named `boot/space/pid/start`: the boot of the host, the PID namespace (containers),
the process id and the moment it started, so that a reused pid is not taken for its predecessor.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path

__all__ = ["boot_id", "can_see", "here", "is_alive"]

_OWNER = re.compile(r"([^/]*)/([^/]*)/([0-9]+)/([0-9]*)", re.ASCII)

_PROC = Path("/proc")


@functools.cache
def boot_id() -> str:
    """Return a text that differs from boot to boot of this host; empty where none is to be had."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return _sysctl("kern.bootsessionuuid") if sys.platform == "darwin" else ""


def here() -> str:
    """Return the owner name of the calling process; another one in a forked child."""
    return _name(os.getpid())


def can_see(owner: str) -> bool:
    """Tell whether *owner* is of this boot and PID namespace, so that its death is noticed."""
    parts = _OWNER.fullmatch(owner)
    return parts is not None and parts[1] == boot_id() and parts[2] == _space(os.getpid())


def is_alive(owner: str) -> bool:
    """Tell whether the process *owner* still runs; True also where that cannot be told.

    It cannot be told of a process in another container, or of a text that is no owner name.
    """
    parts = _OWNER.fullmatch(owner)
    if parts is None:
        return True
    if parts[1] != boot_id():
        return False  # the host was started anew since: nothing of then still runs
    if parts[2] != _space(os.getpid()):
        return True
    return _runs(int(parts[3]), parts[4])


# Keyed by pid, so that a child forked from a process that asked before does not get its name.
@functools.lru_cache(maxsize=2)
def _name(pid: int) -> str:
    return f"{boot_id()}/{_space(pid)}/{pid}/{_started(pid) or ''}"


@functools.lru_cache(maxsize=2)
def _space(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "ns/pid").readlink().name
    except OSError:
        return ""


def _runs(pid: int, start: str) -> bool:
    started = _started(pid)
    if started is not None:
        return started == start
    return not _PROC_TELLS and _answers(pid)


def _started(pid: int) -> str | None:
    """Return when *pid* started, in clock ticks since boot; None if it does not run (any more)."""
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # proc_pid_stat(5): the name, in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(b")")[2].split()
    # A zombie (Z) or dead (X) process runs no more, it only was not waited for yet.
    return None if fields[0] in b"ZXx" else fields[19].decode("ascii")


def _proc_tells() -> bool:
    """Tell whether /proc shows all processes; not with the mount option `hidepid`, or on macOS."""
    return _started(os.getpid()) is not None and (_PROC / "1/stat").exists()


def _answers(pid: int) -> bool:
    """Tell whether a process *pid* exists, whenever it was started."""
    if sys.platform == "win32":
        # os.kill(pid, 0) would send CTRL+C there. A lease of the dead is then left to age.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False
    except PermissionError:
        return True
    return True


def _sysctl(name: str) -> str:
    import subprocess

    asked = subprocess.run(  # noqa: S603  (a fixed command line)
        ["/usr/sbin/sysctl", "-n", name], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()


_PROC_TELLS = _proc_tells()
