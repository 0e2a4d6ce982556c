"""What the wire asks, remembers of a connection, raises and logs."""

from __future__ import annotations

import logging
import pickle
import socket
from collections.abc import Iterator

import pytest

from cachesaver.errors import EscapeError, ReplayError
from cachesaver.tripwire.heads import Sent
from cachesaver.tripwire.rules import Blocking, Rule
from cachesaver.tripwire.wire import Wire


class Fake(Rule):
    """Refuses names in *names* and paths in *paths*; lets out while *out* says so."""

    advice = "Do something else."
    is_strict = False

    def __init__(
        self, *, names: tuple[str, ...] = ("bad.test",), paths: tuple[str, ...] = ("/bad",)
    ) -> None:
        self.names = names
        self.paths = paths
        self.out = False
        self.urls: list[str] = []
        self.told: list[EscapeError] = []

    def lets_out(self) -> bool:
        return self.out

    def of_name(self, name: str, port: int | None) -> str:
        return "it is bad" if name in self.names else ""

    def of_connection(self, address: str, port: int, names: tuple[str, ...]) -> str:  # type: ignore[override]
        return "it is bad" if {address, *names} & set(self.names) else ""

    def of_request(self, sent: Sent, url: str) -> str:
        self.urls.append(url)
        return "it is bad" if sent.target in self.paths else ""

    def refused(self, error: EscapeError) -> None:
        self.told.append(error)


@pytest.fixture
def rule() -> Fake:
    return Fake()


@pytest.fixture
def wire(rule: Fake) -> Wire:
    wire = Wire()
    wire.rules = (rule,)
    return wire


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: h.test\r\n\r\n".encode()


