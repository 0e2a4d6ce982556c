"""Python's own sockets, watched and left as they were. The law's tests use them for real."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from cachesaver.contexts import inside
from cachesaver.errors import EscapeError
from cachesaver.transports.loopback import LoopbackServer
from cachesaver.tripwire.rules import Blocking
from cachesaver.tripwire.sockets import hook_socket, hook_ssl
from cachesaver.tripwire.wire import Wire
from escaping import attributes, message

Watching = Callable[..., Wire]


def traces() -> list[dict[str, object]]:
    names = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "socketpair")
    found = attributes(socket, socket.socket, ssl.SSLContext, ssl.SSLSocket, ssl.SSLObject)
    return [{name: found[0][name] for name in names}, *found[1:]]


def test_nothing_is_left_behind() -> None:
    before = traces()

    undoings = [hook_socket(socket, Wire()), hook_ssl(ssl, Wire())]
    between = traces()
    for undo in undoings:
        undo()

    assert all(one != other for one, other in zip(before, between, strict=True))
    assert traces() == before


@pytest.mark.parametrize(
    ("owner", "name"),
    [(socket, "getaddrinfo"), (socket.socket, "connect"), (socket.socket, "send")],
)
def test_what_lies_on_top_stays_and_ours_lets_pass(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a patch over ours, when we leave, then it stays, works, and nothing is asked."""
    wire, own = Wire(), attributes(owner)[0].get(name)
    undo = hook_socket(socket, wire)
    ours = getattr(owner, name)

    @functools.wraps(ours)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, theirs)
        undo()
        wire.rules = (Refusing(),)

        assert getattr(owner, name) is theirs
        with (
            LoopbackServer() as server,
            socket.create_connection((server.host, server.port)) as sock,
        ):
            assert sock.send(b"GET / HTTP/1.1\r\n\r\n") > 0
    # What the patch put back is our layer, which does nothing any more: away with it here.
    if own is None:
        delattr(owner, name)
    else:
        setattr(owner, name, own)


class Refusing:
    """Refuses everything."""

    advice = ""
    is_strict = True

    def lets_out(self) -> bool:
        return False

    def of_name(self, name: str, port: int | None) -> str:
        return "no"

    def of_connection(self, address: str, port: int, names: Any) -> str:
        return "no"

    def of_request(self, sent: Any, url: str) -> str:
        return "no"

    def refused(self, error: EscapeError) -> None:
        pass


def datagrams() -> socket.socket:
    return socket.socket(type=socket.SOCK_DGRAM)


LOOKS: dict[str, Callable[[str], object]] = {
    "getaddrinfo": lambda name: socket.getaddrinfo(name, 443),
    "by keyword": lambda name: socket.getaddrinfo(host=name, port=443),
    "in bytes": lambda name: socket.getaddrinfo(name.encode(), "https"),
    "gethostbyname": lambda name: socket.gethostbyname(f"{name}"),
    "gethostbyname_ex": lambda name: socket.gethostbyname_ex(f"{name}"),
    "create_connection": lambda name: socket.create_connection((name, 443)),
    "connect": lambda name: socket.socket().connect((name, 443)),
    "connect_ex": lambda name: socket.socket().connect_ex((name, 443)),
    "sendto": lambda name: datagrams().sendto(b"", (name, 443)),
    "sendto, flags": lambda name: datagrams().sendto(b"", 0, (name, 443)),
    "sendmsg": lambda name: datagrams().sendmsg([b""], [], 0, (name, 443)),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
def test_a_providers_name_is_neither_looked_up_nor_connected_to(
    watching: Watching, look: str
) -> None:
    watching(hook_socket, socket)

    with pytest.raises(EscapeError, match=r"api\.openai\.com"):
        LOOKS[look]("api.openai.com")


@pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex"])
def test_names_are_remembered_whatever_found_them(watching: Watching, name: str) -> None:
    wire = watching(hook_socket, socket)

    getattr(socket, name)("localhost")

    assert "localhost" in wire._names.of("127.0.0.1")


def memory() -> ssl.MemoryBIO:
    return ssl.MemoryBIO()


SHAKES: dict[str, Callable[[ssl.SSLContext, str], object]] = {
    "wrap_bio": lambda c, name: c.wrap_bio(memory(), memory(), server_hostname=name),
    "wrap_bio, by place": lambda c, name: c.wrap_bio(memory(), memory(), False, name),
    "wrap_socket": lambda c, name: c.wrap_socket(socket.socket(), server_hostname=name),
    "wrap_socket, by place": lambda c, name: c.wrap_socket(
        socket.socket(), False, False, True, name
    ),
}


@pytest.mark.parametrize("shake", SHAKES)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
def test_tls_gives_a_provider_away(watching: Watching, shake: str) -> None:
    watching(hook_ssl, ssl)

    with pytest.raises(EscapeError, match=r"api\.openai\.com was not reached"):
        SHAKES[shake](ssl.create_default_context(), "api.openai.com")


def test_a_server_of_ones_own_may_be_called_as_it_likes(watching: Watching) -> None:
    watching(hook_ssl, ssl)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    wrapped = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)

    assert wrapped.server_side


