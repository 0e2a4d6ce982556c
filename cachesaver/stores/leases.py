"""A lease: who is buying a slot. Shared by the stores of one host."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace

from cachesaver.stores.processes import can_see, is_alive

__all__ = ["UNSEEN_LEASE", "Lease"]

UNSEEN_LEASE = 600.0
"""Seconds after which a lease ends whose owner we cannot see (another container on this host)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who is buying a slot.

    Attributes:
        owner: `processes.here()` of the buyer.
        token: Names this lease among all; 32 hex digits.
        since: Unix time at which it was taken or renewed.
    """

    owner: str
    token: str = field(default_factory=lambda: os.urandom(16).hex())
    since: float = field(default_factory=time.time)

    def is_up(self, asker: str) -> bool:
        """Tell whether the slot is still spoken for, as the process *asker* sees it."""
        if self.owner == asker:
            return True
        if not is_alive(self.owner):
            return False
        return can_see(self.owner) or time.time() - self.since < UNSEEN_LEASE

    def renewed(self) -> Lease:
        """Return the same lease, taken now."""
        return replace(self, since=time.time())
