"""What a user of http.client sees is what he would have seen live: on a miss, and on a hit."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from cachesaver.exchange import Response
from cachesaver.ports import Gate
from cachesaver.transports import http_client as adapter
from cachesaver.transports.testing import (
    PATIENCE,
    FakeGate,
    HitGate,
    LoopbackServer,
    RecordingGate,
    RefusingGate,
    Script,
    TeeGate,
)

KEPT = Response(status=200, chunks=(b"kept",))
LINES = (b"data: 1\n\n", b"data: 2\n\n")
TEXT = (("Content-Type", "text/plain"), ("X-Two", "a"), ("X-Two", "b"))


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    unhook = adapter.hook(http.client, gate)
    try:
        yield
    finally:
        unhook()


@contextmanager
def connected(server: LoopbackServer) -> Generator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


def ask(connection: http.client.HTTPConnection, body: Any = b"{}") -> http.client.HTTPResponse:
    connection.request("POST", "/v1/x", body)
    return connection.getresponse()


# --- the response


def all_attributes(response: http.client.HTTPResponse) -> object:
    names = ("status", "reason", "version", "length", "chunked", "will_close", "debuglevel")
    told = {name: getattr(response, name) for name in names}
    shown = [(n, v) for n, v in response.getheaders() if n.lower() != "date"]
    return told, shown, response.msg is response.headers, response.headers["x-two"]


def read_into(response: http.client.HTTPResponse) -> object:
    room = bytearray(7)
    return [(response.readinto(room), bytes(room)) for _ in range(4)]


def in_tens(response: http.client.HTTPResponse) -> object:
    return [response.read(10), response.read(0), response.read(10), response.read(10)]


def peeked(response: http.client.HTTPResponse) -> object:
    return response.peek(3)[:3], response.read1(4), response.read()


def to_the_end(response: http.client.HTTPResponse) -> object:
    before = (response.closed, response.isclosed())
    return before, response.read(), response.isclosed(), response.read(), response.closed


def left(response: http.client.HTTPResponse) -> object:
    with response:
        first = response.readline()
    return first, response.closed, response.isclosed()


READINGS: dict[str, Callable[[http.client.HTTPResponse], object]] = {
    "attributes": all_attributes,
    "read": lambda response: response.read(),
    "read(n)": in_tens,
    "readinto": read_into,
    "readline": lambda response: [response.readline() for _ in range(5)],
    "lines": list,
    "peek": peeked,
    "to the end": to_the_end,
    "closed early": left,
}


@pytest.mark.parametrize("chunks", [(b"".join(LINES),), LINES], ids=["whole", "chunked"])
@pytest.mark.parametrize("reading", READINGS)
def test_a_miss_and_a_hit_read_as_live(reading: str, chunks: tuple[bytes, ...]) -> None:
    def told() -> object:
        with connected(server) as connection:
            return READINGS[reading](ask(connection))

    with LoopbackServer() as server:
        server.script("/v1/x", Script(headers=TEXT, chunks=chunks))
        live = told()
        with hooked(gate := RecordingGate()):
            bought = told()
        with hooked(TeeGate()):
            streamed = told()
        with hooked(HitGate(gate.recorded[0])):
            kept = told()

    assert live == bought == streamed == kept


def test_the_callers_own_class_of_response_is_made() -> None:
    class Mine(http.client.HTTPResponse):
        pass

    with LoopbackServer() as server, connected(server) as connection:
        connection.response_class = Mine
        for gate in (HitGate(KEPT), TeeGate()):
            with hooked(gate):
                response = ask(connection)
                assert type(response) is Mine
                response.read()


def test_debugging_prints_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    class Body(list[bytes]):
        def __repr__(self) -> str:
            return "<body>"

    def printed() -> list[str]:
        with connected(server) as connection:
            connection.set_debuglevel(1)
            ask(connection, Body([b"one", b"two"])).read()
        return capsys.readouterr().out.splitlines()

    with LoopbackServer() as server:
        live = printed()
        with hooked(TeeGate()):
            hooked_in = printed()

    assert hooked_in == live
    assert any(line.startswith("reply:") for line in live)


# --- failure


@contextmanager
def raw_server(answer: bytes) -> Generator[tuple[str, int]]:
    """A server that says *answer* to anything, and hangs up."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                heard = b""
                while not heard.endswith((b"{}", b"one")):  # unread, it would be a reset
                    heard += connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()
        finally:
            listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "nothing": b"",
    "no status": b"what?\r\n\r\n",
    "half a head": HEAD + b"X-One: 1",
    "half a body": HEAD + b"Content-Length: 9\r\n\r\nhalf",
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "half a size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nwhat?\r\n",
    "until it closes": HEAD + b"\r\nall of it",
    "HTTP/1.0": b"HTTP/1.0 200 Fine\r\nX-One: 1\r\n\r\nall of it",
    "continued": b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"Content-Length: 3\r\n\r\nall",
}
WHOLE = {"half a head", "until it closes", "HTTP/1.0", "continued"}
"""What has an end, so that its length is known once it is read."""


