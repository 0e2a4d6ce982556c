"""The table of clients agrees with what is hooked, and with itself."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import pytest

from cachesaver.clients import CLIENTS, Client, Reach
from cachesaver.wiring import TRANSPORTS

HOOKED = [client for client in CLIENTS if client.reach is Reach.HOOK]


def names(clients: Sequence[Client]) -> list[str]:
    return [name for client in clients for name in client.imports]


def test_what_is_hooked_is_what_the_table_says() -> None:
    assert {name: client.by for client in HOOKED for name in client.imports} == dict(TRANSPORTS)


def test_no_client_is_told_twice() -> None:
    packages = [client.package for client in CLIENTS if client.package]

    assert len(set(packages)) == len(packages)
    assert len(set(names(CLIENTS))) == len(names(CLIENTS))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.imports[0])
def test_whoever_goes_through_another_ends_at_a_hook(client: Client) -> None:
    if client.reach is Reach.GATEWAY:
        assert (client.by, bool(client.note)) == ("", True)
    elif client.reach is Reach.THROUGH:
        by = {name: each for each in CLIENTS for name in (each.package, *each.imports)}[client.by]
        assert by.reach is not Reach.GATEWAY
    else:
        assert importlib.import_module(client.by).MODULES
        assert set(client.imports) <= set(importlib.import_module(client.by).MODULES)
