"""Law 8: by replay nothing that looks like a provider call leaves the process, whoever makes it.

Real clients over real sockets. Where a provider's own name is asked for, the resolver is ours and
leads to a server on this machine: what is not stopped arrives there.
"""

from __future__ import annotations

import asyncio
import http.client
import multiprocessing
import os
import socket
import ssl
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import openai
import pytest
import requests

import cachesaver
from cachesaver import tripwire
from cachesaver.errors import EscapeError, NotRecordedError, ReplayError
from cachesaver.exchange import Request
from cachesaver.rehearsal import Rehearsal
from cachesaver.transports.loopback import LoopbackServer, Script
from escaping import BODY, WAYS, by_tls, by_tls_streams, message, outcome

PATH = "/v1/chat/completions"
OpenAI: Any = openai.OpenAI
CHAT: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}

SEEN = {
    *("httpx", "httpx2", "httpx async", "aiohttp", "requests", "urllib3", "http.client", "urllib"),
}
"""What is hooked: there the error is that of a request, not of a connection."""


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def elsewhere(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> LoopbackServer:
    """A server that every name leads to, whatever its port."""
    original = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return original(server.host, server.port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return server


@pytest.fixture
def replaying() -> Callable[..., Any]:
    def replay(**options: Any) -> cachesaver.Session:
        return cachesaver.install(store="memory://", mode="replay", quiet=True, **options)

    return replay


def excluding(part: str) -> Callable[[Request], bool | None]:
    """What lets requests out whose URL has *part*."""

    def match(request: Request) -> bool | None:
        return False if part in request.url else None

    return match


@pytest.mark.parametrize("name", WAYS)
class TestByItsPath:
    """A model behind an address that nobody has heard of."""

    def test_what_gets_out_without_us_does_not_by_replay(
        self, server: LoopbackServer, replaying: Callable[..., Any], name: str
    ) -> None:
        way, url = WAYS[name], server.url + PATH
        assert outcome(way, url) is None
        assert len(server.received) == 1

        with replaying():
            began = time.monotonic()
            error = outcome(way, url)
            took = time.monotonic() - began

        assert isinstance(error, ReplayError), error
        assert isinstance(error, EscapeError) is (name not in SEEN)
        assert PATH in str(error)
        assert len(server.received) == 1
        assert took < 2, "no client may retry this"

        assert outcome(way, url) is None
        assert len(server.received) == 2

    def test_what_is_no_provider_call_gets_out(
        self, server: LoopbackServer, replaying: Callable[..., Any], name: str
    ) -> None:
        with replaying():
            assert outcome(WAYS[name], f"{server.url}/orders") is None

        (received,) = server.received
        assert received.body == BODY

    def test_match_lets_it_out(
        self, server: LoopbackServer, replaying: Callable[..., Any], name: str
    ) -> None:
        with replaying(match=excluding(PATH)):
            assert outcome(WAYS[name], server.url + PATH) is None

        assert len(server.received) == 1

    def test_a_host_that_was_named_gets_nothing(
        self, server: LoopbackServer, replaying: Callable[..., Any], name: str
    ) -> None:
        with replaying(hosts=[f"{server.host}:{server.port}"]):
            error = outcome(WAYS[name], f"{server.url}/orders")

        assert isinstance(error, ReplayError), error
        assert server.received == []


@pytest.mark.parametrize("name", WAYS)
class TestByItsName:
    def test_a_provider_is_not_even_connected_to(
        self, elsewhere: LoopbackServer, replaying: Callable[..., Any], name: str
    ) -> None:
        url = f"http://api.openai.com:{elsewhere.port}/v1/unheard-of"
        if "uvloop" not in name:  # it does not ask `socket`
            assert outcome(WAYS[name], url) is None
        connected = elsewhere.connections

        with replaying():
            error = outcome(WAYS[name], url)

        assert isinstance(error, ReplayError), error
        assert "api.openai.com" in str(error)
        assert elsewhere.connections == connected


def by_tls_and_asyncio(url: str) -> None:
    asyncio.run(by_tls_streams(url))


@pytest.mark.parametrize("way", [by_tls, by_tls_and_asyncio])
class TestByTls:
    def test_no_hand_is_shaken(
        self, elsewhere: LoopbackServer, replaying: Callable[..., Any], way: Callable[[str], None]
    ) -> None:
        url = "http://api.anthropic.com:443/"
        assert isinstance(outcome(way, url), OSError)
        connected = elsewhere.connections
        assert connected == 1

        with replaying():
            error = outcome(way, url)

        assert isinstance(error, EscapeError), error
        assert elsewhere.connections == connected


def test_tls_gives_away_what_an_address_does_not(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    """Given an address of nobody's, when TLS names a provider on it, then no hand is shaken."""
    context = ssl.create_default_context()

    def shake() -> None:
        with socket.create_connection((server.host, server.port)) as sock:
            context.wrap_socket(sock, server_hostname="api.anthropic.com")

    with pytest.raises(OSError):  # noqa: PT011  # what is there speaks no TLS
        shake()
    with replaying(), pytest.raises(EscapeError, match=r"api\.anthropic\.com was not reached"):
        shake()


def test_an_old_connection_asks_nothing_more(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    """Given a connection from before, when it is used by replay, then its request stays here."""
    with (
        socket.create_connection((server.host, server.port)) as sock,
        replaying(),
        pytest.raises(EscapeError),
    ):
        sock.sendall(message(server.url + PATH))

    assert server.received == []


def test_a_proxy_is_not_asked_for_a_provider(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    with replaying(), socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: pypi.org\r\n\r\n")
        with pytest.raises(EscapeError, match=r"CONNECT api\.openai\.com:443"):
            sock.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_websocket_is_not_opened(server: LoopbackServer, replaying: Callable[..., Any]) -> None:
    async def connect() -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{server.url}/v1/realtime"),
        ):
            pass

    with replaying(), pytest.raises(ReplayError):
        asyncio.run(connect())

    assert server.received == []


def _in_child(url: str, said: Any) -> None:
    errors = [outcome(WAYS[name], url) for name in ("socket", "httpx", "asyncio streams")]
    said.put([type(error).__name__ for error in errors])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_gets_nothing_out(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    context: Any = multiprocessing.get_context("fork")
    said = context.SimpleQueue()
    with replaying():
        child = context.Process(target=_in_child, args=(server.url + PATH, said))
        child.start()
        child.join(30)

    assert said.get() == ["EscapeError", "NotReplayableError", "EscapeError"]
    assert server.received == []


def test_many_threads_get_nothing_out(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    errors: list[BaseException | None] = []

    def ask() -> None:
        names = ("socket", "http.client", "httpx")
        errors.extend(outcome(WAYS[name], server.url + PATH) for name in names)

    with replaying():
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(errors) == 24
    assert all(isinstance(error, ReplayError) for error in errors)
    assert server.received == []


class TestNesting:
    def test_the_innermost_session_decides(
        self, server: LoopbackServer, replaying: Callable[..., Any]
    ) -> None:
        def gets_out() -> bool:
            return outcome(WAYS["socket"], server.url + PATH) is None

        said = [gets_out()]
        with replaying():
            said.append(gets_out())
            with cachesaver.install(store="memory://", quiet=True):
                said.append(gets_out())
            said.append(gets_out())
            with replaying(match=excluding(PATH)):
                said.append(gets_out())
            said.append(gets_out())
        said.append(gets_out())

        assert said == [True, False, True, False, True, False, True]

    def test_an_explicit_transport_patches_nothing(self) -> None:
        before = vars(socket.socket).get("connect")  # what another test has left to be called
        with cachesaver.Session.open(store="memory://", mode="replay"):
            assert vars(socket.socket).get("connect") is before


class TestWhatPasses:
    """The program's own traffic, byte for byte."""

    def test_a_database_on_this_machine(self, replaying: Callable[..., Any]) -> None:
        said = (b"*1\r\n$4\r\nPING\r\n", b"GET key\r\n", b"Q\x00SELECT 1;", b"\x00")
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            replaying(),
            socket.create_connection(listening.getsockname()) as client,
        ):
            server, _ = listening.accept()
            with server:
                for each in said:
                    client.sendall(each)
                    assert server.recv(100) == each

    @pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Unix sockets")
    def test_a_unix_socket_even_with_a_model_behind_it(self, replaying: Callable[..., Any]) -> None:
        said = message(f"http://localhost{PATH}")
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
            path = str(Path(folder) / "s")
            listening.bind(path)
            listening.listen()
            with replaying(), socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                server, _ = listening.accept()
                with server:
                    client.sendall(said)
                    assert server.recv(1000) == said

    def test_processes_that_talk_to_each_other(self, replaying: Callable[..., Any]) -> None:
        with replaying(), multiprocessing.get_context("spawn").Manager() as manager:
            shared: Any = manager.dict()
            shared["a"] = 1

            assert dict(shared) == {"a": 1}

    def test_a_pair_and_a_datagram(self, replaying: Callable[..., Any]) -> None:
        with replaying():
            one, other = socket.socketpair()
            with one, other:
                one.sendall(message(f"http://x{PATH}"))
                assert other.recv(4) == b"POST"
            with (
                socket.socket(type=socket.SOCK_DGRAM) as inbox,
                socket.socket(type=socket.SOCK_DGRAM) as sender,
            ):
                inbox.bind(("127.0.0.1", 0))
                assert sender.sendto(b"hello", inbox.getsockname()) == 5
                assert inbox.recv(10) == b"hello"


def test_a_hit_needs_no_network(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """Given recorded answers, when every socket is cut off, then hits come and misses are clear."""
    url = f"{rehearsal.openai_url}/chat/completions"

    def asks() -> list[str]:
        with OpenAI(base_url=rehearsal.openai_url, api_key="k") as client:
            said = client.chat.completions.create(**CHAT)
        return [
            str(said.choices[0].message.content),
            httpx.post(url, json={**CHAT, "seed": 1}).json()["id"],
            requests.post(url, json={**CHAT, "seed": 2}, timeout=20).json()["id"],
        ]

    with cachesaver.install("a", store=tmp_path / "s", quiet=True):
        bought = asks()
    disarm = tripwire.arm(tripwire.Blocking(loopback=False))
    try:
        with cachesaver.install("b", store=tmp_path / "s", mode="replay", quiet=True):
            assert asks() == bought
            with pytest.raises(NotRecordedError):
                httpx.post(url, json={**CHAT, "seed": 3})
    finally:
        disarm()


class TestFilesThatTheKernelSends:
    @pytest.mark.parametrize("name", ["socket", "asyncio", "asyncio sock"])
    def test_a_request_in_a_file_does_not_leave(
        self, server: LoopbackServer, replaying: Callable[..., Any], tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "asked").write_bytes(message(server.url + PATH))
        (tmp_path / "plain").write_bytes(message(f"{server.url}/orders"))

        with replaying():
            assert outcome(lambda _: send_file(name, server, tmp_path / "plain"), "") is None
            error = outcome(lambda _: send_file(name, server, tmp_path / "asked"), "")

        assert isinstance(error, EscapeError), error
        assert [each.target for each in server.received] == ["/orders"]

    def test_a_body_that_went_so_hides_no_request(
        self, server: LoopbackServer, replaying: Callable[..., Any], tmp_path: Path
    ) -> None:
        (tmp_path / "body").write_bytes(b"x" * 9)
        with (
            replaying(),
            socket.create_connection((server.host, server.port)) as sock,
            (tmp_path / "body").open("rb") as file,
        ):
            sock.sendall(b"PUT /b HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n")
            sock.sendfile(file)
            with pytest.raises(EscapeError):
                sock.sendall(message(server.url + PATH))


def send_file(name: str, server: LoopbackServer, path: Path) -> None:
    async def by_asyncio() -> None:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            with path.open("rb") as file:
                await asyncio.get_running_loop().sendfile(writer.transport, file)
            await reader.read(1)
        finally:
            writer.close()

    async def by_sock() -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock, path.open("rb") as file:
            sock.setblocking(False)
            await loop.sock_connect(sock, (server.host, server.port))
            await loop.sock_sendfile(sock, file)
            await loop.sock_recv(sock, 1)

    if name != "socket":
        asyncio.run(by_asyncio() if name == "asyncio" else by_sock())
        return
    with (
        socket.create_connection((server.host, server.port)) as sock,
        path.open("rb") as file,
    ):
        sock.sendfile(file)
        sock.recv(1)


def test_what_a_program_swallows_is_a_miss_of_the_innermost_session(
    server: LoopbackServer, replaying: Callable[..., Any]
) -> None:
    """Given a client that nobody hooks, when its error is swallowed, then the session tells of it."""
    with replaying() as outer, replaying() as inner:
        error = outcome(WAYS["socket"], server.url + PATH)

    assert inner.misses == (error,)
    assert isinstance(error, EscapeError)
    assert outer.misses == ()


@pytest.mark.parametrize("name", ["httpx", "requests", "urllib", "http.client"])
def test_a_recorded_request_is_uploaded(
    server: LoopbackServer, replaying: Callable[..., Any], name: str
) -> None:
    """Given an object store that keeps a fixture of a provider call, then it gets it."""
    fixture = message(server.url + PATH)
    url = server.script("/bucket/fixture.http", Script())
    host, port = server.host, server.port

    def by_http_client() -> None:
        connection = http.client.HTTPConnection(host, port)
        connection.request("PUT", "/bucket/fixture.http", fixture)
        connection.getresponse().read()
        connection.close()

    def by_urllib() -> None:
        asked = urllib.request.Request(url, fixture, method="PUT")  # noqa: S310  # the same
        with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310  # this machine's
            answer.read()

    ways: dict[str, Callable[[], object]] = {
        "httpx": lambda: httpx.put(url, content=fixture),
        "requests": lambda: requests.put(url, data=fixture, timeout=20),
        "urllib": by_urllib,
        "http.client": by_http_client,
    }
    with replaying():
        ways[name]()

    assert [each.body for each in server.received] == [fixture]