@pytest.mark.parametrize("reading", ["read", "read(n)", "lines"])
@pytest.mark.parametrize(
    ("gate", "name"),
    [
        *((TeeGate, name) for name in BROKEN),
        *((RecordingGate, name) for name in sorted(BROKEN.keys() - WHOLE)),
    ],
)
def test_what_breaks_breaks_where_it_does_live(
    name: str, reading: str, gate: Callable[[], Gate]
) -> None:
    """Given an answer that is cut, then the same call raises the same, after the same data."""

    def story() -> Iterator[object]:
        connection = http.client.HTTPConnection(address[0], address[1], timeout=PATIENCE)
        try:
            yield "request"
            connection.request("POST", "/v1/x", b"{}")
            yield "getresponse"
            response = connection.getresponse()
            yield response.status, response.version, response.reason, response.getheaders()
            yield READINGS[reading](response)
        except Exception as error:  # noqa: BLE001 - it is compared
            told = "" if isinstance(error, http.client.IncompleteRead) else str(error)
            yield type(error), told
        finally:
            connection.close()

    with raw_server(BROKEN[name]) as address:
        live = list(story())
        with hooked(gate()):
            assert list(story()) == live


def test_a_body_that_breaks_off_is_no_complete_one_for_us() -> None:
    gate = TeeGate()
    with raw_server(BROKEN["half a body"]) as address, hooked(gate):
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        connection.request("POST", "/v1/x", b"{}")
        assert connection.getresponse().read(4) == b"half"
        connection.close()

    assert not gate.tees[0].finished


@pytest.mark.parametrize("gate", [RecordingGate, TeeGate], ids=["read first", "read along"])
def test_a_timeout_is_met_when_the_response_is_read(gate: Callable[[], Gate]) -> None:
    with LoopbackServer() as server, connected(server) as connection, hooked(gate()):
        connection.timeout = 0.1
        server.script("/v1/x", Script(holds_head=True))
        connection.request("POST", "/v1/x", b"{}")

        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_a_refused_connection_is_met_when_the_request_is_made() -> None:
    with LoopbackServer() as server:
        pass

    with hooked(TeeGate()), connected(server) as connection:
        with pytest.raises(ConnectionRefusedError):
            connection.request("POST", "/v1/x", b"{}")

        assert connection.sock is None


def test_who_must_not_connect_by_himself_does_not() -> None:
    with LoopbackServer() as server, connected(server) as connection:
        connection.auto_open = 0
        with hooked(HitGate(KEPT)):
            assert ask(connection).read() == b"kept"
        with hooked(TeeGate()), pytest.raises(http.client.NotConnected):
            connection.request("POST", "/v1/x", b"{}")


# --- the connection


def test_a_connection_is_kept_through_hits_and_misses() -> None:
    with LoopbackServer() as server, connected(server) as connection:
        answers = [ask(connection, b"1").read()]
        with hooked(HitGate(KEPT)):
            answers.append(ask(connection, b"2").read())
        with hooked(TeeGate()):
            answers.append(ask(connection, b"3").read())
        answers.append(ask(connection, b"4").read())

        assert (answers, server.connections) == ([b"1", b"kept", b"3", b"4"], 1)