def test_a_tls_connection_from_before_says_nothing_more_to_a_provider(watching: Watching) -> None:
    """Given a connection that was there, when it is written to, then its name tells (HTTP/2 too)."""
    kept = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="api.openai.com"
    )
    other = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="pypi.org"
    )
    watching(hook_ssl, ssl)

    with pytest.raises(EscapeError):
        kept.write(b"\x00\x00\x00frame")
    with pytest.raises(ssl.SSLError):  # not connected: it came as far as that
        other.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(EscapeError):
        other.write(message("https://pypi.org/v1/chat/completions"))


def test_what_a_hook_let_through_stays_let_through_under_tls(
    watching: Watching, server: LoopbackServer
) -> None:
    watching(hook_socket, socket)
    watching(hook_ssl, ssl)
    context = ssl.create_default_context()

    with inside(), socket.create_connection((server.host, server.port)) as sock:
        secure = context.wrap_socket(
            sock, server_hostname="api.openai.com", do_handshake_on_connect=False
        )
    with secure:
        assert secure.server_hostname == "api.openai.com"


def test_a_class_that_wraps_by_itself_is_asked_about_too(watching: Watching) -> None:
    """Given `gevent`, whose context makes sockets of its own, then it does not for a provider."""

    def wrap(self: object, sock: object, **options: object) -> object:
        return sock

    kind: Any = type("Context", (ssl.SSLContext,), {"wrap_socket": wrap})
    module = ModuleType("gevent.ssl")
    module.__dict__.update(SSLContext=kind, SSLSocket=ssl.SSLSocket)
    watching(hook_ssl, module)
    context = kind(ssl.PROTOCOL_TLS_CLIENT)

    with pytest.raises(EscapeError):
        context.wrap_socket(None, server_hostname="api.openai.com")
    assert context.wrap_socket(None, server_hostname="pypi.org") is None


def test_a_class_that_something_has_put_over_ssls_own_is_seen_through(
    watching: Watching,
) -> None:
    """Given `truststore`, whose context holds one of ssl's, then that one is watched."""

    class Context(ssl.SSLContext):
        pass

    module = ModuleType("ssl")
    module.__dict__.update({**vars(ssl), "SSLContext": Context})
    watching(hook_ssl, module)

    with pytest.raises(EscapeError):
        ssl.create_default_context().wrap_bio(
            ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="api.openai.com"
        )


@pytest.mark.parametrize(
    ("args", "keywords"),
    [((b"x",), {"flags": 0, "timeout": 5}), ((), {"data": b"x"}), ((b"x", 0), {})],
)
def test_what_a_writer_is_given_besides_reaches_it(
    watching: Watching, args: tuple[object, ...], keywords: dict[str, object]
) -> None:
    """Given gevent, whose `sendall` calls `send(data, flags, timeout=...)`, then it sends."""
    given: list[object] = []

    class Socket(socket.socket):
        def send(self, data: Any, flags: int = 0, timeout: object = None) -> int:
            given.append((data, flags, timeout))
            return len(data)

    module = ModuleType("gevent.socket")
    module.__dict__.update({**vars(socket), "socket": Socket})
    watching(hook_socket, module)

    with Socket() as sock:
        sending: Any = sock.send
        assert sending(*args, **keywords) == 1
        with pytest.raises(EscapeError):
            sending(data=message("http://h.test/v1/chat/completions"))

    assert given == [(b"x", 0, keywords.get("timeout"))]


@pytest.mark.parametrize("data", ["abc", None, 7, memoryview(b"abcd")[::2]])
def test_what_cannot_be_sent_fails_as_it_does_live(
    watching: Watching, server: LoopbackServer, data: Any
) -> None:
    def fault() -> str:
        with (
            socket.create_connection((server.host, server.port)) as sock,
            pytest.raises((BufferError, TypeError)) as caught,
        ):
            sock.sendall(data)
        return repr(caught.value)

    live = fault()
    watching(hook_socket, socket)

    assert fault() == live


def test_an_empty_view_of_two_dimensions_is_sent(
    watching: Watching, server: LoopbackServer
) -> None:
    """Given what cannot be seen as bytes but can be sent, then it is: numpy's `zeros((0, 3))`."""
    watching(hook_socket, socket)
    numpy = pytest.importorskip("numpy")

    with socket.create_connection((server.host, server.port)) as sock:
        assert sock.send(numpy.zeros((0, 3))) == 0
        assert sock.send(numpy.zeros(1, "M8[s]")) == 8


@pytest.mark.parametrize("address", [(), ("127.0.0.1",), (7, 7), "x"])
def test_what_is_no_address_fails_as_it_does_live(watching: Watching, address: Any) -> None:
    def fault() -> str:
        with socket.socket() as sock, pytest.raises(TypeError) as caught:
            sock.connect(address)
        return repr(caught.value)

    live = fault()
    watching(hook_socket, socket)

    assert fault() == live


def test_a_pair_of_sockets_is_no_connection_to_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given Windows, where a pair is made over this machine's network, then every loop can begin."""

    def socketpair() -> tuple[socket.socket, socket.socket]:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            one = socket.socket()
            one.connect(listening.getsockname())
            return one, listening.accept()[0]

    monkeypatch.setattr(socket, "socketpair", socketpair)
    wire = Wire()
    wire.rules = (Blocking(loopback=False),)
    undo = hook_socket(socket, wire)
    try:
        for each in socket.socketpair():
            each.close()
        with socket.socket() as sock, pytest.raises(EscapeError):
            sock.connect(("127.0.0.1", 9))
    finally:
        undo()
    assert socket.socketpair is socketpair
