"""What a transport adapter has to do, as a test class to inherit; with the fakes it takes.

For tests only. It knows no client: an adapter's test module says how its client is driven, by a
`Caller`, and inherits the claims. `LoopbackServer` and the gates serve an adapter's own tests too.

Used like::

    class TestAcme(TransportContract):
        packages = ("acme",)

        def transport(self) -> Transport:
            return cachesaver.transports.acme

        def module(self) -> ModuleType:
            return acme

        def caller(self, *, connections: int | None = None) -> Caller:
            return AcmeCaller(acme.Client(pool_size=connections))
"""

from __future__ import annotations

from cachesaver.transports.gates import (
    FakeGate,
    HitGate,
    RaisingGate,
    RecordingGate,
    RefusingGate,
    RepeatingGate,
    Tee,
    TeeGate,
)
from cachesaver.transports.loopback import PATIENCE, LoopbackServer, Received, Script
from cachesaver.transports.testing.callers import Answer, Body, Caller
from cachesaver.transports.testing.cookies import Cookies
from cachesaver.transports.testing.hits import Hits
from cachesaver.transports.testing.hooking import Hooking
from cachesaver.transports.testing.misses import Misses
from cachesaver.transports.testing.streams import Streams

__all__ = [
    "PATIENCE",
    "Answer",
    "Body",
    "Caller",
    "CookieContract",
    "FakeGate",
    "HitGate",
    "LoopbackServer",
    "RaisingGate",
    "Received",
    "RecordingGate",
    "RefusingGate",
    "RepeatingGate",
    "Script",
    "Tee",
    "TeeGate",
    "TransportContract",
]


class TransportContract(Hits, Misses, Streams, Hooking):
    """The claims. Every test brings up its own server and client."""


class CookieContract(TransportContract, Cookies):
    """The claims, and those on a client that keeps cookies."""
