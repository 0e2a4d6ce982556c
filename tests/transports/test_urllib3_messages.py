"""What urllib3 gives its callers, hooked and not: equal over everything a server may send.

One table of what comes over the wire, one of the ways to read it; every pair is tried.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import socketserver
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
import urllib3

from cachesaver.ports import Gate
from cachesaver.transports import urllib3 as adapter
from cachesaver.transports.testing import PATIENCE, HitGate, RecordingGate, TeeGate
from cachesaver.transports.urllib3_messages import (
    _arrived,  # pyright: ignore[reportPrivateUsage]  # no installed version takes this way
    _as_live,  # pyright: ignore[reportPrivateUsage]  # as above
    reply,
)


@contextmanager
def hooked(gate: Gate) -> Generator[None]:
    unhook = adapter.hook(urllib3, gate)
    try:
        yield
    finally:
        unhook()


class RawServer(socketserver.ThreadingTCPServer):
    """Answers the request for a path with the bytes that stand there; then closes if told to."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        super().__init__(("127.0.0.1", 0), _RawHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _RawHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while self._answer():
                pass

    def _answer(self) -> bool:
        head = b""
        while (line := self.rfile.readline()).strip():
            head += line
        if not head:
            return False
        lines = head.lower().split(b"\r\n")
        length = next((line for line in lines if line.startswith(b"content-length")), b":0")
        self.rfile.read(int(length.partition(b":")[2]))
        answer = cast("RawServer", self.server).answers[head.split()[1].decode()]
        self.wfile.write(answer.removesuffix(CLOSES))
        return not answer.endswith(CLOSES)


CLOSES = b"<server closes>"
OK = b"HTTP/1.1 200 OK\r\n"
PACKED = gzip.compress(b"plain text " * 30, mtime=0)

WIRES = {
    "sized": OK + b"Content-Length: 11\r\nX-Two: a\r\nX-Two: b\r\n\r\nhello world",
    "sized, lower case": OK + b"x-first: 1\r\ncontent-length: 2\r\nx-last: 1\r\n\r\n{}",
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    "chunked, empty": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, with extension and trailer": OK
    + b"Transfer-Encoding: Chunked\r\n\r\n5;x=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
    "chunked and sized": OK
    + b"Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "events": OK
    + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n",
    "until the end": OK + b"Content-Type: text/plain\r\n\r\nuntil the end" + CLOSES,
    "until the end, 1.0": b"HTTP/1.0 200 Fine\r\nX: 1\r\n\r\nold" + CLOSES,
    "sized, then closed": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}" + CLOSES,
    "gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
    "gzip, chunked": OK
    + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"9\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (PACKED[:9], len(PACKED) - 9, PACKED[9:]),
    "not gzip": OK + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "continued": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}",
    "204": b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
    "429": b"HTTP/1.1 429 Slow Down\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{}",
    "latin": OK + b"X-Name: caf\xe9\r\nContent-Length: 2\r\n\r\n{}",
    "folded": OK + b"X-Name: one\r\n two\r\nContent-Length: 2\r\n\r\n{}",
    "lengths differ": OK + b"Content-Length: 2, 3\r\nConnection: close\r\n\r\n{}" + CLOSES,
    "sized, cut": OK + b"Content-Length: 11\r\n\r\nhello" + CLOSES,
    "chunked, cut in a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel" + CLOSES,
    "chunked, cut between": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n" + CLOSES,
    "chunked, no number": OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello" + CLOSES,
    "no answer": CLOSES,
    "no HTTP": b"SSH-2.0\r\n\r\n" + CLOSES,
}


def facts(response: urllib3.HTTPResponse) -> tuple[object, ...]:
    # Private, but what requests takes cookies from.
    original = response._original_response  # pyright: ignore[reportPrivateUsage]  # as above
    assert original is not None
    return (
        *(response.status, response.reason, response.version, response.version_string),
        *(list(response.headers.items()), list(original.msg.items()), response.url),
        *(response.retries, response.chunked, original.version, original.reason),
    )


def after(response: urllib3.HTTPResponse) -> tuple[object, ...]:
    return (response.closed, response.tell(), response.connection)


