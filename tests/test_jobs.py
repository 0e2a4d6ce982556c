"""What a thread or a job draws is named by who started it, not by when or in which worker it runs."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import importlib
import itertools
import multiprocessing.pool
import operator
import os
import pickle
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from queue import Queue
from types import ModuleType
from typing import Any

import anyio.to_thread
import pytest
import trio

from cachesaver import contexts, jobs, tasks
from cachesaver.contexts import NAMESPACE, Family, born, here, label
from cachesaver.jobs import POOLS, Each, Job
from cachesaver.places import epoch, outgoing

assert anyio.get_all_backends()
MODULES = [importlib.import_module(name) for name in POOLS]
TRIO: Any = sys.modules["trio._core._thread_cache"]
ANYIO: Any = sys.modules["anyio._backends._asyncio"]
PIECES = range(4)
RUNS = itertools.count()
Names = dict[int, tuple[str, str]]


@pytest.fixture(autouse=True)
def hooked() -> Iterator[Callable[[], None]]:
    """Hook everything; give a function that undoes it, and see that it leaves no trace."""
    before = _attributes()
    undoings = [tasks.hook(each) for each in (asyncio, trio)]
    undoings += [jobs.hook(each) for each in MODULES]

    def undo() -> None:
        for each in undoings:
            each()

    yield undo
    undo()
    assert all(map(operator.is_, _attributes(), before))


def _attributes() -> list[object]:
    return [
        vars(getattr(module, kind))[name]
        for module in MODULES
        for kind, name, _ in POOLS[module.__name__]
    ]


def new_run() -> Family:
    """Count anew what is started, as every session does."""
    epoch.now = f"run of jobs {next(RUNS)}"
    return Family("0")


class Turns:
    """Lets pieces of work that run side by side go on in the order that is asked for."""

    def __init__(self, order: Sequence[int]) -> None:
        self._order = list(order)
        self._changed = threading.Condition()

    def take(self, piece: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._order[0] == piece, timeout=20)

    def done(self, piece: int) -> None:
        with self._changed:
            self._order.remove(piece)
            self._changed.notify_all()


class Work:
    """Asks one question that all pieces ask, then one of its own; notes what the draws are called."""

    def __init__(self, order: Sequence[int]) -> None:
        self.family = new_run()
        self.names: Names = {}
        self.turns = Turns(order)

    def __call__(self, piece: int) -> int:
        self.turns.take(piece)
        (first,) = self.family.draw("all", 1).ids
        (second,) = self.family.draw(f"of {piece}", 1).ids
        self.names[piece] = first, second
        self.turns.done(piece)
        return piece


# --- how a program may start its pieces


def by_threads(work: Work) -> None:
    threads = [threading.Thread(target=work, args=(piece,)) for piece in PIECES]
    _run(threads)


def by_threads_of_a_class(work: Work) -> None:
    class Worker(threading.Thread):
        def __init__(self, piece: int) -> None:
            super().__init__()
            self.piece = piece

        def run(self) -> None:
            work(self.piece)

    _run([Worker(piece) for piece in PIECES])


def by_threads_with_a_context(work: Work) -> None:
    """As OpenTelemetry does it, and Python itself where `thread_inherit_context` is set."""
    contexts = [contextvars.copy_context() for _ in PIECES]
    _run([threading.Thread(target=contexts[piece].run, args=(work, piece)) for piece in PIECES])


def by_timers(work: Work) -> None:
    _run([threading.Timer(0, work, (piece,)) for piece in PIECES])


def by_threads_of_a_task(work: Work) -> None:
    async def main() -> None:
        by_threads(work)

    asyncio.run(main())


def by_threads_that_run_a_loop(work: Work) -> None:
    async def main(piece: int) -> None:
        await asyncio.create_task(nested(piece))

    async def nested(piece: int) -> None:
        work(piece)

    def run(piece: int) -> None:
        asyncio.run(main(piece))

    _run([threading.Thread(target=run, args=(piece,)) for piece in PIECES])


def by_threads_that_run_trio(work: Work) -> None:
    async def main(piece: int) -> None:
        work(piece)

    _run([threading.Thread(target=trio.run, args=(main, piece)) for piece in PIECES])


def _run(threads: Sequence[threading.Thread]) -> None:
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def by_submit(work: Work) -> None:
    with ThreadPoolExecutor(len(PIECES)) as pool:
        for each in [pool.submit(work, piece) for piece in PIECES]:
            each.result()


def by_map(work: Work) -> None:
    with ThreadPoolExecutor(len(PIECES)) as pool:
        assert list(pool.map(work, PIECES)) == list(PIECES)


def by_pool_map(work: Work) -> None:
    with ThreadPool(len(PIECES)) as pool:
        assert pool.map(work, PIECES, chunksize=1) == list(PIECES)


def by_pool_starmap(work: Work) -> None:
    with ThreadPool(len(PIECES)) as pool:
        assert pool.starmap(func=work, iterable=zip(PIECES), chunksize=1) == list(PIECES)


def by_pool_imap(work: Work) -> None:
    with ThreadPool(len(PIECES)) as pool:
        assert list(pool.imap(work, iter(PIECES))) == list(PIECES)


def by_pool_imap_unordered(work: Work) -> None:
    with ThreadPool(len(PIECES)) as pool:
        assert sorted(pool.imap_unordered(func=work, iterable=PIECES)) == list(PIECES)


def by_pool_apply(work: Work) -> None:
    with ThreadPool(len(PIECES)) as pool:
        for each in [pool.apply_async(func=work, args=(piece,)) for piece in PIECES]:
            each.get()


def by_jobs_of_one_task(work: Work) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(len(PIECES)) as pool:
            await asyncio.gather(*(loop.run_in_executor(pool, work, piece) for piece in PIECES))

    asyncio.run(main())


def by_to_thread(work: Work) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(work, piece) for piece in PIECES))

    asyncio.run(main())


def by_trio_threads(work: Work) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for piece in PIECES:
                nursery.start_soon(trio.to_thread.run_sync, work, piece)

    trio.run(main)


def by_anyio_threads(work: Work) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                group.start_soon(anyio.to_thread.run_sync, work, piece)

    anyio.run(main)


def by_loops_in_jobs(work: Work) -> None:
    async def main(piece: int) -> None:
        await asyncio.create_task(nested(piece))

    async def nested(piece: int) -> None:
        work(piece)

    with ThreadPoolExecutor(len(PIECES)) as pool:
        for each in [pool.submit(asyncio.run, main(piece)) for piece in PIECES]:
            each.result()


def by_a_loop_of_another_thread(work: Work) -> None:
    """Given threads that have a loop do their work, each piece in a thread of the loop's pool."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def on_loop(piece: int) -> None:
            with ThreadPoolExecutor(1) as pool:
                await loop.run_in_executor(pool, work, piece)

        def ask(piece: int) -> None:
            work.turns.take(piece)
            asyncio.run_coroutine_threadsafe(on_loop(piece), loop).result()

        asking = [threading.Thread(target=ask, args=(piece,)) for piece in PIECES]
        await asyncio.to_thread(_run, asking)

    asyncio.run(main())