def test_a_hit_that_said_it_would_close_closes_nothing_that_was_read() -> None:
    """Given a live response half read, when a hit comes, it is read to its end all the same."""
    closes = Response(status=200, headers=(("Connection", "close"),), chunks=(b"kept",))
    with LoopbackServer() as server, connected(server) as connection, hooked(HitGate(closes)):
        assert [ask(connection).read() for _ in range(2)] == [b"kept"] * 2
        assert server.connections == 0


def test_the_next_request_waits_for_the_response_before_as_it_does_live() -> None:
    """Given a response that is not read, then the next request goes, but its response must wait."""

    def story(server: LoopbackServer) -> list[object]:
        told: list[object] = []
        with connected(server) as connection:
            first = ask(connection, b"1")
            connection.request("POST", "/v1/held", b"2")
            try:
                connection.getresponse()
            except http.client.ResponseNotReady:
                told.append("not ready")
            told.append(first.read())
            server.release()  # not before: what comes early may be read, and lost, with the first
            told.append(connection.getresponse().read())
            return told

    with LoopbackServer() as server:
        server.script("/v1/held", Script(echoes=True, holds_head=True))
        live = story(server)
        with hooked(TeeGate()):
            missed = story(server)
        with hooked(HitGate(KEPT)):
            kept = story(server)

    assert live == missed == ["not ready", b"1", b"2"]
    assert kept == ["not ready", b"kept", b"kept"]


@pytest.mark.parametrize("gate", [HitGate(KEPT), TeeGate()], ids=["hit", "miss"])
def test_out_of_turn_is_out_of_turn(gate: Gate) -> None:
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        with pytest.raises(http.client.ResponseNotReady):
            connection.getresponse()
        with pytest.raises(http.client.CannotSendHeader):
            connection.endheaders()
        connection.request("POST", "/v1/x", b"{}")
        with pytest.raises(http.client.CannotSendRequest):
            connection.request("POST", "/v1/x", b"{}")


def test_who_closes_before_the_response_wants_it_no_more() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        server.script("/v1/x", Script(chunks=LINES, holds_chunks=True))
        connection.request("POST", "/v1/x", b"{}")
        connection.close()

        assert server.wait_closed(1)
        assert gate.tees[0].closed
        assert ask(connection).status == 200


# --- low-level use


def written(connection: http.client.HTTPConnection, *headers: str) -> None:
    connection.putrequest("POST", "/v1/x?a=b")
    for header in headers:
        connection.putheader(*header.split(": "))
    connection.endheaders()


@pytest.mark.parametrize(
    ("header", "pieces"),
    [
        ("Content-Length: 6", (b"one", bytearray(b"two"))),
        ("Content-Length: 6", (iter([b"one", b"two"]),)),
        ("Transfer-Encoding: chunked", (b"3\r\none\r\n3;x=y\r\ntwo\r", b"\n0\r", b"\n\r\n")),
        ("Transfer-Encoding: chunked", (b"3\r\none\r\n3\r\ntwo\r\n0\r\nX: 1\r\n", b"\r\n")),
    ],
    ids=["length", "iterated", "chunked", "trailer"],
)
def test_a_body_sent_piece_by_piece_is_answered_with_its_last(
    header: str, pieces: tuple[Any, ...]
) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        written(connection, header)
        assert not server.received
        for piece in pieces:
            connection.send(piece)
        assert (connection.getresponse().read(), gate.asked[0].body) == (b"onetwo",) * 2
        assert gate.asked[0].url == server.url + "/v1/x?a=b"
        assert [r.body for r in server.received] == [b"onetwo"]


def test_a_body_that_does_not_end_goes_out_as_far_as_it_came() -> None:
    gate = TeeGate()
    with raw_server(HEAD + b"Content-Length: 3\r\n\r\nall") as address, hooked(gate):
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        written(connection, "Content-Length: 6")
        connection.send(b"one")
        assert connection.getresponse().read() == b"all"
        connection.close()

    assert [reason for _, reason in gate.passes] == ["its body did not come to its end"]


def test_a_body_that_is_sent_past_us_goes_out() -> None:
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        written(connection, "Content-Length: 3")
        connection.sock.send(b"one")
        assert connection.getresponse().read() == b"one"

    assert [reason for _, reason in gate.passes] == ["its socket is used directly"]


