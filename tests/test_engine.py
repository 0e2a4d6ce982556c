"""Carrying effects out: the blocking and the async half do the same, and nothing stays held."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from typing import Any, TypeVar

import pytest
import trio

from cachesaver import engine as engines
from cachesaver import leases
from cachesaver.batching import Errand, Hand, Lead, Seat
from cachesaver.contexts import is_inside
from cachesaver.effects import (
    Acquire,
    Deal,
    Effect,
    Fill,
    Poll,
    Read,
    Release,
    Send,
    Steps,
    Together,
    Wait,
)
from cachesaver.engine import Engine, Line
from cachesaver.errors import StoreError
from cachesaver.exchange import AsyncReply, Reply, Request, Response, Sample
from cachesaver.ports import AsyncSend, Grant, Policy, Run
from cachesaver.ports import Send as BlockingSend
from cachesaver.stores.memory import MemoryStore
from faulty import FailingStore, SlowStore

T = TypeVar("T")

ME = "me"
RUN, OTHER = Run(id="r", namespace="ns"), Run(id="r", namespace="other")
SLOT = ("f", 0)
REQUEST = Request(method="POST", url="https://x.test/")
HEAD = (("x-head", "1"),)
SAMPLE = Sample(response=Response(status=200, chunks=(b"a", b"b")), draw="d")


class Connection:
    """A way to a provider that answers "ab" in two chunks; what happens to it is noted."""

    def __init__(self) -> None:
        self.inside: list[bool] = []
        self.closed = 0
        self.fault: BaseException | None = None
        self.broken: BaseException | None = None

    @property
    def line(self) -> Line[BlockingSend]:
        return Line(self.send)

    @property
    def aline(self) -> Line[AsyncSend]:
        return Line(self.asend)

    def send(self, request: Request) -> Reply:
        self._sent()
        chunks = self._chunks()
        return Reply(status=201, headers=HEAD, chunks=chunks, close=self._close, reason="Made")

    async def asend(self, request: Request) -> AsyncReply:
        self._sent()

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in self._chunks():
                yield chunk

        async def close() -> None:
            self._close()

        return AsyncReply(status=201, headers=HEAD, chunks=chunks(), close=close, reason="Made")

    def _sent(self) -> None:
        self.inside.append(is_inside())
        if self.fault is not None:
            raise self.fault

    def _chunks(self) -> Generator[bytes]:
        yield b"a"
        if self.broken is not None:
            raise self.broken
        yield b"b"

    def _close(self) -> None:
        self.closed += 1


def made(store: MemoryStore | None = None) -> Engine:
    return Engine(store=store or MemoryStore(), owner=ME, complain=_ignore)


def _ignore(error: StoreError) -> None:
    """A session in a bad mood would raise here."""


def blocking(engine: Engine, steps: Steps[T], way: Connection) -> T:
    return engine.run(steps, way.line)


def on_asyncio(engine: Engine, steps: Steps[T], way: Connection) -> T:
    return asyncio.run(engine.arun(steps, way.aline))


def on_trio(engine: Engine, steps: Steps[T], way: Connection) -> T:
    return trio.run(engine.arun, steps, way.aline)


ALL = pytest.mark.parametrize("perform", [blocking, on_asyncio, on_trio])
Perform = Callable[[Engine, Steps[Any], Connection], Any]


def acquire(run: Run = RUN, draws: Sequence[str] = ("d",)) -> Acquire:
    return Acquire(run=run, fingerprint="f", draws=draws, policy=Policy.RESERVE)


def fill(token: str, index: int = 0) -> Fill:
    return Fill(run=RUN, fingerprint="f", index=index, token=token, sample=SAMPLE, question=b"q")


def release(token: str) -> Release:
    return Release(run=RUN, fingerprint="f", index=0, token=token)


def _acquiring(draws: Sequence[str]) -> Steps[tuple[Grant, ...]]:
    return (yield from acquire(OTHER, draws))


def lead_then(*effects: Effect[Any]) -> Steps[Any]:
    """Lead the slot, ask for *effects*, and give the slot up whatever happens."""
    (grant,) = yield from acquire()
    last: Any = grant
    try:
        for effect in effects:
            last = yield from effect
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from release(grant.token)
        raise
    yield from release(grant.token)
    return last


def is_led(engine: Engine) -> bool:
    """Tell whether somebody leads the slot, so that another run could only wait."""
    (grant,) = engine.store.acquire(OTHER, "f", ["x"], owner="else", policy=Policy.RESERVE)
    if grant.token:
        engine.store.release(OTHER, "f", 0, grant.token)
    return not grant.token and grant.sample is None


class TestBothHalves:
    @ALL
    def test_bookkeeping_is_the_stores(self, perform: Perform) -> None:
        engine = made()

        def steps() -> Steps[list[object]]:
            (grant,) = yield from acquire()
            flying = yield from Poll(run=RUN, fingerprint="f", index=0)
            held = engine.flights.landing(SLOT) is not None
            kept = yield from fill(grant.token)
            stored = yield from Poll(run=RUN, fingerprint="f", index=0)
            return [grant.index, flying, held, kept, stored.sample]

        seen = perform(engine, steps(), Connection())

        assert seen == [0, Grant(index=0), True, SAMPLE, SAMPLE]
        assert engine.flights.landing(SLOT) is None

    @ALL
    def test_a_request_is_sent_inside_and_read_to_its_end(self, perform: Perform) -> None:
        way = Connection()

        def steps() -> Steps[Response]:
            reply = yield from Send(request=REQUEST)
            assert reply.sent > 0
            return (yield from Read(reply=reply))

        response = perform(made(), steps(), way)

        assert (response.status, response.headers, response.reason) == (201, HEAD, "Made")
        assert response.chunks == (b"a", b"b")
        assert response.offsets == tuple(sorted(response.offsets))
        assert (way.inside, way.closed, is_inside()) == ([True], 1, False)

    @ALL
    @pytest.mark.parametrize("moment", ["send", "read"])
    def test_the_clients_error_is_the_very_one_and_known_as_its_own(
        self, perform: Perform, moment: str
    ) -> None:
        way, engine, fault = Connection(), made(), ConnectionError("reset")
        way.fault, way.broken = (fault, None) if moment == "send" else (None, fault)
        lines = list[Line[Any]]()

        def noting(steps: Steps[Any], line: Line[Any]) -> Steps[Any]:
            lines.append(line)
            return steps

        def steps() -> Steps[Response]:
            reply = yield from Send(request=REQUEST)
            return (yield from Read(reply=reply))

        with pytest.raises(ConnectionError) as caught:
            _with_line(perform, engine, noting, steps(), way)

        assert caught.value is fault
        assert lines[0].errors == [fault]
        assert way.closed == (moment == "read")

    @ALL
    def test_an_error_of_ours_is_nobodys_else(self, perform: Perform) -> None:
        lines = list[Line[Any]]()

        def noting(steps: Steps[Any], line: Line[Any]) -> Steps[Any]:
            lines.append(line)
            return steps

        def steps() -> Steps[None]:
            yield Effect[None]()

        with pytest.raises(TypeError, match="no one knows how to perform"):
            _with_line(perform, made(), noting, steps(), Connection())

        assert lines[0].errors == []

    @ALL
    def test_steps_may_go_on_after_an_error(self, perform: Perform) -> None:
        way = Connection()
        way.fault = KeyboardInterrupt()

        def steps() -> Steps[str]:
            try:
                yield from Send(request=REQUEST)
            except KeyboardInterrupt:
                return "caught"
            return "not raised"

        assert perform(made(), steps(), way) == "caught"

    @ALL
    def test_another_processs_flight_is_looked_at_again_after_a_while(
        self, perform: Perform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "_PATIENCE", 0.001)
        monkeypatch.setattr(engines, "_GRACE", 3600.0)
        engine = made()
        engine.store.acquire(OTHER, "f", ["d"], owner="another process", policy=Policy.RESERVE)

        def steps() -> Steps[bool]:
            return (yield from Wait(fingerprint="f", index=0))

        assert perform(engine, steps(), Connection())


def _with_line(
    perform: Perform,
    engine: Engine,
    noting: Callable[[Steps[Any], Line[Any]], Steps[Any]],
    steps: Steps[Any],
    way: Connection,
) -> Any:
    """Perform with a line that *noting* gets to see."""
    if perform is blocking:
        line: Line[Any] = way.line
        return engine.run(noting(steps, line), line)
    line = way.aline
    if perform is on_asyncio:
        return asyncio.run(engine.arun(noting(steps, line), line))
    return trio.run(engine.arun, noting(steps, line), line)


class TestAStoreThatFails:
    @ALL
    @pytest.mark.parametrize("later", [False, True])
    def test_what_was_bought_is_answered_and_the_slot_let_go(
        self, perform: Perform, *, later: bool
    ) -> None:
        """Given a full store, when a sample cannot be kept, then nobody waits for its slot."""
        told = list[StoreError]()
        engine = Engine(store=FailingStore("fill", later=later), owner=ME, complain=told.append)

        def steps() -> Steps[Sample]:
            (grant,) = yield from acquire()
            return (yield from fill(grant.token))

        assert perform(engine, steps(), Connection()) is SAMPLE
        assert [str(error) for error in told] == ["full"]
        assert not is_led(engine)
        assert engine.flights.landing(SLOT) is None

    @ALL
    def test_a_release_that_fails_does_not_hide_why(self, perform: Perform) -> None:
        told, way = list[StoreError](), Connection()
        way.fault = ConnectionError("reset")
        engine = Engine(store=FailingStore("release"), owner=ME, complain=told.append)

        with pytest.raises(ConnectionError, match="reset"):
            perform(engine, lead_then(Send(request=REQUEST)), way)

        assert [str(error) for error in told] == ["gone"]
        assert engine.flights.landing(SLOT) is None

    def test_a_release_that_failed_is_made_when_the_store_can(self) -> None:
        """Given a full disk, when there is room again, then a lease of ours holds nobody up."""
        store = FailingStore("release")
        engine = made(store)
        with contextlib.suppress(ConnectionError):
            blocking(engine, lead_then(), Connection())
        store.where = ()

        (grant,) = blocking(engine, _acquiring(("other",)), Connection())

        assert (grant.index, bool(grant.token)) == (0, True)


class TestLeaving:
    def test_a_cancelled_task_gives_its_slot_up(self) -> None:
        engine = made()

        async def program() -> None:
            sent = asyncio.Event()

            async def send(request: Request) -> AsyncReply:
                sent.set()
                await asyncio.Event().wait()
                raise AssertionError

            task = asyncio.create_task(engine.arun(lead_then(Send(request=REQUEST)), Line(send)))
            await sent.wait()
            assert is_led(engine)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(program())

        assert not is_led(engine)

    @pytest.mark.parametrize("fails", [False, True])
    def test_who_leaves_while_his_sample_is_written_leaves_it_to_the_store(
        self, *, fails: bool
    ) -> None:
        """Given that his slot were free at once, then whoever waits for it would buy it again."""
        store = SlowStore()
        engine = made(store)

        async def program() -> None:
            task = asyncio.create_task(engine.arun(_leading_to_fill(), Connection().aline))
            await asyncio.to_thread(store.asked.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(program())
        assert is_led(engine)
        (store.fail if fails else store.pending)()

        (grant,) = store.acquire(OTHER, "f", ["x"], owner="else", policy=Policy.RESERVE)
        assert (grant.sample, bool(grant.token)) == ((None, True) if fails else (SAMPLE, False))
        assert engine.flights.landing(SLOT) is None

    def test_a_cancelled_trio_task_gives_its_slot_up(self) -> None:
        engine = made()

        async def program() -> None:
            with trio.CancelScope() as scope:

                async def send(request: Request) -> AsyncReply:
                    scope.cancel()
                    await trio.sleep_forever()
                    raise AssertionError

                await engine.arun(lead_then(Send(request=REQUEST)), Line(send))
            assert scope.cancelled_caught

        trio.run(program)

        assert not is_led(engine)

    def test_a_coroutine_closed_in_another_context_gives_its_slot_up(self) -> None:
        """Given a pending task whose loop is gone, when it is collected, then it holds nothing."""
        engine = made()

        async def send(request: Request) -> AsyncReply:
            await _Pause()
            raise AssertionError

        coroutine = engine.arun(lead_then(Send(request=REQUEST)), Line(send))

        async def program() -> None:
            loop = asyncio.get_running_loop()
            held = asyncio.Event()
            loop.call_soon(coroutine.send, None, context=contextvars.Context())
            loop.call_soon(held.set)
            await held.wait()

        asyncio.run(program())
        assert is_led(engine)
        coroutine.close()

        assert not is_led(engine)
        assert not is_inside()

    def test_nothing_is_sent_for_one_who_has_gone(self) -> None:
        """Given steps that would go on after their caller left, then only bookkeeping is done."""
        engine = made()

        def steps() -> Steps[None]:
            yield from acquire()
            try:
                yield from Send(request=REQUEST)
            finally:
                yield from Send(request=REQUEST)

        async def send(request: Request) -> AsyncReply:
            await _Pause()
            raise AssertionError

        coroutine = engine.arun(steps(), Line(send))
        asyncio.run(_started(coroutine))

        with pytest.raises(TypeError, match="no one knows how to perform"):
            coroutine.close()

    def test_what_the_garbage_collector_lost_is_settled_by_the_next_call(self) -> None:
        engine = made()
        (grant,) = engine.run(_just(acquire()), Connection().line)
        engine.settle_later(_just(release(grant.token)))
        assert is_led(engine)

        engine.run(_just(Poll(run=RUN, fingerprint="g", index=0)), Connection().line)

        assert not is_led(engine)

    def test_settling_never_takes_a_lock_of_the_one_who_lost_it(self) -> None:
        """Given a thread that holds the store's and the flights' lock, then losing does not block."""
        store = MemoryStore()
        engine = made(store)

        with store._lock, engine.flights._lock:
            engine.settle_later(_just(release("t")))

        assert engine._later.qsize() == 1


def _leading_to_fill() -> Steps[Sample]:
    (grant,) = yield from acquire()
    try:
        kept = yield from fill(grant.token)
    except GeneratorExit:
        raise  # nobody is left to perform a release
    except BaseException:
        yield from release(grant.token)
        raise
    yield from release(grant.token)
    return kept


class _Pause:
    """Awaited, it waits for nobody."""

    def __await__(self) -> Generator[None]:
        yield


async def _started(coroutine: Any) -> None:
    coroutine.send(None)


def _just(effect: Effect[T]) -> Steps[T]:
    return (yield from effect)


class TestWaiting:
    """One thread or loop leads and another waits: no test here may hang."""

    @ALL
    def test_a_flight_that_lands_in_another_thread_wakes_who_waits(
        self, perform: Perform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "_GRACE", 3600.0)
        engine, waiting = made(), threading.Event()
        led = self._lead_elsewhere(engine, waiting, on_landing=lambda grant: fill(grant.token))

        assert perform(engine, self._wait(waiting), Connection()).sample is SAMPLE
        led.join()

    @ALL
    def test_a_flight_given_up_in_another_thread_wakes_who_waits(
        self, perform: Perform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "_GRACE", 3600.0)
        engine, waiting = made(), threading.Event()
        led = self._lead_elsewhere(engine, waiting, on_landing=lambda grant: release(grant.token))

        assert perform(engine, self._wait(waiting), Connection()).token
        led.join()

    @ALL
    def test_a_leader_lost_to_the_garbage_collector_is_noticed(
        self, perform: Perform, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given a stream nobody holds any more, then one who waits for its slot takes over."""
        monkeypatch.setattr(engines, "_GRACE", 0.001)
        engine, waiting = made(), threading.Event()

        def lead() -> None:
            (grant,) = engine.run(_just(acquire()), Connection().line)
            engine.settle_later(_just(release(grant.token)))

        thread = threading.Thread(target=lead)
        thread.start()
        thread.join()

        assert perform(engine, self._wait(waiting), Connection()).token

    def test_a_loop_that_fills_wakes_another_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engines, "_GRACE", 3600.0)
        store = SlowStore()
        engine, seen = made(store), list[Grant]()

        def lead() -> Steps[Sample]:
            (grant,) = yield from acquire()
            return (yield from fill(grant.token))

        leading = threading.Thread(target=on_asyncio, args=(engine, lead(), Connection()))
        leading.start()
        assert store.asked.wait(10)
        waiting = threading.Event()
        other = threading.Thread(
            target=lambda: seen.append(on_asyncio(engine, self._wait(waiting), Connection()))
        )
        other.start()
        assert waiting.wait(10)
        store.pending()
        leading.join(10)
        other.join(10)

        assert [grant.sample for grant in seen] == [SAMPLE]

    def test_a_fill_that_ends_after_its_loop_breaks_nothing(self) -> None:
        store = SlowStore()
        engine = made(store)

        async def program() -> None:
            task = asyncio.create_task(engine.arun(lead_then(fill("t")), Connection().aline))
            await asyncio.sleep(0)
            assert store.asked.is_set()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(program())
        store.pending()

        assert engine.store.poll("f", 0, owner=ME).sample is SAMPLE

    def test_a_blocking_call_on_a_loops_own_thread_does_not_wait_for_that_loop(self) -> None:
        engine = made()

        async def program() -> bool:
            await engine.arun(_just(acquire()), Connection().aline)
            return engine.run(_just(Wait(fingerprint="f", index=0)), Connection().line)

        assert asyncio.run(program()) is False

    @pytest.mark.parametrize("perform", [on_asyncio, on_trio])
    def test_a_task_does_not_wait_for_what_it_leads_itself(self, perform: Perform) -> None:
        """Given a stream a task has not read yet, when it asks the same elsewhere, then it buys."""

        def steps() -> Steps[bool]:
            yield from acquire()
            return (yield from Wait(fingerprint="f", index=0))

        assert perform(made(), steps(), Connection()) is False

    def test_a_task_waits_for_another_task_of_its_loop(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engines, "_GRACE", 3600.0)
        engine, line = made(), Connection().aline

        async def program() -> Grant:
            (grant,) = await asyncio.create_task(engine.arun(_just(acquire()), line))
            waiting = asyncio.create_task(engine.arun(self._wait(threading.Event()), line))
            await asyncio.sleep(0)
            engine.settle(_just(release(grant.token)))
            return await waiting

        assert asyncio.run(program()).token

    @staticmethod
    def _wait(waiting: threading.Event) -> Steps[Grant]:
        grant = Grant(index=0)
        while not grant.token and grant.sample is None:
            waiting.set()
            assert (yield from Wait(fingerprint="f", index=0))
            grant = yield from Poll(run=RUN, fingerprint="f", index=0)
        return grant

    @staticmethod
    def _lead_elsewhere(
        engine: Engine, waiting: threading.Event, *, on_landing: Callable[[Grant], Effect[Any]]
    ) -> threading.Thread:
        led = threading.Event()

        def lead() -> None:
            line = Connection().line
            (grant,) = engine.run(_just(acquire()), line)
            led.set()
            assert waiting.wait(10)
            engine.run(_just(on_landing(grant)), line)

        thread = threading.Thread(target=lead)
        thread.start()
        assert led.wait(10)
        return thread


