from __future__ import annotations

import socket

import httpx
import pytest

import local_app
from cachesaver.errors import ConfigurationError
from cachesaver.local.server import Server


def test_it_listens_until_it_is_stopped() -> None:
    server = Server([local_app.served_encoder()])
    with server as running:
        assert running is server.start()
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert server.openai_url == f"{server.url}/v1"
        assert server.url in repr(server)

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/health")
    server.stop()


def test_its_end_closes_the_engines() -> None:
    model = local_app.served_writer()

    with Server([model]):
        (stream,) = model.writer.submit([5], 1, local_app.FOREVER)

    assert stream.has_ended


def test_one_that_was_not_started_can_be_stopped() -> None:
    Server([local_app.served_encoder()]).stop()


def test_the_port_can_be_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Server([local_app.served_encoder()], port=taken.getsockname()[1])


def test_elsewhere_than_on_loopback_it_needs_a_key() -> None:
    with pytest.raises(ConfigurationError, match="--api-key"):
        Server([local_app.served_encoder()], host="0.0.0.0")


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_addresses_of_the_newer_kind() -> None:
    try:
        server = Server([local_app.served_encoder()], host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert httpx.get(f"{server.url}/health").status_code == 200
        assert "[::1]" in server.url