STARTS = [each for name, each in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("start", STARTS, ids=lambda each: each.__name__)
def test_a_piece_of_work_keeps_its_names_whoever_is_first(start: Callable[[Work], None]) -> None:
    names = list[Names]()
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)):
        work = Work(order)
        start(work)
        names.append(work.names)

    assert sorted(names[0]) == list(PIECES)
    assert len({name for both in names[0].values() for name in both}) == 2 * len(PIECES)
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_number_of_workers_changes_no_name(workers: int) -> None:
    many = Work(PIECES)
    by_submit(many)

    few = Work(PIECES)
    with ThreadPoolExecutor(workers) as pool:
        for each in [pool.submit(few, piece) for piece in PIECES]:
            each.result()

    assert few.names == many.names


def test_jobs_that_differ_in_what_they_call_do_not_disturb_each_other() -> None:
    def names(*, with_others: bool) -> list[str]:
        family = new_run()
        with ThreadPoolExecutor(1) as pool:
            drawn = list[str]()
            for _ in range(3):
                if with_others:
                    pool.submit(time.monotonic)
                drawn += pool.submit(_one, family).result()
            return drawn

    assert names(with_others=False) == names(with_others=True)


def test_whether_the_main_thread_has_asked_before_changes_no_name_of_a_job() -> None:
    def name(*, asks_before: bool) -> tuple[str, ...]:
        family = new_run()
        if asks_before:
            family.draw("before", 1)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_one, family).result()

    assert name(asks_before=True) == name(asks_before=False)


def _one(family: Family) -> tuple[str, ...]:
    return family.draw("q", 1).ids


