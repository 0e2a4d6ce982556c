"""What all servers of ours stand on."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn

from cachesaver.errors import ConfigurationError
from cachesaver.serving import Server, listening


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_can_be_had_once_and_at_once_again(host: str) -> None:
    with listening(host, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            listening(host, port)
        with socket.create_connection((host, port)):
            accepted, _ = taken.accept()
            accepted.close()  # first: the port stays behind in TIME_WAIT

    listening(host, port).close()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_there_is_not(port: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"there is no port {port}: .* up to 65535"):
        listening("127.0.0.1", port)


def test_small_pieces_are_sent_at_once() -> None:
    with listening("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP  # what asyncio looks at


def test_a_server_says_when_it_accepts_and_on_which_loop() -> None:
    async def nothing(scope: object, receive: object, send: object) -> None: ...

    async def main() -> None:
        sock = listening("127.0.0.1", 0)
        server = Server(uvicorn.Config(nothing, lifespan="off", log_config=None))
        assert not server.ready.done()
        going = asyncio.create_task(server.serve(sockets=[sock]))

        loop = await asyncio.wrap_future(server.ready)

        assert loop is asyncio.get_running_loop()
        _, writer = await asyncio.open_connection(*sock.getsockname())
        writer.close()
        server.should_exit = True
        await going

    asyncio.run(main())
