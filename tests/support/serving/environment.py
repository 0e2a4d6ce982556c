"""The environment of `transformers serve`, and of ours beside it: made where it is not there yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["TRANSFORMERS", "environment"]

_ROOT = Path(__file__).parents[3]
TRANSFORMERS = "5.24.0"
"""The release that ours is compared with."""


def environment() -> Path:
    """Return the interpreter that has both, with torch for processors alone.

    Raises:
        CalledProcessError: There is no such torch here, or no network.
    """
    folder = _ROOT / ".cache" / "serving"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run(["sh", ".ci/torch", ".cache/serving"], check=True, cwd=_ROOT)
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
    ]
    subprocess.run([*install, f"transformers[serving]=={TRANSFORMERS}", "psutil"], check=True)
    return python
