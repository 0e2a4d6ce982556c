"""What a transport adapter has to do, as a test class to inherit; with the fakes it takes.

For tests only. It knows no client: an adapter's test module says how its client is driven, by a
`Caller`, and inherits the claims. `LoopbackServer` and the gates serve an adapter's own tests too.

Used like::

    class TestAcme(TransportContract):
        packages = ("acme",)

        def transport(self) -> Transport:
            return cachesaver.transports.acme

        def module(self) -> ModuleType:
            return acme

        def caller(self, *, connections: int | None = None) -> Caller:
            return AcmeCaller(acme.Client(pool_size=connections))
"""

# ruff: noqa: S101, D102, PLR2004 - these are tests: they assert, and the name is the claim

from __future__ import annotations

import functools
import gzip
import io
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import BinaryIO, ClassVar, Final, Self

import pytest

from cachesaver.errors import CachesaverError
from cachesaver.exchange import Headers, Request, Response, get_header, without_headers
from cachesaver.ports import Gate, Transport
from cachesaver.transports.gates import (
    FakeGate,
    HitGate,
    RaisingGate,
    RecordingGate,
    RefusingGate,
    RepeatingGate,
    Tee,
    TeeGate,
)
from cachesaver.transports.loopback import PATIENCE, LoopbackServer, Received, Script

__all__ = [
    "PATIENCE",
    "Answer",
    "Body",
    "Caller",
    "CookieContract",
    "FakeGate",
    "HitGate",
    "LoopbackServer",
    "RaisingGate",
    "Received",
    "RecordingGate",
    "RefusingGate",
    "RepeatingGate",
    "Script",
    "Tee",
    "TeeGate",
    "TransportContract",
]

Body = bytes | Iterable[bytes] | BinaryIO

