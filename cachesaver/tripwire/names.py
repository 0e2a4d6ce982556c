"""Which names an address was given for: what remains of them when a socket is connected."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

__all__ = ["Names", "is_loopback"]

_ADDRESSES = 4096
_SPARE = 512
_NAMES = 8


class Names:
    """The names of the last few thousand addresses that were looked up. Thread-safe."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, ...]] = {}

    def learn(self, name: str, addresses: Iterable[str]) -> None:
        """Note that *name* was resolved to *addresses*."""
        for address in addresses:
            others = tuple(each for each in self._names.pop(address, ()) if each != name)
            self._names[address] = (*others, name)[-_NAMES:]
        if len(self._names) > _ADDRESSES:
            for oldest in list(self._names)[:_SPARE]:
                self._names.pop(oldest, None)

    def of(self, address: str) -> tuple[str, ...]:
        """Return the names of *address*; empty where none is known."""
        return self._names.get(address, ())


def is_loopback(host: str) -> bool:
    """Tell whether *host*, a name or an address, is this machine by definition (RFC 6761)."""
    name = host.lower().rstrip(".").partition("%")[0]
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
