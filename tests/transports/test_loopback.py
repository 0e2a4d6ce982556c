"""The loopback server, asked over a bare socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cachesaver.transports import loopback
from cachesaver.transports.testing import LoopbackServer, Script

ASK = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def peer(server: LoopbackServer) -> Iterator[socket.socket]:
    with socket.create_connection((server.host, server.port), timeout=5) as connected:
        yield connected


def read(peer: socket.socket, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        more = peer.recv(4096)
        assert more, got
        got += more
    return got


def test_what_comes_is_remembered_as_it_came(server: LoopbackServer, peer: socket.socket) -> None:
    head = b"POST /a%2Fb?c=d HTTP/1.1\r\nHost: x\r\nX-Mine: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    peer.sendall(head + b"3\r\none\r\n4;x=y\r\n two\r\n0\r\nx-trailer: 1\r\n\r\n")

    assert server.wait_received(1)
    (received,) = server.received
    assert (received.method, received.target, received.body) == ("POST", "/a%2Fb?c=d", b"one two")
    assert received.headers[:2] == (("Host", "x"), ("X-Mine", "1"))
    assert read(peer, b"one two").startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n")


def test_a_held_chunk_goes_when_it_is_released(server: LoopbackServer, peer: socket.socket) -> None:
    server.script("/x", Script(chunks=(b"one", b"two"), holds_chunks=True))
    peer.sendall(ASK % b"/x")

    assert read(peer, b"one\r\n").endswith(b"\r\n\r\n3\r\none\r\n")
    server.release()
    assert read(peer, b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"


def test_a_held_head_goes_when_it_is_released(server: LoopbackServer, peer: socket.socket) -> None:
    server.script("/x", Script(status=204, holds_head=True))
    peer.sendall(ASK % b"/x")
    assert server.wait_received(1)

    server.release()

    assert read(peer, b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_hanging_up_ends_a_hold(server: LoopbackServer, peer: socket.socket) -> None:
    server.script("/x", Script(holds_head=True))
    peer.sendall(ASK % b"/x")
    assert server.wait_received(1)

    peer.close()

    assert server.wait_closed(1)


def test_patience_ends(
    server: LoopbackServer, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loopback, "PATIENCE", 0.05)
    server.script("/x", Script(holds_head=True))
    peer.sendall(ASK % b"/x")

    assert peer.recv(1) == b""
    assert not server.wait_closed(2)
    assert not server.wait_received(2)


def test_a_break_is_a_reset(server: LoopbackServer, peer: socket.socket) -> None:
    server.script("/x", Script(chunks=(b"one",), breaks=True))
    peer.sendall(ASK % b"/x")

    assert b"content-length: 4\r\n" in read(peer, b"one")
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


def test_connections_are_counted_and_kept_alive(
    server: LoopbackServer, peer: socket.socket
) -> None:
    for _ in range(2):
        peer.sendall(ASK % b"/x")
        read(peer, b"\r\n\r\n")

    assert (server.connections, [r.connection for r in server.received]) == (1, [1, 1])
