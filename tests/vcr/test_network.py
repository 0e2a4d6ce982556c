"""A network that is blocked but for some hosts."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from cachesaver.transports.loopback import LoopbackServer
from cachesaver.vcr.network import blocked


def connect(server: LoopbackServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as one:
        one.connect((server.host, port))


def test_nothing_connects_from_any_thread_and_everything_does_afterwards() -> None:
    errors = list[str]()

    def try_it() -> None:
        try:
            connect(server)
        except RuntimeError as error:
            errors.append(str(error))

    with LoopbackServer() as server:
        before = vars(socket.socket).get("connect")
        with blocked():
            try_it()
            thread = threading.Thread(target=try_it)
            thread.start()
            thread.join()
            with socket.socket() as one, pytest.raises(RuntimeError):
                one.connect_ex((server.host, 1))
        connect(server)
        assert vars(socket.socket).get("connect") is before

    assert errors == ["Network is disabled for host '127.0.0.1'"] * 2


def test_a_host_whose_beginning_matches_is_let_through() -> None:
    with LoopbackServer() as server:
        with blocked(["example", r"127\.0"]):
            connect(server)
        with blocked([r"27\.0"]), pytest.raises(RuntimeError):
            connect(server)


def test_blocks_nest() -> None:
    with LoopbackServer() as server, blocked(["127"]):
        with blocked(), pytest.raises(RuntimeError):
            connect(server)
        connect(server)


def test_event_loops_run_and_are_blocked() -> None:
    async def ask() -> None:
        await asyncio.open_connection("127.0.0.1", 1)

    with blocked(), pytest.raises(RuntimeError, match="Network is disabled"):
        asyncio.run(ask())


def test_who_has_patched_on_top_is_left_and_nothing_is_blocked_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with LoopbackServer() as server:
        with blocked():
            beneath = socket.socket.connect

            def on_top(self: socket.socket, address: object) -> None:
                beneath(self, address)  # type: ignore[arg-type]  # as it came

            monkeypatch.setattr(socket.socket, "connect", on_top)
        connect(server)


@pytest.mark.parametrize("address", [(), "x", (7, 7)])
def test_what_is_no_address_fails_as_it_does_live(address: Any) -> None:
    def fault() -> str:
        with socket.socket() as sock, pytest.raises((TypeError, RuntimeError)) as caught:
            sock.connect(address)
        return repr(caught.value)

    live = fault()
    with blocked(["7"]):
        assert fault() == live