def test_the_socket_of_an_answer_that_needed_none_can_be_set_up() -> None:
    """Given a hit on a connection that was never made, then options are taken as they are live."""
    seen = list[object]()

    def configured(connection: http.client.HTTPConnection) -> object:
        connection.request("POST", "/v1/x", b"{}")
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        kept = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        before = connection.sock.gettimeout()
        connection.sock.settimeout(3)
        told = (bool(kept), before, connection.sock.gettimeout(), connection.sock.fileno() >= 0)
        return told, connection.getresponse().read()

    with LoopbackServer() as server:
        server.script("/v1/x", Script(chunks=(b"kept",)))
        with connected(server) as connection:
            seen.append(configured(connection))
        for timeout in (PATIENCE, None):
            plain = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
            with hooked(HitGate(KEPT)):
                seen.append(configured(plain))
            plain.close()
        made = server.connections

    assert seen[0] == seen[1] == ((True, PATIENCE, 3.0, True), b"kept")
    assert seen[2] == ((True, None, 3.0, True), b"kept")
    assert made == 1, "nothing was connected to for a hit"


def test_so_can_that_of_an_answer_over_tls() -> None:
    connection = http.client.HTTPSConnection("llm.invalid")
    with hooked(HitGate(KEPT)):
        connection.request("POST", "/v1/x", b"{}")
        told = (connection.sock.gettimeout(), cast("Any", connection.sock).version())
        body = connection.getresponse().read()

    assert (told, body) == ((socket.getdefaulttimeout(), None), b"kept")


def test_a_line_break_after_the_body_does_no_harm() -> None:
    with LoopbackServer() as server, connected(server) as connection, hooked(HitGate(KEPT)):
        written(connection, "Content-Length: 3")
        connection.send(b"one")
        connection.send(b"\r\n")
        assert (connection.getresponse().read(), server.connections) == (b"kept", 0)


def test_a_timeout_set_in_between_holds() -> None:
    with LoopbackServer() as server, connected(server) as connection, hooked(TeeGate()):
        server.script("/v1/x", Script(holds_head=True))
        written(connection, "Content-Length: 3")
        connection.sock.settimeout(0.1)
        connection.send(b"one")
        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_a_body_of_no_bytes_is_refused_as_it_is_live() -> None:
    def raised() -> str:
        with connected(server) as connection, pytest.raises(TypeError) as caught:
            cast("Any", connection).request("POST", "/v1/x", iter(["text"]))
        return str(caught.value)

    with LoopbackServer() as server:
        live = raised()
        with hooked(TeeGate()):
            assert raised() == live


# --- bodies that are not read, and calls that are not ours


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    read, write = socket.socketpair()
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        write.sendall(b"piped")
        write.close()
        with read, read.makefile("rb") as pipe:
            assert ask(connection, pipe).read() == b"piped"

    assert [reason for _, reason in gate.passes] == ["its body is a file of unknown length"]


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"skipped, sent")
    gate = TeeGate()
    with (
        LoopbackServer() as server,
        connected(server) as connection,
        hooked(gate),
        path.open("rb") as file,
    ):
        file.seek(9)
        assert ask(connection, file).read() == gate.asked[0].body == b"sent"


def test_a_large_body_goes_out_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    from cachesaver.transports import http_client_socket

    monkeypatch.setattr(http_client_socket, "LARGEST_BODY", 200)
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        assert ask(connection, iter([b"a" * 150] * 9)).read() == b"a" * 1350

    assert [reason for _, reason in gate.passes] == ["its body is too large to be read first"]
    assert not gate.asked


@pytest.mark.parametrize(
    ("header", "passes"),
    [
        (("Expect", "100-continue"), ["it waits for 100-continue before it sends its body"]),
        (("Upgrade", "websocket"), []),
    ],
)
def test_what_is_no_plain_exchange_is_left_alone(
    header: tuple[str, str], passes: list[str]
) -> None:
    gate = TeeGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        connection.request("POST", "/v1/x", b"{}", dict([header]))
        connection.getresponse().read()

    assert ([reason for _, reason in gate.passes], gate.asked) == (passes, [])


def test_a_target_that_is_no_url_is_not_asked_for() -> None:
    gate = RefusingGate()
    with LoopbackServer() as server, connected(server) as connection, hooked(gate):
        for target in ("*", "v1/x", "http://["):
            connection.putrequest("GET", target, skip_host=True)
            connection.endheaders()
            connection.getresponse().read()

    assert gate.looked == []