_JSON: Final = (("Content-Type", "application/json"),)
_EVENTS: Final = (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n")
_SSE: Final = (("Content-Type", "text/event-stream"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gave its caller; *body* as the client decodes it."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes

    def header(self, name: str) -> str | None:
        return get_header(self.headers, name)


class Caller(ABC):
    """Drives one client the way its users do. Follows redirects. Blocking, also over async clients.

    An async client is driven step by step on a loop of the caller's own (`asyncio.Runner().run`).
    """

    @abstractmethod
    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: Body = b"",
        timeout: float = PATIENCE,
    ) -> Answer:
        """Send and read to the end; a *body* that iterates is given the client as an upload."""

    @abstractmethod
    def stream(
        self, method: str, url: str, *, headers: Headers = (), body: Body = b""
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Send; inside the block iterate the body as it arrives; leaving it closes the response."""

    @abstractmethod
    def close(self) -> None:
        """Close the client."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class TransportContract(ABC):
    """The claims. Every test brings up its own server and client."""

    packages: ClassVar[tuple[str, ...]]
    """Top-level packages whose classes and modules `hook` may touch, such as `("httpx",)`."""

    @abstractmethod
    def transport(self) -> Transport:
        """Return the adapter."""

    @abstractmethod
    def module(self) -> ModuleType:
        """Return the client library."""

    @abstractmethod
    def caller(self, *, connections: int | None = None) -> Caller:
        """Return a driver of a new client whose pool has at most *connections* (None: default)."""

    @contextmanager
    def hooked(self, gate: Gate) -> Generator[None, None, None]:
        """Hook *gate* in while the block lasts."""
        unhook = self.transport().hook(self.module(), gate)
        try:
            yield
        finally:
            unhook()

    @contextmanager
    def scene(
        self, gate: Gate, *, connections: int | None = None
    ) -> Generator[tuple[LoopbackServer, Caller], None, None]:
        """Bring up a server and a hooked client."""
        with (
            LoopbackServer() as server,
            self.hooked(gate),
            self.caller(connections=connections) as caller,
        ):
            yield server, caller

    # --- hits

    def test_a_hit_opens_no_connection(self) -> None:
        with self.scene(HitGate(Response(status=200, chunks=(b"kept",)))) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert (answer.status, answer.body) == (200, b"kept")
            assert server.connections == 0

    def test_a_hit_needs_nobody_to_listen(self) -> None:
        with LoopbackServer() as server:
            url = server.url

        with self.hooked(HitGate(Response(status=200, chunks=(b"kept",)))), self.caller() as caller:
            answer = caller.request("POST", url + "/v1/x", body=b"{}")

        assert answer.body == b"kept"

    def test_a_hit_shows_status_and_headers(self) -> None:
        headers = (("Content-Type", "application/json"), ("x-request-id", "r1"), ("x-two", "2"))
        gate = HitGate(Response(status=429, headers=headers, chunks=(b'{"e":1}',)))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.status == 429
        assert [answer.header(name) for name, _ in headers] == [value for _, value in headers]

    def test_stale_framing_headers_of_a_hit_do_no_harm(self) -> None:
        headers = (("Content-Length", "999"), ("Transfer-Encoding", "chunked"), *_JSON)
        gate = HitGate(Response(status=200, headers=headers, chunks=(b'{"a"', b":1}")))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.body == b'{"a":1}'
        assert answer.header("content-length") in {None, "7"}

    def test_a_hit_that_is_still_compressed_is_decoded_by_the_client(self) -> None:
        packed = gzip.compress(b"plain text")
        headers = (("Content-Encoding", "gzip"), ("Content-Length", "10"))
        gate = HitGate(Response(status=200, headers=headers, chunks=(packed[:7], packed[7:])))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert answer.body == b"plain text"

    def test_a_streamed_hit_keeps_its_seams(self) -> None:
        gate = HitGate(Response(status=200, headers=_SSE, chunks=_EVENTS))
        with (
            self.scene(gate) as (server, caller),
            caller.stream("POST", server.url + "/v1/x", body=b"{}") as chunks,
        ):
            assert tuple(chunks) == _EVENTS

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_hit_without_a_body(self, status: int) -> None:
        with self.scene(HitGate(Response(status=status))) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"{}")

        assert (answer.status, answer.body) == (status, b"")

    def test_a_hit_closed_early_leaves_the_client_usable(self) -> None:
        gate = HitGate(Response(status=200, headers=_SSE, chunks=_EVENTS))
        with self.scene(gate, connections=1) as (server, caller):
            for _ in range(3):
                with caller.stream("POST", server.url + "/v1/x", body=b"{}") as chunks:
                    assert next(chunks) == _EVENTS[0]

            assert caller.request("POST", server.url + "/v1/x").body == b"".join(_EVENTS)

    def test_a_hit_needs_no_free_connection(self) -> None:
        """Given a pool of one and a live stream on it, when a hit comes, then it is answered."""
        gate = HitGate(Response(status=200, chunks=(b"kept",)))
        with LoopbackServer() as server, self.caller(connections=1) as caller:
            url = server.script("/live", Script(headers=_SSE, chunks=_EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert next(chunks) == _EVENTS[0]
                with self.hooked(gate):
                    assert caller.request("POST", server.url + "/v1/x").body == b"kept"
                server.release(2)
                assert tuple(chunks) == _EVENTS[1:]

    # --- misses

    def test_a_miss_sends_what_would_have_been_sent(self) -> None:
        with LoopbackServer() as server, self.caller() as caller:
            for gate in (RefusingGate(), FakeGate(), RecordingGate(), TeeGate()):
                with self.hooked(gate):
                    caller.request(
                        "POST",
                        server.url + "/v1/x%2Fy?key=a%20b&z=%C3%A9",
                        headers=(*_JSON, ("X-Mine", "1"), ("Authorization", "Bearer t")),
                        body='{"q": "é"}'.encode(),
                    )

            plain, *hooked = [_wire(received) for received in server.received]
            assert hooked == [plain] * 3

    def test_the_gate_sees_the_request_as_it_goes_out(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            caller.request(
                "POST",
                server.url + "/v1/x%2Fy?key=a%20b",
                headers=(*_JSON, ("X-Mine", "1")),
                body=b'{"q":1}',
            )

            (asked,) = gate.asked
            assert (asked.method, asked.body) == ("POST", b'{"q":1}')
            assert asked.url == server.url + server.received[0].target
            assert (asked.header("x-mine"), asked.header("content-type")) == (
                "1",
                "application/json",
            )
            method, host, path = gate.looked[0]
            assert (method.upper(), host, path.partition("?")[0]) == (
                "POST",
                "127.0.0.1",
                "/v1/x%2Fy",
            )

    def test_one_call_is_seen_once(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert (len(gate.asked), len(server.received)) == (1, 1)

    def test_a_miss_shows_what_came(self) -> None:
        gate = TeeGate()
        script = Script(status=418, headers=(*_JSON, ("x-request-id", "r1")), chunks=(b"short",))
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.script("/v1/x", script), body=b"{}")

        assert (answer.status, answer.body) == (418, b"short")
        assert (answer.header("x-request-id"), answer.header("content-length")) == ("r1", "5")
        assert (gate.tees[0].chunks, gate.tees[0].finished) == ([b"short"], True)

    def test_a_gate_sees_the_body_as_it_was_encoded(self) -> None:
        packed = gzip.compress(b"plain text", mtime=0)
        script = Script(headers=(("Content-Encoding", "gzip"),), chunks=(packed,))
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.script("/v1/x", script), body=b"{}")

        assert answer.body == b"plain text"
        assert gate.recorded[0].body == packed
        assert gate.recorded[0].header("content-encoding") == "gzip"

    def test_a_request_the_gate_has_changed_goes_out_changed(self) -> None:
        def change(request: Request) -> Request:
            changed = request.with_body(b'{"n": 3}')
            headers = without_headers(changed.headers, ("x-mine",))
            return Request(
                method=changed.method, url=changed.url, headers=headers, body=changed.body
            )

        with self.scene(RecordingGate(change)) as (server, caller):
            caller.request("POST", server.url + "/v1/x", headers=(("X-Mine", "1"),), body=b"{}")

            (received,) = server.received
            assert (received.body, received.header("content-length")) == (b'{"n": 3}', "8")
            assert received.header("x-mine") is None
            assert received.header("host") == f"127.0.0.1:{server.port}"

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_miss_without_a_body(self, status: int) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(status=status))
            answers = [caller.request("POST", url, body=b"{}") for _ in range(2)]

            assert [(a.status, a.body) for a in answers] == [(status, b"")] * 2
            assert (len(gate.asked), server.connections) == (2, 1)

    def test_a_redirect_is_followed_by_the_client(self) -> None:
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/old", Script(status=307, headers=(("Location", "/new"),)))
            answer = caller.request("POST", url, body=b"carried")

            assert (answer.status, answer.body) == (200, b"carried")
            assert [r.target for r in server.received] == ["/old", "/new"]
            assert [r.status for r in gate.recorded] == [307, 200]

    @pytest.mark.parametrize(
        "form", [lambda: iter((b"one ", b"two")), lambda: io.BytesIO(b"one two")]
    )
    def test_a_body_that_is_read_once_arrives_whole(self, form: Callable[[], Body]) -> None:
        """Given a generator or a file, it is read once; the gate gets it, or is told why not."""
        gate = RecordingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=form())

            assert answer.body == b"one two"
            assert [r.body for r in server.received] == [b"one two"]
            assert [a.body for a in gate.asked] == ([] if gate.passes else [b"one two"])

    def test_a_head_request_passes(self) -> None:
        gate = FakeGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("HEAD", server.url + "/v1/x")

            assert (answer.status, answer.body, gate.asked) == (200, b"", [])
            assert [r.method for r in server.received] == ["HEAD"]

    # --- streams

    def test_a_stream_is_never_held_back(self) -> None:
        """Given a server that sends a chunk only when the one before was read, it flows."""
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=_SSE, chunks=_EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                for event in _EVENTS:
                    assert next(chunks) == event
                    server.release()
                assert next(chunks, None) is None

        assert (tuple(gate.tees[0].chunks), gate.tees[0].finished) == (_EVENTS, True)

    def test_closing_early_closes_the_upstream_reply(self) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=_SSE, chunks=_EVENTS, holds_chunks=True))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert next(chunks) == _EVENTS[0]

            assert server.wait_closed(1)

        assert (gate.tees[0].closed, gate.tees[0].finished) == (True, False)

    def test_a_stream_read_to_its_end_is_closed(self) -> None:
        gate = TeeGate()
        with self.scene(gate) as (server, caller):
            url = server.script("/v1/x", Script(headers=_SSE, chunks=_EVENTS))
            with caller.stream("POST", url, body=b"{}") as chunks:
                assert b"".join(chunks) == b"".join(_EVENTS)

        assert (gate.tees[0].closed, gate.tees[0].finished) == (True, True)

    # --- failure

    def test_a_timeout_is_the_clients_own(self) -> None:
        with LoopbackServer() as server, self.caller() as caller:
            url = server.script("/v1/x", Script(holds_head=True))
            for timeout in (0.2, 4.0):  # a busy machine may be slow to connect, which has its own
                send = functools.partial(caller.request, "POST", url, body=b"{}", timeout=timeout)
                plain, hooked = self._errors(send, FakeGate())
                if type(hooked) is type(plain):
                    return

        raise AssertionError(f"{plain!r} without us, and {hooked!r}")

    def test_a_refused_connection_is_the_clients_own(self) -> None:
        with LoopbackServer() as server:
            url = server.url + "/v1/x"

        with self.caller() as caller:
            plain, hooked = self._errors(lambda: caller.request("POST", url), FakeGate())

        assert type(hooked) is type(plain)

    def test_a_body_that_breaks_off_is_the_clients_own(self) -> None:
        gate = TeeGate()
        with LoopbackServer() as server, self.caller() as caller:
            url = server.script("/v1/x", Script(headers=_SSE, chunks=_EVENTS, breaks=True))
            plain, hooked = self._errors(lambda: caller.request("POST", url, body=b"{}"), gate)

        assert type(hooked) is type(plain)
        assert gate.tees[0].error is not None
        assert not gate.tees[0].finished

    def test_what_the_gate_raises_is_seen(self) -> None:
        error = CachesaverError("not recorded")
        with self.scene(RaisingGate(error)) as (server, caller):
            with pytest.raises(CachesaverError) as caught:
                caller.request("POST", server.url + "/v1/x", body=b"{}")

            assert caught.value is error
            assert server.connections == 0

    # --- the pool

    def test_a_connection_goes_back_after_a_miss(self) -> None:
        for gate in (FakeGate(), RecordingGate(), RepeatingGate(3), TeeGate()):
            with self.scene(gate, connections=1) as (server, caller):
                for _ in range(3):
                    caller.request("POST", server.url + "/v1/x", body=b"{}")

                assert server.connections == 1

    def test_a_connection_is_not_lost_by_closing_early(self) -> None:
        gate = TeeGate()
        with self.scene(gate, connections=1) as (server, caller):
            url = server.script("/v1/x", Script(headers=_SSE, chunks=_EVENTS, holds_chunks=True))
            for _ in range(2):
                with caller.stream("POST", url, body=b"{}") as chunks:
                    assert next(chunks) == _EVENTS[0]

            assert caller.request("POST", server.url + "/v1/y", body=b"last").body == b"last"

    # --- hooking

    def test_what_the_gate_does_not_want_is_left_alone(self) -> None:
        gate = RefusingGate()
        with self.scene(gate) as (server, caller):
            answer = caller.request("POST", server.url + "/v1/x", body=b"as it is")

        assert answer.body == b"as it is"
        assert gate.looked
        assert not gate.passes

    def test_a_client_built_before_the_hook_is_seen(self) -> None:
        gate = HitGate(Response(status=200, chunks=(b"kept",)))
        with LoopbackServer() as server, self.caller() as caller:
            assert caller.request("POST", server.url + "/v1/x", body=b"live").body == b"live"
            with self.hooked(gate):
                assert caller.request("POST", server.url + "/v1/x").body == b"kept"
            assert caller.request("POST", server.url + "/v1/x", body=b"live").body == b"live"

            assert len(server.received) == 2

    def test_a_call_in_a_thread_of_its_own_is_seen(self) -> None:
        gate = HitGate(Response(status=200, chunks=(b"kept",)))
        answers: list[Answer] = []

        def work() -> None:
            with self.caller() as caller:
                answers.append(caller.request("POST", "http://127.0.0.1:9/v1/x"))

        with self.hooked(gate):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        assert [answer.body for answer in answers] == [b"kept"]

    def test_unhooking_restores_every_attribute(self) -> None:
        self.caller().close()
        before = _attributes(self.packages)

        with self.hooked(FakeGate()):
            during = _attributes(self.packages)

        assert _differences(before, during), "the hook changed nothing in packages"
        assert not _differences(before, _attributes(self.packages))

    def test_unhooking_twice_does_no_harm(self) -> None:
        before = _attributes(self.packages)
        unhook = self.transport().hook(self.module(), FakeGate())
        unhook()
        other = self.transport().hook(self.module(), FakeGate())
        unhook()
        still_hooked = _differences(before, _attributes(self.packages))
        other()

        assert still_hooked
        assert not _differences(before, _attributes(self.packages))

    def test_what_was_patched_on_top_stays_and_passes_through(self) -> None:
        gate = FakeGate()
        before = _attributes(self.packages)
        unhook = self.transport().hook(self.module(), gate)
        ours = _differences(before, _attributes(self.packages))
        tops = {place: _wrapped(place) for place in ours}
        try:
            unhook()
            with LoopbackServer() as server, self.caller() as caller:
                answer = caller.request("POST", server.url + "/v1/x", body=b"live")

            assert (answer.body, gate.asked) == (b"live", [])
            assert all(vars(owner)[name] is top for (owner, name), top in tops.items())
        finally:
            for owner, name in tops:
                setattr(owner, name, before[owner, name])

    def _errors(
        self, call: Callable[[], object], gate: Gate
    ) -> tuple[BaseException, BaseException]:
        """Return what *call* raises without *gate* and with it."""
        with pytest.raises(Exception) as plain:  # noqa: PT011 - whatever the client raises
            call()
        with self.hooked(gate), pytest.raises(Exception) as hooked:  # noqa: PT011 - as above
            call()
        return plain.value, hooked.value


