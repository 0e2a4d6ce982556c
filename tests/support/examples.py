"""The programs of cassettes_examples/: which there are, and what each of them says."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Final

__all__ = ["ENVIRONMENT", "FOLDER", "SAID", "Program", "modules", "programs"]

FOLDER: Final = Path(__file__).parents[2] / "cassettes_examples"
SAID: Final = FOLDER / "said.json"
"""What each program said when it was recorded, by `module.program`."""

ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_API_KEY": "none",
        "GEMINI_API_KEY": "none",
        "CO_API_KEY": "none",
        "MISTRAL_API_KEY": "none",
        "HF_TOKEN": "none",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)
"""SDKs want a key to be there, and it may be any."""

Program = Callable[[], Any]


def modules() -> list[Path]:
    """Return the files of the programs; beside each lies its cassette."""
    return sorted(FOLDER.glob("*.py"))


def programs(path: Path) -> Iterator[tuple[str, Program]]:
    """Iterate the programs of the file at *path* in their order, by name."""
    module = _imported(path)
    for name, found in list(vars(module).items()):
        if inspect.isfunction(found) and not name.startswith("_") and _is_own(found, module):
            yield name, found


def _is_own(found: Program, module: ModuleType) -> bool:
    return found.__module__ == module.__name__


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cassettes_examples_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
