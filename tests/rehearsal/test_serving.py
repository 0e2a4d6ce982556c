"""The server's thread: how it starts, works and ends."""

from __future__ import annotations

import http.client
import logging
import socket

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cachesaver.rehearsal.serving import Service


def test_a_server_that_cannot_start_says_why() -> None:
    """Given a socket that is closed already, when it is to serve, then its error is raised here."""
    sock = socket.socket()
    sock.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        Service(Starlette(), sock)


def test_deeds_are_done_on_the_servers_loop_and_their_errors_come_back() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    service = Service(Starlette(), sock)

    def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        service.perform(fail)
    service.stop()


def test_uvicorns_own_logging_is_left_alone() -> None:
    before = {name: logging.getLogger(name).level for name in ("uvicorn", "uvicorn.error")}

    Service(Starlette(), socket.create_server(("127.0.0.1", 0))).stop()

    assert {name: logging.getLogger(name).level for name in before} == before


def test_a_target_that_tells_the_whole_url_is_the_same_target() -> None:
    """Given a client that writes to us as to a proxy, then its path is found."""

    async def echo(request: Request) -> Response:
        return Response(f"{request.url.path} {request.scope['raw_path']}")

    sock = socket.create_server(("127.0.0.1", 0))
    connection = http.client.HTTPConnection(*sock.getsockname())
    service = Service(Starlette(routes=[Route("/{path:path}", echo)]), sock)
    told = list[bytes]()
    for target in ("http://a.test/v1/x%2Fy?z=1", "/v1/x%2Fy?z=1"):
        connection.request("GET", target)
        told.append(connection.getresponse().read())
    connection.close()
    service.stop()

    assert told == [b"/v1/x/y b'/v1/x%2Fy'"] * 2
