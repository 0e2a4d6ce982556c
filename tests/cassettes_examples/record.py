"""Record the cassettes of cassettes_examples/ anew, from the rehearsal: `make examples`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import cachesaver
from cachesaver.rehearsal import Rehearsal
from examples import ENVIRONMENT, FOLDER, SAID, modules, programs
from standing_in import StandIn

OLLAMA_PORT = 11434
"""Where its own server is; https://github.com/ollama/ollama/blob/main/docs/faq.md"""


def main() -> None:
    said = dict[str, Any]()
    os.environ |= ENVIRONMENT
    for path in modules():
        with (
            tempfile.TemporaryDirectory() as folder,
            Rehearsal(
                seed=0, port=OLLAMA_PORT if path.stem.startswith("ollama") else 0
            ) as provider,
            StandIn(provider.url, Path(folder)) as proxy,
        ):
            os.environ |= proxy.environment
            said |= recorded(path)
        print(f"recorded: {path.with_suffix('.cassette').relative_to(FOLDER.parent)}")  # noqa: T201
    told = json.dumps(said, indent=1, ensure_ascii=False)
    SAID.write_text(told + "\n", encoding="utf-8")


def recorded(path: Path) -> dict[str, Any]:
    """Record what the programs at *path* ask, and return what they said."""
    with cachesaver.use_cassette(
        path.with_suffix(".cassette"), record_mode="rewrite", record_errors=True
    ):
        return {f"{path.stem}.{name}": program() for name, program in programs(path)}


if __name__ == "__main__":
    main()
