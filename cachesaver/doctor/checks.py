"""Whether the hook of a client works, here and now: one call that is bought, and the same again.

The provider is a server on the loopback interface that says the same always; nothing leaves the machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from cachesaver.doctor.packages import Found
from cachesaver.doctor.probes import PROBES
from cachesaver.scopes import namespace
from cachesaver.transports.loopback import LoopbackServer, Script
from cachesaver.wiring import install

__all__ = ["Check", "check"]

Probe = Callable[[str, bytes], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of calling through a client.

    Attributes:
        works: Whether its calls are answered; None where nobody knows how to try.
        reason: Why it does not work, one clause; else empty.
    """

    works: bool | None
    reason: str = ""


def check(found: Found) -> Check:
    """Call through the client *found*, in all the ways there are to try."""
    probes = PROBES.get(found.client.imports[0])
    if probes is None:
        return Check(works=None)
    with LoopbackServer() as provider:
        url = provider.script("/v1/chat/completions", _ANSWERING)
        for way, probe in probes.items():
            if reason := _fault(provider, url, probe, f"{found.name}-{way}"):
                return Check(works=False, reason=f"{way}: {reason}")
    return Check(works=True)


def _fault(provider: LoopbackServer, url: str, probe: Probe, model: str) -> str:
    """Return what went wrong, or nothing."""
    before = len(provider.received)
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "?"}]}).encode()
    try:
        with install(namespace="a", store="memory://", run="", quiet=True, strict=True) as session:
            probe(url, body)
            with namespace("b"):
                status = probe(url, body)
            stats = session.stats()
    except Exception as error:  # noqa: BLE001  # whatever a client raises is what we came to see
        return f"{type(error).__name__}: {error}"
    if stats.requests == 0:
        return "its calls are not seen"
    asked = len(provider.received) - before
    if (stats.requests, asked) != (2, 1):
        return f"it was seen {stats.requests} times in 2 calls, and {asked} went out"
    return (
        "" if "hit" in status else f"its answer says {status or 'nothing'}, not that it was stored"
    )


_ANSWER = {
    "id": "chatcmpl-doctor",
    "object": "chat.completion",
    "created": 0,
    "model": "doctor",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "!"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}

_ANSWERING = Script(
    headers=(("content-type", "application/json"),), chunks=(json.dumps(_ANSWER).encode(),)
)
