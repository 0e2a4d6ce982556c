"""What a program pays for starting with us: importing, installing.

As where we are installed: compiled beforehand, whatever the environment says of byte code.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

from tests.bench.pairs import paired

Measured = Iterator[tuple[str, str, str, str, bool]]


def measured() -> Measured:
    """Yield a row for each."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = folder + "/compiled"
        program = functools.partial(_program, compiled=compiled)
        imported = paired(program("import cachesaver"), program("pass"), calls=1)
        more = imported.more * 1000
        yield (
            "`import cachesaver`",
            "an empty interpreter",
            f"{more:.1f} ms more",
            "≤ 30 ms more",
            more <= 30,
        )
        install = f"import cachesaver; cachesaver.install('a', store={folder + '/s'!r})"
        installed = paired(program(install), program("import cachesaver"), calls=1)
        more = installed.more * 1000
        yield (
            "`install()`",
            "`import cachesaver`",
            f"{more:.1f} ms more",
            "≤ 60 ms more",
            more <= 60,
        )


def _program(source: str, *, compiled: str) -> Callable[[], object]:
    env = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def run() -> None:
        subprocess.run([sys.executable, "-c", source], check=True, env=env)

    return run
