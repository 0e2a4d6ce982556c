"""Each version of vcrpy and what it makes of an export: `make exports`.

Each version of vcrpy has an environment of its own in `.cache/exports`, made on the first run. It needs a
package index and uv, and no key. What is found goes to found.json, and to the table in
docs/how-to/cassettes-convert.md; CI compares the two.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cachesaver.cassettes.exports import vcrpy_yaml
from cachesaver.cassettes.readers import read
from exporting.taped import TOLD, write_cassette

__all__ = ["CLIENTS", "FOUND", "PACKAGES", "PAGE", "export", "main", "rendered"]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

FOUND = HERE / "found.json"
PAGE = ROOT / "docs" / "how-to" / "cassettes-convert.md"
CACHE = ROOT / ".cache" / "exports"

CLIENTS = ("requests", "httpx", "openai")

PACKAGES: Mapping[str, tuple[str, ...]] = {
    # what else is installed beside a vcrpy: what was current when it was, where later ones break it
    "4": ("openai<2", "urllib3<2"),
    "5": ("openai<2", "urllib3<2"),
    "6": ("openai<2", "urllib3<2.3"),
    "7": ("openai<2",),
    "8": ("openai<3",),
    "9": ("openai",),
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported.yaml"
        exported.write_bytes(export(Path(folder) / "a.cassette"))
        found = {version: played(version, exported) for version in PACKAGES}
    FOUND.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 0


def export(cassette: Path) -> bytes:
    """Return what is exported of a cassette with one answer of each kind."""
    write_cassette(cassette)
    return vcrpy_yaml(read(cassette.read_bytes(), location=str(cassette)))


def played(version: str, exported: Path) -> dict[str, str]:
    """Return what each client made of *exported* under vcrpy *version*, and which version that is."""
    python = environment(version)
    asked = [str(python), "-c", "import importlib.metadata as m; print(m.version('vcrpy'))"]
    told = {
        "vcrpy": subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    }
    for client in CLIENTS:
        done = subprocess.run(
            [str(python), str(HERE / "play.py"), str(exported), client],
            check=False,
            capture_output=True,
            text=True,
        )
        says = done.stdout if done.returncode == 0 else done.stderr.strip().split("\n")[-1]
        told[client] = "yes" if done.returncode == 0 and json.loads(says) == TOLD else f"no: {says}"
        print(f"vcrpy {version}, {client}: {told[client]}", file=sys.stderr)  # noqa: T201
    return told


def environment(version: str) -> Path:
    """Return the interpreter of the environment with vcrpy *version*, made where there is none."""
    folder = CACHE / f"vcrpy-{version}"
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not (folder / "ready").exists():
        uv = (sys.executable, "-m", "uv")
        subprocess.run((*uv, "venv", "-q", "--clear", str(folder)), check=True)
        wanted = (f"vcrpy=={version}.*", "requests", "httpx", *PACKAGES[version])
        subprocess.run((*uv, "pip", "install", "-q", "--python", str(python), *wanted), check=True)
        (folder / "ready").touch()
    return python


def rendered(page: str, found: Mapping[str, Mapping[str, str]]) -> str:
    """Return *page* with the table of what was *found*."""
    rows = [("vcrpy", *CLIENTS), ("---",) * (len(CLIENTS) + 1)]
    rows += [
        (told["vcrpy"], *("yes" if told[client] == "yes" else "no" for client in CLIENTS))
        for told in found.values()
    ]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    part = re.compile(r"(?<=<!-- exports -->\n).*?(?=<!-- end -->)", re.DOTALL)
    whole, count = part.subn(lambda _: f"\n{table}\n\n", page)
    if count != 1:
        raise ValueError("the page needs one <!-- exports --> with an <!-- end --> after it")
    return whole