def test_an_engine_forgets_flights_that_landed() -> None:
    engine = made()
    for _ in range(3):
        blocking(engine, lead_then(), Connection())
    gc.collect()

    assert engine.flights._up == {}


class TestTheEndOfASession:
    def test_gives_up_what_is_still_held(self) -> None:
        """Given a lease of a stream nobody has read, when the session ends, then others lead."""
        engine = made()
        blocking(engine, _just(acquire()), Connection())
        assert is_led(engine)

        engine.leave()

        assert not is_led(engine)
        assert engine.flights.landing(SLOT) is None


class TestOutliving:
    """A call whose caller is cancelled goes on, and is kept; and is not waited for too long."""

    @staticmethod
    async def _cancelled(
        engine: Engine, line: Line[AsyncSend], steps: Steps[Any], sent: asyncio.Event
    ) -> None:
        task = asyncio.create_task(engine.arun(steps, line))
        await sent.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    @pytest.mark.parametrize("several", [False, True])
    def test_it_is_kept(self, *, several: bool) -> None:
        """*several*: calls are made at the same time for one request."""
        engine, left = made(), list[str]()

        def buying() -> Steps[Sample]:
            (grant,) = yield from acquire()
            reply = yield from Send(request=REQUEST)
            yield from Read(reply=reply)
            return (yield from fill(grant.token))

        def steps() -> Steps[Any]:
            return (yield from Together(parts=(buying(),))) if several else (yield from buying())

        async def program() -> None:
            sent, go, way = asyncio.Event(), asyncio.Event(), Connection()

            async def send(request: Request) -> AsyncReply:
                sent.set()
                await go.wait()
                return await way.asend(request)

            async def discard(outcome: object) -> None:
                left.append(str(type(outcome).__name__))
                go.clear()

            line: Line[AsyncSend] = Line(
                send, outlives=True, left=lambda: left.append("left"), discard=discard
            )
            await asyncio.sleep(0)
            await self._cancelled(engine, line, steps(), sent)
            assert is_led(engine)
            go.set()
            async with asyncio.timeout(20):
                while go.is_set():  # noqa: ASYNC110  # until it is discarded
                    await asyncio.sleep(0.001)

        asyncio.run(program())

        (grant,) = engine.store.acquire(OTHER, "f", ["x"], owner="else", policy=Policy.RESERVE)
        assert grant.sample == SAMPLE
        assert left == ["left", "tuple" if several else "Sample"]
        assert engine._leases.held == {}

    def test_nothing_more_is_begun_for_it(self) -> None:
        engine, begun = made(), list[str]()

        def steps() -> Steps[None]:
            try:
                yield from Send(request=REQUEST)
                yield from Send(request=REQUEST)
            finally:
                begun.append("over")

        async def program() -> None:
            sent, go, way = asyncio.Event(), asyncio.Event(), Connection()

            async def send(request: Request) -> AsyncReply:
                begun.append("sent")
                sent.set()
                await go.wait()
                return await way.asend(request)

            await self._cancelled(engine, Line(send, outlives=True), steps(), sent)
            go.set()
            async with asyncio.timeout(20):
                while "over" not in begun:  # noqa: ASYNC110  # it goes on by itself
                    await asyncio.sleep(0.001)

        asyncio.run(program())

        assert begun == ["sent", "over"]

    @pytest.mark.parametrize("others", [False, True])
    def test_its_lease_is_given_up_in_time_unless_others_wait_for_it(
        self, monkeypatch: pytest.MonkeyPatch, *, others: bool
    ) -> None:
        monkeypatch.setattr(leases, "_GRACE", 0.005)
        monkeypatch.setattr(leases, "_USUAL", 0.005)
        engine, errand = made(), Errand[object](waiting={1} if others else set())
        led = list[bool]()

        async def program() -> None:
            sent = asyncio.Event()

            async def send(request: Request) -> AsyncReply:
                sent.set()
                await asyncio.Event().wait()
                raise AssertionError

            line: Line[AsyncSend] = Line(send, outlives=True, errands=(errand,))
            await self._cancelled(engine, line, lead_then(Send(request=REQUEST)), sent)
            for _ in range(10):  # one after the other: a halt of the loop ends no more than one
                await asyncio.sleep(0.005)
            led.append(is_led(engine))
            errand.waiting.clear()
            async with asyncio.timeout(20):
                while is_led(engine):  # noqa: ASYNC110  # it is looked at now and then
                    await asyncio.sleep(0.005)

        asyncio.run(program())

        assert led == [others]

    def test_who_is_cancelled_at_its_end_takes_nothing_with_it(self) -> None:
        """Given an answer and a cancellation in one turn, then the answer is discarded, too."""
        engine, seen = made(), list[object]()

        def steps() -> Steps[str]:
            yield from Send(request=REQUEST)
            return "answer"

        async def program() -> None:
            way = Connection()

            async def send(request: Request) -> AsyncReply:
                asyncio.get_running_loop().call_soon(task.cancel)
                return await way.asend(request)

            async def discard(outcome: object) -> None:
                seen.append(outcome)

            line: Line[AsyncSend] = Line(
                send, outlives=True, left=lambda: seen.append("left"), discard=discard
            )
            task = asyncio.create_task(engine.arun(steps(), line))
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0)

        asyncio.run(program())

        assert seen == ["left", "answer"]

    def test_a_loop_that_is_gone_holds_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """Given a caller that is collected when its loop has ended, then its lease is given up."""
        engine = made()

        async def send(request: Request) -> AsyncReply:
            await asyncio.Event().wait()
            raise AssertionError

        coroutine = engine.arun(lead_then(Send(request=REQUEST)), Line(send, outlives=True))

        async def program() -> None:
            coroutine.send(None)
            await asyncio.sleep(0)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(program())
        loop.close()
        assert is_led(engine)
        coroutine.close()

        assert not is_led(engine)
        gc.collect()
        assert caplog.messages == []


class TestDealing:
    def test_what_is_dealt_to_who_deals_is_led_through_its_line(self) -> None:
        engine, line = made(), Connection().line
        errand = Errand[object]()
        lead = Lead(index=3, token="t", draw="d", run=RUN, errand=errand)
        alone = Seat(run=RUN, draws=("d",))

        engine.run(_just(Deal(fingerprint="f", seats=(alone,), hands=(Hand(leads=(lead,)),))), line)

        assert line.leases == {"t": ("f", 3)}
        assert line.errands == (errand,)
        assert alone.called.done()

    def test_parts_are_carried_out_one_after_the_other_where_one_blocks(self) -> None:
        way = Connection()

        def part() -> Steps[int]:
            yield from Send(request=REQUEST)
            return len(way.inside)

        def steps() -> Steps[Any]:
            return (yield from Together(parts=(part(), part())))

        assert made().run(steps(), way.line) == (1, 2)