def test_what_carries_its_namespace_along_is_counted_in_it() -> None:
    """Given one program in two namespaces of one run, then its `to_thread` jobs have one set of names."""

    async def program(family: Family) -> list[tuple[str, ...]]:
        return await asyncio.gather(*(asyncio.to_thread(_one, family) for _ in range(3)))

    async def direct(family: Family) -> list[tuple[str, ...]]:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context
        calls: Any = [functools.partial(context().run, _one, family) for _ in range(3)]
        return list(await asyncio.gather(*(loop.run_in_executor(None, call) for call in calls)))

    async def main() -> list[object]:
        new_run()
        said = list[object]()
        for name in ("a", "b"):
            NAMESPACE.set(name)
            said.append((await program(Family("0")), await direct(Family("0"))))
        return said

    one, other = asyncio.run(main())

    assert one == other


class SlowToHash(str):
    """Lets other threads run while a dictionary looks for it."""

    __slots__ = ()

    def __hash__(self) -> int:
        time.sleep(0)
        return super().__hash__()


def test_a_place_shared_by_threads_counts_each_start_once() -> None:
    """Given threads that start things from one place at a time, then no number is given twice."""
    new_run()
    place, numbers = here(), list[int | None]()

    def start() -> None:
        for _ in range(200):
            numbers.append(place.born(SlowToHash("x"), scope=None, is_ordered=True).number)

    _run([threading.Thread(target=start) for _ in range(8)])

    assert sorted(number for number in numbers if number is not None) == list(range(1600))


# --- processes


class TestJobsForOtherProcesses:
    def test_a_job_has_its_name_in_whichever_worker(self) -> None:
        new_run()
        job = pickle.dumps(Job(born("f", scope=None).own(), _one))

        drawn = [pickle.loads(job)(Family(slot)) for slot in ("0/1", "0/2")]  # noqa: S301  # ours

        assert drawn[0] == drawn[1]

    def test_jobs_are_told_apart_and_told_again(self) -> None:
        def names() -> list[str]:
            new_run()
            epoch.slot = lambda: "0"
            return [outgoing(born("f", scope=None)).fixed for _ in range(3)]

        first = names()

        assert first == names()
        assert len(set(first)) == 3

    def test_processes_do_not_name_their_jobs_alike(self) -> None:
        def name(slot: str) -> str:
            new_run()
            epoch.slot = lambda: slot
            return outgoing(born("f", scope=None)).fixed

        assert name("rank 0") != name("rank 1")
        epoch.slot = str

    def test_the_items_of_a_map_are_told_apart(self) -> None:
        new_run()
        each = pickle.loads(pickle.dumps(Each(born("f", scope=None).own(), _one)))  # noqa: S301

        drawn = [each((number, Family("0"))) for number in (0, 1, 1)]

        assert drawn[1] == drawn[2] != drawn[0]

    def test_what_a_job_submits_again_is_named_below_it(self) -> None:
        new_run()
        job = Job(outgoing(born("f", scope=None)), lambda: outgoing(born("g", scope=None)).fixed)

        assert job() != job.place.fixed


class TestPoolsOfProcessesDoAsBefore:
    """Results, errors and options of a pool are what they are without us."""

    def test_an_executor(self) -> None:
        with ProcessPoolExecutor(2, initializer=_prepare, initargs=(5,)) as pool:
            assert pool.submit(divmod, 7, 2).result() == (3, 1)
            assert pool.submit(int, "11", base=2).result() == 3
            assert list(pool.map(pow, [2, 3], [3, 2, 1], chunksize=2)) == [8, 9]
            assert list(pool.map(pow)) == []
            assert pool.submit(_prepared).result() == 5

    def test_its_errors(self) -> None:
        with ProcessPoolExecutor(1) as pool:
            with pytest.raises(ZeroDivisionError, match="by zero"):
                pool.submit(divmod, 1, 0).result()
            with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
                pool.submit(lambda: 1).result()
            with pytest.raises(TypeError, match="not callable"):
                pool.submit(5).result()  # type: ignore[arg-type]

    @pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
    def test_a_pool(self, method: str) -> None:
        context: Any = multiprocessing.get_context(method)
        with context.Pool(1, _prepare, (5,), maxtasksperchild=1) as pool:
            assert pool.apply(divmod, (7, 2)) == (3, 1)
            assert pool.apply_async(func=int, args=("11",), kwds={"base": 2}).get() == 3
            assert pool.map(abs, [-1, 2], chunksize=2) == [1, 2]
            # Without a size of chunks it divides by its workers, and there may be none at the moment.
            assert pool.starmap(pow, iter([(2, 3), (3, 2)]), chunksize=1) == [8, 9]
            assert list(pool.imap(abs, iter([-1, 2]), chunksize=2)) == [1, 2]
            assert sorted(pool.imap_unordered(abs, [-1, 2])) == [1, 2]
            with pytest.raises(ZeroDivisionError):
                pool.apply(divmod, (1, 0))
            with pytest.raises(TypeError, match="not iterable"):
                pool.map(abs, 5)
            with pytest.raises(TypeError, match="not iterable"):
                list(pool.imap(abs, 5))

    def test_callbacks_and_an_unknown_mapper(self) -> None:
        told = list[object]()
        with ThreadPool(1) as pool:
            pool.map_async(abs, [-1], callback=told.append).wait()
            assert pool._map_async(abs, [-1], _twice).get() == [2]  # type: ignore[attr-defined]

        assert told == [[1]]