class CookieContract(TransportContract):
    """The claims on a client that keeps cookies."""

    def test_a_cookie_of_a_miss_is_kept_by_the_client(self) -> None:
        with self.scene(TeeGate()) as (server, caller):
            url = server.script("/v1/x", Script(headers=(("Set-Cookie", "a=1; Path=/"),)))
            for _ in range(2):
                caller.request("POST", url, body=b"{}")

            assert [r.header("cookie") for r in server.received] == [None, "a=1"]

    def test_a_cookie_of_a_hit_is_kept_by_the_client(self) -> None:
        headers = (("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/"))
        with LoopbackServer() as server, self.caller() as caller:
            with self.hooked(HitGate(Response(status=200, headers=headers, chunks=(b"{}",)))):
                caller.request("POST", server.url + "/v1/x", body=b"{}")
            caller.request("POST", server.url + "/v1/x", body=b"{}")

            sent = server.received[0].header("cookie") or ""
            assert sorted(sent.split("; ")) == ["a=1", "b=2"]


_Place = tuple[object, str]


def _wire(received: Received) -> tuple[str, str, Headers, bytes]:
    return received.method, received.target, received.headers, received.body


def _attributes(packages: tuple[str, ...]) -> dict[_Place, object]:
    """Return every attribute of every module and class of *packages*."""
    modules = [m for n, m in tuple(sys.modules.items()) if n.partition(".")[0] in packages]
    classes = [c for m in modules for c in tuple(vars(m).values()) if isinstance(c, type)]
    own = [c for c in classes if c.__module__.partition(".")[0] in packages]
    return {(o, n): v for o in (*modules, *own) for n, v in tuple(vars(o).items())}


def _differences(before: dict[_Place, object], after: dict[_Place, object]) -> list[_Place]:
    return [p for p in before.keys() | after.keys() if before.get(p) is not after.get(p)]


def _wrapped(place: _Place) -> object:
    """Put a wrapper on top of what is at *place*, as a tracer does."""
    owner, name = place
    inner = vars(owner)[name]
    assert isinstance(inner, FunctionType), f"{name} is no function: say how to patch on top of it"

    @functools.wraps(inner)
    def top(*args: object, **kwargs: object) -> object:
        return inner(*args, **kwargs)

    setattr(owner, name, top)
    return top
