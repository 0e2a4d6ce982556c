"""Put ours and `transformers serve` through every case: `make local-compare`."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import openai  # noqa: E402  # found from here on

from serving.cases import CASES, ENCODER, FIRST, SMALL, Server  # noqa: E402
from serving.environment import TRANSFORMERS, environment  # noqa: E402
from serving.servers import KINDS, run  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "local-compared.md"
PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)
GROUPS = (FIRST, CASES, SMALL)
"""Cases that one server goes through after the other, in this order."""

_OURS, _PLAIN, _BATCHING = KINDS
OPTIONS = {
    # On a processor it would take half of the memory otherwise: room for 16,384 tokens.
    _BATCHING: ("--cb-num-blocks", "64", "--cb-max-batch-tokens", "2048"),
    _PLAIN: (),
}
TIGHT = {
    _OURS: ("--context", "1024"),
    _BATCHING: ("--cb-num-blocks", "4", "--cb-max-batch-tokens", "512"),
}
"""For `SMALL`; the other one keeps no cache between requests."""

SAVE = """
import sys
from pathlib import Path
from serving.shapes import save, save_encoder
save("tiny", Path(sys.argv[1], "tiny"))
save_encoder(Path(sys.argv[1], sys.argv[2]))
"""


def main() -> int:
    """Return 1 if there is a case in which ours does not do as one expects."""
    python = environment()
    with tempfile.TemporaryDirectory() as scratch:
        settings = {"PYTHONPATH": str(ROOT / "tests" / "support")}
        subprocess.run([python, "-c", SAVE, scratch, ENCODER], check=True, env=settings)
        found = {
            (case, kind): told
            for kind in KINDS
            for group in GROUPS
            if group is not SMALL or kind in TIGHT
            for case, told in played(kind, group, python, Path(scratch)).items()
        }
    PAGE.write_text(PART.sub(lambda _: table(found), PAGE.read_text("utf-8")), "utf-8")
    return int(any(told for (_, kind), told in found.items() if kind == _OURS))


def played(
    kind: str, cases: Mapping[str, Callable[[Server], str]], python: Path, scratch: Path
) -> dict[str, str]:
    """Return what a fresh server of *kind* did instead of what one expects, case by case."""
    own = {_OURS: ("--model", str(scratch / ENCODER)), **OPTIONS}
    options = (TIGHT if cases is SMALL else own)[kind]
    told: dict[str, str] = {}
    with run(kind, python, scratch / "tiny", log=scratch / "log", options=options) as running:
        for name, case in cases.items():
            try:
                with Server(running) as server:
                    told[name] = case(server)
            except openai.OpenAIError as error:
                told[name] = f"{type(error).__name__}: {error}"[:90]
            say(f"{name}, {kind}: {told[name] or 'yes'}")
    return told


def table(found: Mapping[tuple[str, str], str]) -> str:
    """Return what goes into the page."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}"
    versions = f"transformers {TRANSFORMERS}, openai {openai.__version__}"
    head = f"\nFound by `make local-compare` on {when}: {versions}."
    lines = [("", "one expects", *(f"`{kind}`" for kind in KINDS)), ("---",) * (len(KINDS) + 2)]
    for case, function in {**FIRST, **CASES, **SMALL}.items():
        doc = " ".join(str(function.__doc__).split()).rstrip(".")
        lines.append((case, doc, *(cell(found.get((case, kind))) for kind in KINDS)))
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{head}\n\n{rows}\n\n"


def cell(told: str | None) -> str:
    return "n/a" if told is None else told.replace("|", "/") or "yes"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
