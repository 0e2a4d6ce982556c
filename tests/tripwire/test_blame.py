"""Who makes a call is told by the stack."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from cachesaver.tripwire.blame import culprit

HERE = Path(__file__).name


def written(path: str, name: str, source: str) -> dict[str, Any]:
    """The globals of a module called *name*, as if its source lay at *path*."""
    spaces: dict[str, Any] = {"__name__": name, "culprit": culprit}
    exec(compile(source, path, "exec"), spaces)  # noqa: S102  # a library of our own making
    return spaces


LIBRARY = "def send(): return culprit()"


def test_a_library_and_the_line_that_called_it() -> None:
    library = written("/env/lib/site-packages/acme/wire.py", "acme.wire", LIBRARY)

    name, place = library["send"]()

    assert name == "acme"
    assert HERE in place
    assert place.endswith("in test_a_library_and_the_line_that_called_it")


def test_libraries_on_the_way_are_passed_over() -> None:
    inner = written("/env/dist-packages/wire/_s.py", "wire._s", LIBRARY)
    outer = written("C:\\env\\site-packages\\sdk\\c.py", "sdk.c", "def ask(): return send()")
    outer["send"] = inner["send"]

    name, place = outer["ask"]()

    assert name == "wire"
    assert HERE in place


def test_the_standard_library_is_told_by_its_module() -> None:
    client = written(
        "/usr/lib/python3/http/client.py", "http.client", "def request(): return culprit()"
    )
    loop = written(
        "/usr/lib/python3/asyncio/base.py", "asyncio.base", "def request(): return culprit()"
    )

    assert client["request"]()[0] == "http.client"
    assert loop["request"]()[0] == "asyncio"


def test_the_program_itself_is_no_library() -> None:
    name, place = culprit()

    assert name == ""
    assert place.endswith("in test_the_program_itself_is_no_library")


def test_a_thread_of_nobodys_has_no_place() -> None:
    told: list[tuple[str, str]] = []

    thread = threading.Thread(target=lambda: told.append(culprit()), name="t")
    thread.start()
    thread.join()

    ((name, place),) = told
    assert name == ""
    assert "<lambda>" in place


def test_where_only_libraries_are_on_the_stack_the_outermost_is_told() -> None:
    told: list[tuple[str, str]] = []
    library = written(
        "/env/site-packages/acme/w.py", "acme.w", "def work(): told.append(culprit())"
    )
    library["told"] = told

    thread = threading.Thread(target=library["work"])
    thread.start()
    thread.join()

    assert told == [("acme", "/env/site-packages/acme/w.py:1 in work")]
