"""Every client that is hooked, or goes through one, can be tried."""

from __future__ import annotations

from cachesaver.clients import CLIENTS, Reach
from cachesaver.doctor.probes import PROBES

UNTRIED = {
    # import name: why nobody tries it
    "requests_futures": "it is requests in a thread",
    "httpx_aiohttp": "a transport of httpx, which is tried",
    "litellm": "it goes through httpx, which is tried",
    "h2": "it is no client",
    "aiobotocore": "it goes through aiohttp, which is tried",
}


def test_each_client_that_is_answered_is_tried_or_has_a_reason() -> None:
    answered = {each.imports[0] for each in CLIENTS if each.reach is not Reach.GATEWAY}

    assert answered == PROBES.keys() | UNTRIED.keys()
    assert not PROBES.keys() & UNTRIED.keys()