def _twice(job: tuple[Callable[[Any], Any], Sequence[Any]]) -> list[Any]:
    function, items = job
    return [2 * function(item) for item in items]


_PREPARED = list[int]()


def _prepare(number: int) -> None:
    _PREPARED.append(number)


def _prepared() -> int:
    return _PREPARED[0]


# --- staying out of the way


_TRACER = """
def carrying(original_func):
    def wrapped_func(*args):
        return original_func(*args)
    return wrapped_func
"""


def _as_it_is(job: Any) -> Any:
    return job


def test_a_tracer_may_come_around_jobs_at_any_time(hooked: Callable[[], None]) -> None:
    """Given OpenTelemetry's wrapper around a job, or none yet, then its draws are called the same."""
    tracer: dict[str, Any] = {"__name__": "opentelemetry.instrumentation.threading"}
    exec(_TRACER, tracer)  # noqa: S102  # a module of that name, as far as its functions can tell
    works = Work([0]), Work([0])
    carriers: list[Callable[[Any], Any]] = [_as_it_is, tracer["carrying"]]

    for work, carrying in zip(works, carriers, strict=True):
        new_run()
        with ThreadPoolExecutor(1) as pool:
            context = contextvars.copy_context()
            pool.submit(carrying(context.run), work, 0).result()

    assert works[0].names == works[1].names


def test_what_was_submitted_before_we_left_simply_runs(hooked: Callable[[], None]) -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:
        pool.submit(gate.wait)
        waiting = pool.submit(divmod, 7, 2), other.map_async(abs, [-1])
        hooked()
        gate.set()

        assert (waiting[0].result(), waiting[1].get()) == ((3, 1), [1])


def test_after_we_left_under_another_patch_nothing_is_named(hooked: Callable[[], None]) -> None:
    """Given somebody who has patched on top, when we leave, then our layers only pass on."""

    class Kept:
        start = threading.Thread.start
        submit = ThreadPoolExecutor.submit
        imap = ThreadPool.imap
        apply_async = ThreadPool.apply_async
        map_async = vars(multiprocessing.pool.Pool)["_map_async"]
        process_submit = ProcessPoolExecutor.submit
        process_map = ProcessPoolExecutor.map
        start_soon = TRIO.ThreadCache.start_thread_soon
        in_worker = ANYIO.AsyncIOBackend.run_sync_in_worker_thread

    hooked()
    new_run()

    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as threads, ProcessPoolExecutor(1) as away:
        assert Kept.submit(pool, divmod, 7, 2).result() == (3, 1)
        assert list(Kept.imap(threads, abs, [-1])) == [1]
        assert Kept.apply_async(threads, abs, (-1,)).get() == 1
        assert Kept.map_async(threads, abs, [-1], multiprocessing.pool.mapstar).get() == [1]  # type: ignore[attr-defined]
        assert Kept.process_submit(away, abs, -1).result() == 1
        assert list(Kept.process_map(away, abs, [-1])) == [1]
    thread = threading.Thread(target=int)
    Kept.start(thread)
    thread.join()
    delivered = Queue[object]()
    Kept.start_soon(TRIO.THREAD_CACHE, int, delivered.put)
    assert delivered.get(timeout=20)

    async def main() -> int:
        return int(await Kept.in_worker(abs, (-1,)))

    assert anyio.run(main) == 1
    assert (epoch.now, epoch.forks) not in here()._started


