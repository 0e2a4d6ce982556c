"""What there is: the folders of tests/frameworks, read; no framework is imported or installed here."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FOLDERS", "ROOT", "Framework", "Result", "frameworks", "page_blocks"]

ROOT = Path(__file__).parents[3]

FOLDERS = ROOT / "tests" / "frameworks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """One folder, by its `about.toml`.

    Attributes:
        folder: `about.toml`, `requirements.txt` and `agent.py` lie in it.
        name: As it calls itself.
        packages: Distributions whose versions are told, the framework's own first.
        streams: Whether `agent.py stream` streams.
        tools: Whether the program has tools to be called.
        page: Name of the how-to page, `framework-NAME.md`, where it is not the folder's.
        gateway: Whether its calls are seen by `cachesaver run --gateway` only.
        without: Variables of the environment that it is to run without.
        remarks: What to know; Markdown, one line.
    """

    folder: Path
    name: str
    packages: tuple[str, ...]
    streams: bool = True
    tools: bool = True
    page: str = ""
    gateway: bool = False
    without: tuple[str, ...] = ()
    remarks: str = ""

    @classmethod
    def read(cls, folder: Path) -> Framework:
        """Return what *folder* holds."""
        told: dict[str, Any] = tomllib.loads((folder / "about.toml").read_text(encoding="utf-8"))
        packages, without = (tuple(told.pop(name, ())) for name in ("packages", "without"))
        return cls(folder=folder, packages=packages, without=without, **told)

    @property
    def key(self) -> str:
        """The name of the folder, and of the framework on a command line."""
        return self.folder.name

    @property
    def agent(self) -> Path:
        """The program."""
        return self.folder / "agent.py"

    @property
    def requirements(self) -> Path:
        """What is installed beside cachesaver: lower bounds."""
        return self.folder / "requirements.txt"

    @property
    def how_to(self) -> Path:
        """What users read."""
        return ROOT / "docs" / "how-to" / f"framework-{self.page or self.key}.md"

    @property
    def installs(self) -> bool:
        """Whether the program itself calls `cachesaver.install()`; else it is `cachesaver run`."""
        return "cachesaver.install(" in self.agent.read_text(encoding="utf-8")

    @property
    def program(self) -> str:
        """Digest of the program and of what is installed for it: 16 hex digits."""
        files = (self.agent, self.requirements)
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]

    @property
    def found(self) -> Path:
        """Where the result is kept."""
        return self.folder / "result.json"

    @property
    def result(self) -> Result:
        """What was found the last time."""
        return Result(**json.loads(self.found.read_text(encoding="utf-8")))

    def keep(self, result: Result) -> None:
        """Write *result* into the folder."""
        text = json.dumps(asdict(result), indent=2)
        self.found.write_text(f"{text}\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one framework did.

    Attributes:
        date: Of the run, ISO 8601.
        python: Its version, such as `"3.11"`.
        versions: By distribution.
        through: Packages on the way of a call from the program to us, the outermost first; the last
            is the HTTP client. Empty where none was seen, as behind the gateway.
        calls: Requests that reached the provider, by act: `cold`, `again` (the same namespace),
            `fresh` (another one), `replay` (the provider shut down).
        streamed: The same where the program streams, and `whole`: the stream of samples that were
            bought whole. None where it does not.
        tools: Tools called, in one act.
        pieces: Pieces the stream came in.
        elsewhere: Hosts other than the provider that the program tried to reach: telemetry.
        refused: Those of them that replay kept it from: addresses of providers.
        faults: What went wrong, in sentences. None, and the framework is fine.
        program: Of what it was found; see `Framework.program`.
    """

    date: str
    python: str
    versions: Mapping[str, str]
    through: list[str]
    calls: Mapping[str, int]
    streamed: Mapping[str, int] | None
    tools: int
    pieces: int
    elsewhere: list[str]
    faults: list[str]
    program: str
    refused: list[str] = field(default_factory=list[str])


def frameworks(*names: str) -> list[Framework]:
    """Return those called *names*, or all, by name of the folder.

    Raises:
        ValueError: There is no such folder.
    """
    known = {path.parent.name: path.parent for path in sorted(FOLDERS.glob("*/about.toml"))}
    if unknown := sorted(set(names) - known.keys()):
        raise ValueError(f"no such framework: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [Framework.read(folder) for key, folder in known.items() if not names or key in names]


def page_blocks(page: Path) -> list[str]:
    """Return the Python blocks of *page*."""
    _, *rest = page.read_text(encoding="utf-8").split("```python\n")
    return [each.partition("```")[0] for each in rest]
