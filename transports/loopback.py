"""A real HTTP/1.1 server on the loopback interface that does what a script says, and remembers.

For tests, and for trying a client out. Nothing in it sleeps: what has to happen in an order waits for an
event, and an event that does not come within `PATIENCE` seconds breaks the connection: a test fails.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self, cast

from cachesaver.exchange import Headers, get_header

__all__ = ["PATIENCE", "LoopbackServer", "Received", "Script"]

PATIENCE: Final = 10.0
"""Seconds after which an awaited event is given up: only ever spent by a test that fails."""

_BODILESS: Final = frozenset({204, 304})
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST (socket(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the server answers on one path.

    Attributes:
        status: 200 to 599; 204 and 304 are sent without body or framing headers.
        headers: Sent as they stand, before the framing header.
        chunks: The body. One of several chunks is sent with `transfer-encoding: chunked`, one
            write per chunk; a single one with `content-length`.
        echoes: Answer with the request's own body instead of *chunks*.
        holds_head: Wait for one `release` before the head is sent.
        holds_chunks: Wait for one `release` before every chunk but the first.
        breaks: Reset the connection where the body's end would be.
    """

    status: int = 200
    headers: Headers = ()
    chunks: tuple[bytes, ...] = (b"{}",)
    echoes: bool = False
    holds_head: bool = False
    holds_chunks: bool = False
    breaks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came over the wire.

    Attributes:
        method: As sent.
        target: The request target (path and query) as sent.
        headers: In order, names in the sender's case.
        body: Without chunk framing.
        connection: Which of the server's connections it came on, from 1.
        chunks: Of the body as they came; one if it came without chunk framing.
    """

    method: str
    target: str
    headers: Headers = field(repr=False)
    body: bytes
    connection: int
    chunks: tuple[bytes, ...] = ()

    def header(self, name: str) -> str | None:
        """Return the first value of the header *name*, or None."""
        return get_header(self.headers, name)


class LoopbackServer:
    r"""Serves until closed; a context manager. Paths without a script echo the request's body.

    Used like::

        with LoopbackServer() as server:
            server.script("/v1/x", Script(chunks=(b"data: 1\n\n", b"data: 2\n\n")))
            assert client.post(server.url + "/v1/x").status == 200
            assert server.received[0].target == "/v1/x"
    """

    def __init__(self) -> None:
        self._http = _Http()
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def received(self) -> list[Received]:
        """All requests so far, in the order their bodies were complete."""
        return list(self._http.received)

    @property
    def connections(self) -> int:
        """How many connections were ever accepted."""
        return self._http.connections

    @property
    def host(self) -> str:
        """Address without port, as it stands in `url`."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def script(self, path: str, script: Script) -> str:
        """Answer requests for *path* (any query) by *script* from now on; return the full URL."""
        self._http.scripts[path] = script
        return self.url + path

    def release(self, times: int = 1) -> None:
        """Let *times* held heads or chunks go, now or when they come to be held."""
        self._http.permit_giver.sendall(b"." * times)

    def wait_received(self, count: int) -> bool:
        """Wait until *count* requests are in; False when patience ran out."""
        return self._http.wait(lambda: len(self._http.received) >= count)

    def wait_closed(self, count: int) -> bool:
        """Wait until *count* connections have ended, from either side; False: out of patience."""
        return self._http.wait(lambda: self._http.closed >= count)

    def close(self) -> None:
        """Cut what is open and stop listening; returns when all threads are done."""
        self._http.shutdown()
        self._thread.join()
        self._http.cut()
        self._http.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.closed = 0
        self.scripts: dict[str, Script] = {}
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._permits, self.permit_giver = socket.socketpair()
        self._permits.setblocking(False)
        super().__init__(("127.0.0.1", 0), _Handler)

    def opened(self, connection: socket.socket) -> int:
        with self._changed:
            self._sockets.add(connection)
            self.connections += 1
            return self.connections

    def ended(self, connection: socket.socket) -> None:
        with self._changed:
            self._sockets.discard(connection)
            self.closed += 1
            self._changed.notify_all()

    def take(self, received: Received) -> Script:
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()
        return self.scripts.get(received.target.partition("?")[0], Script(echoes=True))

    def hold(self, connection: socket.socket) -> None:
        """Return at the next permit; raise when the peer hangs up or patience runs out."""
        while True:
            ready, _, _ = select.select([connection, self._permits], [], [], PATIENCE)
            if not ready or connection in ready:
                raise ConnectionAbortedError
            with contextlib.suppress(BlockingIOError):  # another held connection took it
                self._permits.recv(1)
                return

    def wait(self, reached: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(reached, PATIENCE)

    def cut(self) -> None:
        with self._changed:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        super().server_close()
        self._permits.close()
        self.permit_giver.close()

    def shutdown_request(self, request: Any) -> None:
        """Close without a FIN of our own: a lingering socket then sends its RST alone."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: a connection that breaks is what half of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self._http = cast("_Http", self.server)
        self._number = self._http.opened(self.connection)

    def finish(self) -> None:
        self._http.ended(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def _serve(self) -> None:
        parts = tuple(self._read_body())
        received = Received(
            method=self.command,
            target=self.path,
            headers=tuple(self.headers.items()),
            body=b"".join(parts),
            connection=self._number,
            chunks=parts,
        )
        script = self._http.take(received)
        chunks = (received.body,) if script.echoes else script.chunks
        if script.holds_head:
            self._http.hold(self.connection)
        self._write_head(script, chunks)
        if script.status not in _BODILESS and self.command != "HEAD":
            self._write_body(script, chunks)

    do_DELETE = do_GET = do_HEAD = do_OPTIONS = do_PATCH = do_POST = do_PUT = _serve  # noqa: N815

    def _read_body(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            yield self.rfile.read(int(self.headers.get("content-length", "0")))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _write_head(self, script: Script, chunks: tuple[bytes, ...]) -> None:
        self.send_response_only(script.status)
        for name, value in script.headers:
            self.send_header(name, value)
        if script.status not in _BODILESS:
            if len(chunks) == 1:
                self.send_header("content-length", str(len(chunks[0]) + script.breaks))
            else:
                self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _write_body(self, script: Script, chunks: tuple[bytes, ...]) -> None:
        chunked = len(chunks) != 1
        for position, chunk in enumerate(chunks):
            if position and script.holds_chunks:
                self._http.hold(self.connection)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
        if script.breaks:
            self._reset()
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
