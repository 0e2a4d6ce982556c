"""The text of a recording as plain values: JSON, TOML or YAML, and where its interactions begin.

Nothing in a file is executed: of YAML's tags those that stand for a plain value are known, and become
that value; any other is an error.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import CassetteError, ConfigurationError

__all__ = ["Document", "documents", "first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a file.

    Attributes:
        value: What it says.
        lines: By key of the mapping at its top, the lines at which the items of the list there
            begin, from 1; empty where that is not known.
        line: At which it begins itself; 0 where that is not known.
        core: Says *value* once more, as YAML 1.2 has it (`no` and `1:20` are texts, `1e3` a number).
    """

    value: Any
    lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    line: int = 0
    core: Callable[[], Any] | None = None

    def places(self, key: str) -> list[tuple[int, Any]]:
        """Return line and value of each item of the list under *key*; none where there is none."""
        return self._placed(key, self.value)

    def core_places(self, key: str) -> list[tuple[int, Any]]:
        """Return the same, as YAML 1.2 has it."""
        return self._placed(key, self.core() if self.core else self.value)

    def _placed(self, key: str, value: Any) -> list[tuple[int, Any]]:
        items = value.get(key) or ()
        lines = self.lines.get(key, (0,) * len(items))
        return list(zip(lines, items, strict=True))


def first(top: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the mapping that *path* leads to from *top*, of lists the first item; empty if none."""
    found = top
    for name in path:
        value: object = found.get(name)
        item = next(iter(value), None) if is_list(value) else value
        if not is_object(item):
            return {}
        found = item
    return found


def documents(text: bytes, *, location: str) -> list[Document]:
    """Return the documents of the file at *location*.

    Raises:
        CassetteError: It is no JSON, TOML or YAML; or YAML with a tag that is not known.
        ConfigurationError: It is YAML, and PyYAML is not installed.
    """
    try:
        if text.lstrip().removeprefix(b"\xef\xbb\xbf")[:1] in (b"{", b"["):
            return [Document(value=json.loads(text.decode("utf-8-sig")))]
        if location.endswith((".toml", ".toml.gz")):
            return [Document(value=tomllib.loads(text.decode()))]
    except ValueError as error:
        raise _unreadable(location, error) from error
    return _yaml(text, location)


def _yaml(text: bytes, location: str) -> list[Document]:
    try:
        import yaml

        from cachesaver.cassettes.readers import yamls
    except ImportError as error:
        raise ConfigurationError(
            f"reading {location} needs the package PyYAML, which is not installed here: run "
            "pip install 'cachesaver[yaml]'"
        ) from error
    try:
        return yamls.load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise _unreadable(location, error) from error


def _unreadable(location: str, error: Exception) -> CassetteError:
    return CassetteError(
        f"{location} is no JSON, YAML or TOML that we can read: {' '.join(str(error).split())}",
        location=location,
    )