def test_a_pool_of_interpreters_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a pool whose jobs run where no session is, then they travel as they are."""

    class InterpreterPoolExecutor(ThreadPoolExecutor):
        pass

    module: Any = ModuleType("concurrent.futures.interpreter")
    module.InterpreterPoolExecutor = InterpreterPoolExecutor
    monkeypatch.setitem(sys.modules, module.__name__, module)
    new_run()

    with InterpreterPoolExecutor(1) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)

    assert not any(name == "divmod" for name, _ in here()._counts())


def test_a_module_that_lacks_a_method_is_not_hooked_by_half(hooked: Callable[[], None]) -> None:
    hooked()
    module: Any = ModuleType("multiprocessing.pool")

    class Pool:
        def apply_async(self) -> None: ...

    module.Pool = Pool
    before = dict(vars(Pool))

    with pytest.raises(AttributeError, match="_map_async"):
        jobs.hook(module)

    assert dict(vars(Pool)) == before


def test_anyio_before_4_which_has_no_class_for_it_is_hooked_as_well() -> None:
    """Given a module whose own function runs jobs, then each has a place, until that is undone."""
    module: Any = ModuleType(ANYIO.__name__)
    ran = list[Any]()

    async def run_sync_in_worker_thread(func: Any, *args: Any, limiter: object) -> Any:
        ran.append(func)
        return func(*args)

    async def run() -> None:
        for _ in range(2):
            assert await module.run_sync_in_worker_thread(divmod, 7, 2, limiter=None) == (3, 1)

    module.run_sync_in_worker_thread = run_sync_in_worker_thread
    undo = jobs.hook(module)
    anyio.run(run)
    undo()
    anyio.run(run)

    assert module.run_sync_in_worker_thread is run_sync_in_worker_thread
    assert [type(each) for each in ran] == [Job, Job, type(divmod), type(divmod)]
    assert ran[0].place is not ran[1].place


def test_a_thread_that_was_started_is_told_so() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()

    with pytest.raises(RuntimeError, match="once"):
        thread.start()


def test_a_worker_keeps_nothing_of_a_finished_job() -> None:
    def place(inner: ThreadPoolExecutor) -> weakref.ref[Any]:
        inner.submit(int).result()  # its worker is started by this job
        return weakref.ref(here())

    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(1) as inner:
        reference = pool.submit(place, inner).result()
        pool.submit(int).result()  # so that the worker has let go of the first one
        gc.collect()

        assert reference() is None


def test_a_place_that_starts_things_for_ever_does_not_grow() -> None:
    def kept() -> int:
        place = here()
        return sum(map(len, place._started.values())) + len(place.unasked)

    sizes = list[int]()
    for _ in range(20):
        family = new_run()
        for _ in range(20):
            _run([threading.Thread(target=_one, args=(family,))])
        sizes.append(kept())
        family.is_over = True

    assert sizes[-1] == sizes[1]


def test_an_error_has_its_own_traceback() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with ThreadPoolExecutor(1) as pool, pytest.raises(ZeroDivisionError) as caught:
        pool.submit(fail).result()

    assert caught.traceback[-1].name == "fail"


def test_a_job_inside_a_job_leaves_the_outer_one_as_it_was() -> None:
    new_run()
    inner = Job(born("inner", scope=None).own(), here)

    def outer() -> Generator[object]:
        yield here()
        yield inner()
        yield here()

    place = born("outer", scope=None).own()

    assert Job(place, lambda: list(outer()))() == [place, inner.place, place]


_ANY: Any = _one


@pytest.mark.parametrize(
    ("function", "args", "expected"),
    [
        (int, (), "int"),
        (functools.partial(functools.partial(_ANY), 1), (), "_one"),
        (functools.partial(contextvars.Context().run, _ANY), (1,), "_one"),
        (contextvars.Context().run, (_one, 1), "_one"),
        (contextvars.Context().run, (), "Context.run"),
        (operator.itemgetter(1), (), "itemgetter"),
        (5, (), "int"),
    ],
)
def test_a_job_is_called_after_what_it_calls(
    function: object, args: tuple[object, ...], expected: str
) -> None:
    assert label(function, args) == (expected, None)


# --- forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_may_draw_though_a_thread_of_its_parent_held_our_locks() -> None:
    from cachesaver import lineage, places

    family = new_run()
    with places._lock, lineage._lock:
        pid = os.fork()
        if pid == 0:
            born("f", scope=None)
            _one(family)
            os._exit(0)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(pid, 9)
        time.sleep(0.01)

    assert ended == (pid, 0)


def test_a_child_counts_anew_what_it_starts() -> None:
    """Given a fork that any number of starts came before, then what the child starts is its first."""
    new_run()
    assert born("f", scope=None).number == 0

    contexts._in_child()

    assert born("f", scope=None).number == 0


def test_a_thread_that_was_made_wrongly_says_so_as_ever(hooked: Callable[[], None]) -> None:
    class Wrong(threading.Thread):
        def __init__(self) -> None:
            """Forget the thread's own."""

    with pytest.raises(RuntimeError, match="not called"):
        Wrong().start()


def test_a_callable_that_tells_nothing_of_itself_is_called_all_the_same() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("bound to nothing")

        def __call__(self) -> str:
            return "called"

    assert label(Proxy()) == (Proxy.__qualname__, None)
