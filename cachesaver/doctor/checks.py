"""Whether the hook of a client works, here and now: one call that is bought, and the same again.

The provider is a server on the loopback interface that says the same always; nothing leaves the machine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cachesaver.doctor.packages import Found
from cachesaver.doctor.probes import PROBES
from cachesaver.scopes import namespace
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
    with _provider() as provider:
        for way, probe in probes.items():
            if reason := _fault(provider, probe, f"{found.name}-{way}"):
                return Check(works=False, reason=f"{way}: {reason}")
    return Check(works=True)


def _fault(provider: _Provider, probe: Probe, model: str) -> str:
    """Return what went wrong, or nothing."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "?"}]}).encode()
    url = f"{provider.url}/v1/chat/completions"
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
    if (stats.requests, provider.asked) != (2, 1):
        return f"it was seen {stats.requests} times in 2 calls, and {provider.asked} went out"
    provider.asked = 0
    return (
        "" if "hit" in status else f"its answer says {status or 'nothing'}, not that it was stored"
    )


class _Provider(ThreadingHTTPServer):
    daemon_threads = True
    asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        provider: Any = self.server
        provider.asked += 1
        self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.dumps(_ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Stay silent."""


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


@contextmanager
def _provider() -> Generator[_Provider]:
    with _Provider(("127.0.0.1", 0), _Handler) as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()
