"""Who makes a call: the client library, and the line of the program that it goes back to."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from types import FrameType

__all__ = ["culprit"]

_PACKAGES = re.compile(r"[\\/](?:site|dist)-packages[\\/]")


def culprit() -> tuple[str, str]:
    """Return the import name of the client library, and `file:line in function` outside of it.

    The library is the package that the standard library was called from; where the program itself
    called that, it is the module of the standard library. The line is the program's own where it
    is on this thread's stack, else the outermost one that is no standard library's. Both may be
    empty: a name that a pool's thread looks up, say.
    """
    foreign = [frame for frame in _frames() if not _is_standard(frame)]
    program = next((frame for frame in foreign if not _is_package(frame)), None)
    place = program or (foreign[-1] if foreign else None)
    library = _top(foreign[0]) if foreign and _is_package(foreign[0]) else _entry()
    return library, "" if place is None else _told(place)


def _frames() -> Iterator[FrameType]:
    """Iterate the frames that led here, without ours, innermost first."""
    frame = inspect.currentframe()
    while frame is not None:
        if _top(frame) != "cachesaver":
            yield frame
        frame = frame.f_back


def _entry() -> str:
    """Return the outermost module of the standard library on the inner end of the stack."""
    name = ""
    for frame in _frames():
        if not _is_standard(frame):
            break
        name = _module(frame)
    if name.startswith("asyncio."):
        return "asyncio"
    return "" if name in {"threading", "runpy"} else name


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _top(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]


def _is_standard(frame: FrameType) -> bool:
    top = _top(frame)
    return top in sys.stdlib_module_names and top != "__main__"


def _is_package(frame: FrameType) -> bool:
    return _PACKAGES.search(frame.f_code.co_filename) is not None


def _told(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