# --- where it goes


def test_a_hit_over_tls_needs_no_certificate() -> None:
    with LoopbackServer() as server, hooked(gate := HitGate(KEPT)):
        connection = http.client.HTTPSConnection("provider.test")
        assert ask(connection).read() == b"kept"
        other = http.client.HTTPSConnection(server.host, server.port)
        assert ask(other).read() == b"kept"

    assert [asked.url for asked in gate.asked] == [
        "https://provider.test/v1/x",
        f"https://127.0.0.1:{server.port}/v1/x",
    ]


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    with hooked(gate := HitGate(KEPT)):
        ask(http.client.HTTPConnection("::1", 8000))

    assert (gate.looked[0][1], gate.asked[0].url) == ("::1", "http://[::1]:8000/v1/x")


def test_what_goes_to_a_proxy_is_seen_as_what_it_is() -> None:
    gate = TeeGate()
    with LoopbackServer() as proxy, connected(proxy) as connection, hooked(gate):
        connection.request("POST", "http://a.test:81/v1/x?y=1", b"body")
        assert connection.getresponse().read() == b"body"

        assert proxy.received[0].target == "http://a.test:81/v1/x?y=1"
    assert gate.asked[0].url == "http://a.test:81/v1/x?y=1"
    assert gate.looked[0] == ("POST", "a.test", "/v1/x")


def test_a_hit_needs_no_tunnel() -> None:
    with hooked(gate := HitGate(KEPT)):
        connection = http.client.HTTPSConnection("127.0.0.1", 9)
        connection.set_tunnel("provider.test", headers={"Proxy-Authorization": "secret"})
        assert ask(connection).read() == b"kept"

    assert gate.asked[0].url == "https://provider.test/v1/x"
    assert gate.asked[0].header("proxy-authorization") is None


def test_a_miss_goes_through_its_tunnel() -> None:
    """Given a proxy that answers CONNECT, then the request follows on the same connection."""
    heard: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            for answer in (HEAD + b"\r\n", HEAD + b"Content-Length: 3\r\n\r\nall"):
                heard.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening, hooked(TeeGate()):
        thread = threading.Thread(target=serve)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", port_of(listening), timeout=PATIENCE)
        connection.set_tunnel("provider.test", 80)
        assert ask(connection).read() == b"all"
        connection.close()
        thread.join()

    assert heard[0].startswith(b"CONNECT provider.test:80 ")
    assert heard[1].startswith(b"POST /v1/x HTTP/1.1\r\nHost: provider.test\r\n")


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are none here")
def test_a_connection_that_connects_in_its_own_way_does_so(tmp_path: Path) -> None:
    address = str(tmp_path / "s")

    class Local(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(address)

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(HEAD + b"Content-Length: 3\r\n\r\nall")

    with socket.socket(socket.AF_UNIX) as listening, hooked(TeeGate()):
        listening.bind(address)
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        connection = Local("local")
        assert ask(connection).read() == b"all"
        connection.close()
        thread.join()


def test_a_second_call_of_the_gate_while_the_first_is_read_has_a_connection_of_its_own() -> None:
    class Twice(FakeGate):
        def answer(self, request: Any, send: Any) -> Any:
            first = super().answer(request, send)
            second = super().answer(request, send)
            assert b"".join(second.chunks) == b"{}"
            second.close()
            return first

    with LoopbackServer() as server, connected(server) as connection, hooked(Twice()):
        assert ask(connection).read() == b"{}"
        assert server.connections == 2


def test_a_request_that_says_only_its_method_passes() -> None:
    """Given what no parser takes for a request, then it goes out as it is."""

    class Odd(http.client.HTTPConnection):
        def _encode_request(self, request: str) -> bytes:
            return request.partition(" ")[0].encode()

    ours, theirs = socket.socketpair()
    with ours, theirs, hooked(gate := RefusingGate()):
        connection = Odd("a.test")
        connection.sock = ours
        connection.request("POST", "/v1/x")

        assert theirs.recv(1024).startswith(b"POST\r\nHost: a.test")
    assert gate.looked == []
