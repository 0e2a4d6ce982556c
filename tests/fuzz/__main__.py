"""Fuzz the parsers with atheris: `python -m tests.fuzz --minutes 10`, outside CI.

Each target of tests/support/fuzzing runs in a process of its own, begun with what the corpus holds
(`CACHESAVER_CORPUS`, else `../shared/corpus`; without it, with nothing). What fails is kept in the folder
that is printed, to be made a test of; `--again FILE` runs one such input.

Needs `pip install --group fuzz`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--target", action="append", help="some of the targets only")
    parser.add_argument("--again", type=Path, help="an input that failed; needs one --target")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside is not None:
        return inside(chosen.target[0], chosen.inside, chosen.minutes)

    from fuzzing import TARGETS

    if chosen.again is not None:
        TARGETS[chosen.target[0]](chosen.again.read_bytes())
        return 0
    failed = [name for name in chosen.target or TARGETS if not fuzzed(name, chosen.minutes)]
    print("failed:", ", ".join(failed) or "nothing")  # noqa: T201  # a command line prints
    return bool(failed)


def fuzzed(name: str, minutes: float) -> bool:
    """Run one target in a process of its own; tell whether nothing was found."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    (folder / "corpus").mkdir()
    print(f"{name}: {planted(name, folder / 'corpus')} seeds in {folder}", flush=True)  # noqa: T201
    command = [sys.executable, "-m", "tests.fuzz", "--target", name]
    command += ["--inside", str(folder), "--minutes", str(minutes)]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def planted(name: str, folder: Path) -> int:
    """Write the seeds of a target into *folder*; return how many there are."""
    from fuzzing.seeds import seeds
    from recordings import read_corpus

    corpus = Path(os.environ.get("CACHESAVER_CORPUS") or ROOT.parent / "shared" / "corpus")
    if not (corpus / "index.json").exists():
        return 0
    for seed in seeds(name, read_corpus(corpus)):
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return len(list(folder.iterdir()))


def inside(name: str, folder: Path, minutes: float) -> int:
    """Fuzz; never returns but by an error of atheris itself."""
    atheris: Any = importlib.import_module("atheris")  # of the group "fuzz", and untyped

    with atheris.instrument_imports(include=["cachesaver"]):
        from fuzzing import TARGETS

    options = ["-max_len=20000", "-timeout=60", f"-max_total_time={int(minutes * 60)}"]
    options += [f"-artifact_prefix={folder}/", "-print_final_stats=1", "-rss_limit_mb=4096"]
    atheris.Setup([name, *options, str(folder / "corpus")], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
