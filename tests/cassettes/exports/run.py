"""Replay what `cachesaver cassette export` writes under every vcrpy: `make exports`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from exporting.matrix import main

if __name__ == "__main__":
    sys.exit(main())
