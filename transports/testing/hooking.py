"""What hooking touches, sees and puts back."""

# ruff: noqa: S101, D102, PLR2004 - these are tests: they assert, and the name is the claim

from __future__ import annotations

import functools
import sys
import threading
from types import FunctionType

from cachesaver.exchange import Response
from cachesaver.transports.gates import FakeGate, HitGate, RefusingGate
from cachesaver.transports.loopback import LoopbackServer
from cachesaver.transports.testing.callers import Answer
from cachesaver.transports.testing.scenes import Contract

__all__ = ["Hooking"]


class Hooking(Contract):
    """What hooking touches, sees and puts back."""

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


_Place = tuple[object, str]


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
