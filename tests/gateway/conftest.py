"""What tests of the gateway share: gateways before the simulated provider, and raw requests to them."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from cachesaver.gateway import Gateway
from cachesaver.rehearsal import Rehearsal
from cachesaver.transports.loopback import LoopbackServer

Open = Callable[..., Gateway]

ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/openai/v1/chat/completions"


@pytest.fixture
def open_gateway(tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a gateway over a store of this test."""
    with contextlib.ExitStack() as stack:

        def open_one(namespace: str = "a", **options: Any) -> Gateway:
            given: dict[str, Any] = {"store": tmp_path / "pool", "quiet": True, **options}
            return stack.enter_context(Gateway(namespace, **given))

        yield open_one


@pytest.fixture
def gateway(open_gateway: Open, rehearsal: Rehearsal) -> Gateway:
    """A gateway to the simulated provider, which plays all of them."""
    return open_gateway(upstreams=dict.fromkeys(("openai", "anthropic", "gemini"), rehearsal.url))


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """A provider that answers by script, and remembers every byte it was sent."""
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    """A client that heeds no proxy of the environment."""
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is taken and not listened on, so that no server of another test gets it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