def at_once(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield facts(response), response.data
    yield response.data, response.read(), list(response.stream()), after(response)


def later(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield facts(response), response.length_remaining, response.closed
    yield response.read()
    yield response.read(), response.read(4), response.data, after(response)


def cached(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield response.data, response.data, after(response)


def decoded_late(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield response.read(decode_content=True), after(response)


def piecewise(response: urllib3.HTTPResponse) -> Iterator[object]:
    while piece := response.read(4):
        yield piece, response.length_remaining, response.tell()
    yield after(response)


def read1(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield b"".join(iter(lambda: response.read1(4), b""))
    yield after(response)


def streamed(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield from response.stream(decode_content=True)
    yield after(response)


def streamed_by_3(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield from response.stream(3)
    yield after(response)


def chunkwise(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield from response.read_chunked()
    yield after(response)


def linewise(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield from response
    yield after(response)


def buffered(response: urllib3.HTTPResponse) -> Iterator[object]:
    response.auto_close = False  # as its documentation has it
    yield list(io.TextIOWrapper(io.BufferedReader(response, 5), "latin-1"))


def parsed_json(response: urllib3.HTTPResponse) -> Iterator[object]:
    yield response.json()


def drained(response: urllib3.HTTPResponse) -> Iterator[object]:
    response.drain_conn()
    yield response.read(), response.closed, response.connection


def closed(response: urllib3.HTTPResponse) -> Iterator[object]:
    response.close()
    yield response.read(), response.closed


Way = Callable[[urllib3.HTTPResponse], Iterator[object]]

LATER: dict[str, Any] = {"preload_content": False}
WAYS: dict[str, tuple[str, dict[str, Any], Way]] = {
    "at once": ("POST", {}, at_once),
    "at once, undecoded": ("POST", {"decode_content": False}, at_once),
    # A method that may be retried: where the body breaks off, the request is sent again.
    "at once, retried": ("GET", {"retries": urllib3.Retry(2)}, at_once),
    "later": ("POST", LATER, later),
    "cached": ("POST", LATER, cached),
    "undecoded": ("POST", LATER | {"decode_content": False}, later),
    "decoded late": ("POST", LATER | {"decode_content": False}, decoded_late),
    "piecewise": ("POST", LATER, piecewise),
    "piecewise, length not enforced": (
        "POST",
        LATER | {"enforce_content_length": False},
        piecewise,
    ),
    "read1": ("POST", LATER, read1),
    "streamed": ("POST", LATER, streamed),
    "streamed by 3": ("POST", LATER, streamed_by_3),
    "chunkwise": ("POST", LATER, chunkwise),
    "linewise": ("POST", LATER, linewise),
    "buffered": ("POST", LATER, buffered),
    "JSON": ("POST", {}, parsed_json),
    "drained": ("POST", LATER, drained),
    "closed": ("POST", LATER, closed),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What a way of reading has seen until its end or its error, and what it left of the pool."""

    seen: list[object]
    error: tuple[object, ...]
    sent: int
    free: int


def observed(name: str, url: str, path: str) -> Observed:
    method, options, way = WAYS[name]
    seen: list[object] = []
    error = response = None
    with urllib3.connection_from_url(url, maxsize=2, timeout=PATIENCE) as pool:
        try:
            response = pool.urlopen(method, path, body=b"{}", **options)
            assert isinstance(response, urllib3.HTTPResponse)
            seen.extend(repr(each) for each in way(response))
        except Exception as raised:  # noqa: BLE001 - whatever it is, it must be the same
            error = _told(raised)
        assert pool.pool is not None
        free, sent = pool.pool.qsize(), pool.num_requests
        if response is not None:
            response.close()
            response.release_conn()
    return Observed(seen=seen, error=error or (), sent=sent, free=free)


def _told(error: Exception) -> tuple[object, ...]:
    reason = getattr(error, "reason", None)
    return (type(error), _told(reason) if isinstance(reason, Exception) else reason, str(error))


@pytest.fixture(scope="module")
def raw_server() -> Iterator[RawServer]:
    with RawServer({f"/{n}": w for n, w in enumerate(WIRES.values())}) as server:
        yield server


BROKEN_CHUNKS = {name for name in WIRES if name.startswith(("chunked, cut", "chunked, no"))}
"""urllib3 has two readers of chunks, which tell of a break in different words."""

FRAMING_SHOWS = {name for name, (_, _, way) in WAYS.items() if way in {at_once, later, piecewise}}
"""Ways of reading that tell how the body was framed."""

HELD_BACK = ("chunked, cut in a chunk", "streamed by 3")
"""Live, the beginning of a chunk whose end is missing can be read; ours hands on whole chunks."""


@pytest.mark.parametrize(
    ("wire", "way"),
    [
        (wire, way)
        for wire, way in itertools.product(WIRES, WAYS)
        if (wire, way) != HELD_BACK and (wire != "chunked and sized" or way not in FRAMING_SHOWS)
    ],
)
def test_a_miss_is_what_it_would_have_been(raw_server: RawServer, wire: str, way: str) -> None:
    path = f"/{list(WIRES).index(wire)}"
    live = observed(way, raw_server.url, path)

    with hooked(TeeGate()):
        miss = observed(way, raw_server.url, path)

    assert (miss.seen, miss.sent) == (live.seen, live.sent)
    assert miss.error[:1] == live.error[:1]
    assert wire in BROKEN_CHUNKS or miss.error == live.error
    assert miss.free >= live.free, "a connection was lost that would not have been"


REFRAMED = {
    "chunked and sized": "the length is false and goes (and goes from a miss as well)",
    "no reason": "a hit has the usual one: not every client tells what it got",
    "until the end": "a hit tells its length",
    "until the end, 1.0": "a hit tells its length, in HTTP/1.1",
}
"""What is framed as well as it was, but not in the same words, when it comes from a store."""

WHOLE = [
    name
    for name in WIRES
    if name not in BROKEN_CHUNKS | {"sized, cut", "lengths differ", "no answer", "no HTTP"}
]


@pytest.mark.parametrize(
    ("wire", "way"),
    [
        (wire, way)
        for wire, way in itertools.product(WHOLE, WAYS)
        if wire not in REFRAMED or way not in FRAMING_SHOWS
    ],
)
def test_a_hit_is_what_it_was_live(raw_server: RawServer, wire: str, way: str) -> None:
    path = f"/{list(WIRES).index(wire)}"
    live = observed(way, raw_server.url, path)
    recording = RecordingGate()
    with hooked(recording):
        urllib3.request("POST", raw_server.url + path, preload_content=False).close()

    with hooked(HitGate(recording.recorded[0])):
        hit = observed(way, raw_server.url, path)

    assert (hit.seen, hit.error) == (live.seen, live.error)
    assert (hit.sent, hit.free) == (0, 2)


def test_a_switch_of_protocols_is_handed_over_as_it_is() -> None:
    """Given a server that switches unasked, then the caller gets its connection."""
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n"
    with RawServer({"/": switched}) as server, hooked(TeeGate()):
        response = urllib3.request("POST", server.url + "/", preload_content=False)

        assert (response.status, response.headers["upgrade"]) == (101, "echo")
        assert response.connection is not None
        response.close()


class Http2Response(urllib3.BaseHTTPResponse):
    """As the one of `urllib3.http2`: all there, and good for little else."""

    def __init__(self, content: bytes) -> None:
        super().__init__(
            status=200,
            headers={"x": "1"},
            version=20,
            version_string="HTTP/2",
            reason=None,
            decode_content=False,
            request_url="/",
        )
        self.content = content
        self.closes = 0

    @property
    def data(self) -> bytes:
        return self.content

    @property
    def url(self) -> str | None:
        return None

    @url.setter
    def url(self, url: str | None) -> None:
        raise AssertionError(url)

    def close(self) -> None:
        self.closes += 1


def test_a_response_of_http2_is_read_as_far_as_it_can_be() -> None:
    native = Http2Response(b"whole")

    answer = reply(urllib3, native)

    assert (list(answer.chunks), answer.http_version, answer.reason) == ([b"whole"], "HTTP/2", "")
    answer.close()
    assert native.closes == 1


def test_a_response_of_http2_gives_its_connection_back() -> None:
    """Given a connection that its response has and cannot release, then its pool has it again."""
    with urllib3.HTTPConnectionPool("a.test", maxsize=1, block=True) as pool:
        assert pool.pool is not None
        native: Any = Http2Response(b"whole")
        native._pool, native._connection = pool, pool._get_conn()

        reply(urllib3, native).close()

        assert pool.pool.qsize() == 1


class Old:
    """A response as of a version of urllib3 that cannot say what has arrived."""

    def __init__(self, native: urllib3.BaseHTTPResponse) -> None:
        self._native = native

    def __getattr__(self, name: str) -> Any:
        if name in {"read1", "version_string"}:
            raise AttributeError(name)
        return getattr(self._native, name)


@pytest.mark.parametrize("body", [b"", b"hello", b"x" * 100_000])
@pytest.mark.parametrize("head", [OK, OK + b"Content-Length: %d\r\n"])
def test_an_old_response_is_read_as_it_arrives_to_its_end(head: bytes, body: bytes) -> None:
    sized = b"%d" in head
    answer = (head % len(body) if sized else head) + b"\r\n" + body + (b"" if sized else CLOSES)
    with RawServer({"/": answer}) as server, urllib3.connection_from_url(server.url) as pool:
        native = pool.urlopen("GET", "/", preload_content=False)

        chunks = list(iter(lambda: _arrived(Old(native)), b""))

        assert b"".join(chunks) == body
        assert (native.closed, native.connection) == (True, None)


def test_an_old_response_is_told_no_more_than_it_was() -> None:
    made: Any = Old(urllib3.HTTPResponse(version_string="HTTP/1.0"))

    assert _as_live(made, None) is made
    assert "version_string" not in vars(made)
