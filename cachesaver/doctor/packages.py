"""The packages of this environment that speak HTTP, told from their metadata; nothing is imported.

A package speaks HTTP if it is a client we know (`cachesaver.clients`), or requires one, extras aside.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from typing import Final

from cachesaver.clients import CLIENTS, Client

__all__ = ["Found", "installed"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS: Final = frozenset({"cachesaver"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One client that is installed, or comes with Python.

    Attributes:
        client: What is known of it.
        version: The installed one; Python's own for its standard library.
        users: Packages that require it, with their versions, such as `"openai 3.57.0"`.
    """

    client: Client
    version: str
    users: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The package; for what comes with Python, what it is imported by."""
        return self.client.package or self.client.imports[0]


def installed(found: Iterable[Distribution] | None = None) -> list[Found]:
    """Return the clients of this environment, in the order of `CLIENTS`.

    Args:
        found: What is installed; by default what `importlib.metadata` finds.
    """
    versions: dict[str, str] = {}
    users: dict[str, list[str]] = {}
    for each in distributions() if found is None else found:
        name = _plain(each.name)
        if name in versions:
            continue  # another one of that name comes first on sys.path
        versions[name] = each.version
        for required in set(_required(each)) if name not in _OURS else ():
            users.setdefault(required, []).append(f"{each.name} {each.version}")
    return [
        Found(
            client=client,
            version=versions.get(_plain(client.package), platform.python_version()),
            users=tuple(sorted(users.get(_plain(client.package), []), key=str.lower)),
        )
        for client in CLIENTS
        if not client.package or _plain(client.package) in versions
    ]


def _required(one: Distribution) -> Iterator[str]:
    for line in one.requires or ():
        requirement, _, marker = line.partition(";")
        if "extra" not in marker and (name := _NAME.match(requirement)):
            yield _plain(name[0])


def _plain(name: str) -> str:
    """One spelling for all of a package's name (PyPA, "Name normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()