def test_the_error_says_what_who_where_and_what_to_do(wire: Wire) -> None:
    with pytest.raises(EscapeError) as caught:
        wire.name("bad.test", 443)

    error = caught.value
    assert isinstance(error, ReplayError)
    assert not isinstance(error, OSError)
    assert (error.destination, error.library, error.reason) == ("bad.test:443", "", "it is bad")
    assert "test_wire.py" in error.place
    assert str(error).startswith(
        "bad.test:443 was not reached, by the program itself: it is bad.\n"
    )
    assert str(error).endswith("\nDo something else.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own


def test_the_rule_is_told_of_it_before_and_each_time(wire: Wire, rule: Fake) -> None:
    raised: list[EscapeError] = []
    for _ in range(2):
        with pytest.raises(EscapeError) as caught:
            wire.name("bad.test", 443)
        raised.append(caught.value)

    assert rule.told == raised


def test_it_is_logged_once(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        with pytest.raises(EscapeError):
            wire.destination(None, "bad.test", 443, client="acme")

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "bad.test:443 was not reached, by acme" in record.getMessage()


def test_the_log_is_bounded(wire: Wire, rule: Fake, caplog: pytest.LogCaptureFixture) -> None:
    rule.names = tuple(f"{number}.test" for number in range(1100))
    for name in rule.names:
        with pytest.raises(EscapeError):
            wire.name(name)

    assert len(caplog.records) == 1000


@pytest.mark.parametrize("host", [b"bad.test", bytearray(b"bad.test"), "bad.test"])
def test_a_name_may_be_bytes(wire: Wire, host: object) -> None:
    with pytest.raises(EscapeError):
        wire.name(host)


@pytest.mark.parametrize("host", [None, 7, ""])
def test_what_is_no_name_is_not_asked_about(wire: Wire, host: object) -> None:
    wire.name(host)
    wire.destination(None, host)
    wire.learn(host, ["10.0.0.1"])


def test_an_address_is_known_by_its_names(wire: Wire, sock: socket.socket) -> None:
    wire.learn("bad.test", ["10.0.0.1"])

    with pytest.raises(EscapeError, match=r"10\.0\.0\.1:443"):
        wire.connection(sock, sock.family, ("10.0.0.1", 443))
    wire.connection(sock, sock.family, ("10.0.0.2", 443))


def test_what_is_not_the_internet_is_nobodys_business(wire: Wire, sock: socket.socket) -> None:
    wire.connection(sock, -1, ("bad.test", 443))
    wire.connection(sock, socket.AF_INET, b"bad.test")


class TestLetOut:
    def test_a_connection_that_was_let_out_stays_so(
        self, wire: Wire, rule: Fake, sock: socket.socket
    ) -> None:
        rule.out = True
        wire.connection(sock, sock.family, ("bad.test", 443))
        rule.out = False

        wire.destination(sock, "bad.test")
        wire.write(sock, get("/bad"))
        with pytest.raises(EscapeError), socket.socket() as other:
            wire.write(other, get("/bad"))

    def test_so_does_what_stands_for_it(self, wire: Wire, rule: Fake, sock: socket.socket) -> None:
        rule.out = True
        wire.connection(sock, sock.family, ("bad.test", 443))
        rule.out = False

        with socket.socket() as heir, socket.socket() as stranger:
            wire.inherits(heir, sock)
            wire.inherits(stranger, None)
            wire.destination(heir, "bad.test")
            with pytest.raises(EscapeError):
                wire.destination(stranger, "bad.test")

    def test_a_strict_rule_asks_all_the_same(
        self, wire: Wire, rule: Fake, sock: socket.socket
    ) -> None:
        rule.out = True
        wire.rules = (rule, Blocking())

        with pytest.raises(EscapeError, match="the network is blocked"):
            wire.connection(sock, sock.family, ("bad.test", 443))

    def test_a_name_may_be_looked_up_elsewhere_for_what_is_let_out(
        self, wire: Wire, rule: Fake
    ) -> None:
        rule.out = True
        with wire.expecting("bad.test"):
            rule.out = False
            wire.name("bad.test")
        with pytest.raises(EscapeError):
            wire.name("bad.test")
        with wire.expecting("bad.test"), pytest.raises(EscapeError):
            wire.name("bad.test")


class TestWriting:
    def send(self, wire: Wire, sock: socket.socket, data: bytes, count: int | None = None) -> None:
        after = wire.write(sock, data)
        if after is not None:
            wire.wrote(sock, data, len(data) if count is None else count, after)

    def test_what_is_no_http_costs_no_memory(self, wire: Wire, sock: socket.socket) -> None:
        assert wire.write(sock, b"\x16\x03\x01") is None
        self.send(wire, sock, b"SELECT 1 FROM x;")

        assert not wire._states

    def test_a_request_in_pieces_is_refused_before_it_is_whole(
        self, wire: Wire, sock: socket.socket
    ) -> None:
        data = get("/bad")
        told = data.index(b"H")
        for place in range(told):
            self.send(wire, sock, data[place : place + 1])

        with pytest.raises(EscapeError, match=r"GET http:.*/bad"):
            self.send(wire, sock, data[told : told + 1])

    def test_what_did_not_go_out_is_written_again(self, wire: Wire, sock: socket.socket) -> None:
        data = get("/bad")
        self.send(wire, sock, data[:8], count=6)

        with pytest.raises(EscapeError):
            self.send(wire, sock, data[6:])

    def test_a_write_that_failed_is_forgotten(self, wire: Wire, sock: socket.socket) -> None:
        wire.write(sock, get("/good")[:9])

        with pytest.raises(EscapeError):
            self.send(wire, sock, get("/bad"))

    def test_the_second_request_of_a_connection_is_asked_about(
        self, wire: Wire, sock: socket.socket
    ) -> None:
        self.send(wire, sock, get("/good"))

        with pytest.raises(EscapeError):
            self.send(wire, sock, get("/bad"))

    @pytest.mark.parametrize(
        ("head", "url"),
        [
            (b"GET /x HTTP/1.1\r\nHost: h.test:81", "http://h.test:81/x"),
            (b"GET http://p.test/x HTTP/1.1\r\nHost: h.test", "http://p.test/x"),
            (b"CONNECT p.test:443 HTTP/1.1\r\nHost: h.test", "p.test:443"),
            (b"OPTIONS * HTTP/1.1\r\nHost: h.test", "http://h.test/"),
            (b"GET /?u=http://p.test HTTP/1.1\r\nHost: h.test", "http://h.test/?u=http://p.test"),
            (b"GET /x HTTP/1.0\r\nA: b", "http:///x"),
        ],
    )
    def test_it_is_told_where_a_request_goes(
        self, wire: Wire, rule: Fake, sock: socket.socket, head: bytes, url: str
    ) -> None:
        self.send(wire, sock, head + b"\r\n\r\n")

        assert rule.urls == [url]

    def test_without_a_host_it_is_the_other_end(self, wire: Wire, rule: Fake) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as client:
                self.send(wire, client, b"GET /x HTTP/1.0\r\n\r\n")

        assert rule.urls == [f"http://127.0.0.1:{port}/x"]

    def test_a_secret_in_the_query_is_not_told(self, wire: Wire, sock: socket.socket) -> None:
        wire.rules = (Fake(paths=("/bad?key=secret",)),)

        with pytest.raises(EscapeError) as caught:
            self.send(wire, sock, get("/bad?key=secret"))

        assert caught.value.destination == "GET http://h.test/bad"
        assert "secret" not in str(caught.value)
