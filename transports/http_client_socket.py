"""What stands in the place of a connection's socket while a request of `http.client` is ours.

The client writes its request to it as to any socket. Once that is complete it is answered; what has
to go out goes out by the connection's own means, and the answer is there to be read.
"""

from __future__ import annotations

import io
import socket
import ssl
import weakref
from typing import Any, Self

from cachesaver.exchange import Reply, Request
from cachesaver.ports import Gate
from cachesaver.transports.bodies import LARGEST_BODY, TOO_LARGE
from cachesaver.transports.http_client_messages import END, Exchange, Head, Played
from cachesaver.transports.sights import let_through

__all__ = ["StandIn"]


class StandIn:
    """Stands in `connection.sock` until a response is read, or the request goes out as it is.

    A context manager: the block writes what is known of the request at once, and its end is the
    time to answer a request that is complete.
    """

    def __init__(self, lib: Any, gate: Gate, connection: Any, head: Head) -> None:
        self._lib = lib
        self._gate = gate
        self._connection = connection
        self._head = head
        self._socket: Any = connection.sock  # None where it is not connected
        self._spare: Any = None
        self._timeout: tuple[float | None, ...] = ()
        self._written = bytearray()
        self._body_begins = 0
        self._is_being_written = False
        self._exchange: Exchange | None = None
        self._answer: io.RawIOBase | None = None

    def __enter__(self) -> Self:
        self._is_being_written = True
        self._connection.sock = self
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_being_written = False
        if self._connection.sock is not self:
            return  # it went out as it was
        if kind is None:
            self._settle()
        else:
            self._step_aside()

    # --- what the client does with its socket

    def sendall(self, data: Any) -> None:
        """Take *data*. Raises TypeError where it is no bytes: then the client iterates it."""
        with memoryview(data) as view:
            written = view.tobytes()
        if self._answer is not None:
            return  # a line break after the body, of no account (RFC 9112, section 2.2)
        self._written += written
        if len(self._written) > LARGEST_BODY:
            self._go_live(TOO_LARGE)
        elif not self._is_being_written:
            self._settle()

    def makefile(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the response is to be read from; with that, this stands in no longer."""
        if self._answer is None:
            body = self._body()
            if body is None:
                self._go_live("its body did not come to its end")
                return self._connection.sock.makefile(*args, **kwargs)
            self._answer = self._answered(body)
        self._step_aside()
        return io.BufferedReader(self._answer)

    def settimeout(self, seconds: float | None) -> None:
        """Let what is connected to have this timeout."""
        self._timeout = (seconds,)
        for sock in (self._socket, self._spare):
            if sock is not None:
                sock.settimeout(seconds)

    def close(self) -> None:
        """Give up the answer, and close the socket that this stands for."""
        if self._answer is not None:
            self._answer.close()
        if self._socket is not None:
            self._socket.close()

    def __getattr__(self, name: str) -> Any:
        """Let a real socket do what else sockets can."""
        if name.startswith("__"):
            raise AttributeError(name)  # somebody looks what this is; nobody uses it
        if self._answer is None:
            self._go_live("its socket is used directly")
            return getattr(self._connection.sock, name)
        return getattr(self._unconnected() if self._socket is None else self._socket, name)

    def _unconnected(self) -> Any:
        """Return what stands for the socket that an answer without a connection has not got."""
        if self._spare is None:
            sock, connection = socket.socket(), self._connection
            if isinstance(context := getattr(connection, "_context", None), ssl.SSLContext):
                sock = context.wrap_socket(sock, server_hostname=connection.host)
            given = self._timeout or (connection.timeout,)
            if given[0] is None or isinstance(given[0], int | float):
                sock.settimeout(*given)
            self._spare = sock
            weakref.finalize(self, sock.close)
        return self._spare

    # --- answering

    def _body(self) -> bytes | None:
        """Return the body of what is written, if it is complete."""
        if not self._body_begins:
            end = self._written.find(END)
            if end < 0:
                return None
            self._body_begins = end + len(END)
        return self._head.body(bytes(self._written[self._body_begins :]))

    def _settle(self) -> None:
        """Answer what is complete; later, if the answer before it has not been read to its end."""
        before: Any = getattr(self._connection, "_HTTPConnection__response", None)
        if before is not None and not before.isclosed():
            return
        body = self._body()
        if body is not None:
            self._answer = self._answered(body)

    def _answered(self, body: bytes) -> io.RawIOBase:
        asked = self._head.request(body)

        def send(wanted: Request) -> Reply:
            is_same = wanted == asked
            return self._send(bytes(self._written) if is_same else self._head.wire(asked, wanted))

        try:
            shown = self._gate.answer(asked, send)
            shown.bodiless = asked.method == "HEAD"
            return Played(self._lib, shown)
        except BaseException as error:
            failure = self._exchange.failure(error) if self._exchange is not None else None
            if failure is None:
                self._step_aside()
                raise
            return failure

    # --- the connection

    def _send(self, wire: bytes) -> Reply:
        """Send *wire* as the connection would; return when the head of its response is there."""
        connection = self._connection
        if self._exchange is not None and not self._exchange.native.isclosed():
            self._part()  # another one of ours is still being read from it
        self._step_aside()
        try:
            self._put(wire)
            self._exchange = exchange = Exchange(self._lib, connection.sock, self._head.method)
            reply = exchange.begin()
        finally:
            self._socket, connection.sock = connection.sock, self
        if exchange.native.will_close:
            self._part()
        return reply

    def _put(self, wire: bytes) -> None:
        """See `HTTPConnection.send`."""
        if self._connection.sock is None:
            if not self._connection.auto_open:
                raise self._lib.NotConnected
            self._connect()
        sock: Any = self._connection.sock
        sock.sendall(wire)

    def _connect(self) -> None:
        self._connection.connect()
        if self._timeout:
            self._connection.sock.settimeout(*self._timeout)

    def _part(self) -> None:
        """Leave the socket to the response that is read from it, and whose end closes it."""
        self._socket.close()
        self._socket = None

    def _step_aside(self) -> None:
        self._connection.sock = self._socket

    def _go_live(self, reason: str) -> None:
        """Send what is written, and leave the rest to the connection."""
        asked = self._head.request(b"")
        self._step_aside()
        self._gate.passed(asked.summary, reason)
        with let_through(asked.method, asked.url):
            self._put(bytes(self._written))
