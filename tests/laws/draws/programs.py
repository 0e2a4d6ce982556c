"""Programs whose pieces of work begin with one question and then part ways: `python programs.py JSON`.

Run by test_replay.py in processes of their own. The argument says where the provider is, in which
session to run, how many workers the pools have, and which schedule to follow; standard output gets
what every piece of work of every program was told.

At the head of the file everything is installed, so that spawned workers are in the session too.
"""

from __future__ import annotations

import asyncio
import functools
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing.pool import ThreadPool
from typing import Any

import openai

import cachesaver

TOLD: dict[str, Any] = json.loads(sys.argv[1])
PIECES = range(4)
WORKERS: int = TOLD["workers"]
OpenAI: Any = openai.OpenAI
AsyncOpenAI: Any = openai.AsyncOpenAI

cachesaver.install(
    TOLD["namespace"], store=TOLD["store"], mode=TOLD["mode"], strict=True, quiet=True
)

Said = tuple[int, str, str]


def pause(program: str, piece: int) -> float:
    """How long *piece* dawdles before it asks anything; another schedule makes another order."""
    return random.Random(f"{TOLD['seed']} {program} {piece}").uniform(0, 0.08)  # noqa: S311


def asking(text: str) -> Any:
    return {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]}


def text_of(answer: Any) -> str:
    text: str = answer.choices[0].message.content
    return text


@functools.cache
def client_of(process: int) -> Any:
    del process  # a fork must not write into its parent's connections
    return OpenAI(base_url=TOLD["url"], api_key="k", max_retries=0)


def work(program: str, piece: int) -> Said:
    """Ask what all pieces ask, and then one's own question about the answer."""
    time.sleep(pause(program, piece))
    create = client_of(os.getpid()).chat.completions.create
    first = text_of(create(**asking(f"{program}: an idea?")))
    return piece, first, text_of(create(**asking(f"piece {piece}: what of {first}")))


def work_of(pair: tuple[str, int]) -> Said:
    return work(*pair)


async def awork(program: str, piece: int, sleep: Callable[[float], Awaitable[None]]) -> Said:
    await sleep(pause(program, piece))
    async with AsyncOpenAI(base_url=TOLD["url"], api_key="k", max_retries=0) as client:
        create = client.chat.completions.create
        first = text_of(await create(**asking(f"{program}: an idea?")))
        return piece, first, text_of(await create(**asking(f"piece {piece}: what of {first}")))


# --- threads


def threads(name: str) -> Iterable[Said]:
    said = list[Said]()

    def run(piece: int) -> None:
        said.append(work(name, piece))

    _run_threads(run)
    return said


def threads_with_loops(name: str) -> Iterable[Said]:
    said = list[Said]()

    def run(piece: int) -> None:
        async def main() -> list[Said]:
            pieces = (10 * piece + each for each in range(2))
            return await asyncio.gather(*(awork(name, each, asyncio.sleep) for each in pieces))

        said.extend(asyncio.run(main()))

    _run_threads(run)
    return said


def threads_that_ask_a_loop(name: str) -> Iterable[Said]:
    said = list[Said]()

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def run(piece: int) -> None:
            time.sleep(pause(name, piece + 100))
            asked = asyncio.run_coroutine_threadsafe(awork(name, piece, asyncio.sleep), loop)
            said.append(asked.result())

        await asyncio.to_thread(_run_threads, run)

    asyncio.run(main())
    return said


def _run_threads(run: Callable[[int], None]) -> None:
    started = [threading.Thread(target=run, args=(piece,)) for piece in PIECES]
    for each in started:
        each.start()
    for each in started:
        each.join()


# --- pools of threads


def pool_submit(name: str) -> Iterable[Said]:
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(work, name, piece) for piece in PIECES]
        return [job.result() for job in as_completed(jobs)]


def pool_map(name: str) -> Iterable[Said]:
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(work, [name] * len(PIECES), PIECES))


def pool_of_loops(name: str) -> Iterable[Said]:
    def run(piece: int) -> Said:
        return asyncio.run(awork(name, piece, asyncio.sleep))

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(run, PIECES))


def to_thread(name: str) -> Iterable[Said]:
    async def main() -> list[Said]:
        return await asyncio.gather(*(asyncio.to_thread(work, name, piece) for piece in PIECES))

    return asyncio.run(main())


def in_executor(name: str) -> Iterable[Said]:
    import uvloop

    async def main() -> list[Said]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = [loop.run_in_executor(pool, work, name, piece) for piece in PIECES]
            return await asyncio.gather(*jobs)

    return uvloop.run(main())


def thread_pool_map(name: str) -> Iterable[Said]:
    with ThreadPool(WORKERS) as pool:
        return pool.map(work_of, [(name, piece) for piece in PIECES])


def thread_pool_unordered(name: str) -> Iterable[Said]:
    with ThreadPool(WORKERS) as pool:
        return list(pool.imap_unordered(work_of, ((name, piece) for piece in PIECES)))


def thread_pool_apply(name: str) -> Iterable[Said]:
    with ThreadPool(WORKERS) as pool:
        jobs = [pool.apply_async(func=work, args=(name, piece)) for piece in PIECES]
        return [job.get() for job in jobs]


# --- pools of processes


FORKING = multiprocessing.get_context("fork")


def process_submit(name: str) -> Iterable[Said]:
    with ProcessPoolExecutor(WORKERS, mp_context=FORKING) as pool:
        jobs = [pool.submit(work, name, piece) for piece in PIECES]
        return [job.result() for job in as_completed(jobs)]


def process_map(name: str) -> Iterable[Said]:
    with ProcessPoolExecutor(WORKERS, mp_context=FORKING) as pool:
        size = max(1, len(PIECES) // WORKERS)
        return list(pool.map(work, [name] * len(PIECES), PIECES, chunksize=size))


def worker_map(name: str, method: str) -> Iterable[Said]:
    workers = WORKERS if method == "fork" else min(WORKERS, 2)  # each imports everything
    with multiprocessing.get_context(method).Pool(workers) as pool:
        return pool.starmap(work, [(name, piece) for piece in PIECES])


def worker_unordered(name: str) -> Iterable[Said]:
    with FORKING.Pool(WORKERS, maxtasksperchild=1) as pool:
        return list(pool.imap_unordered(work_of, [(name, piece) for piece in PIECES]))


# --- tasks


def gather(name: str) -> Iterable[Said]:
    async def main() -> Sequence[Said]:
        return await asyncio.gather(*(awork(name, piece, asyncio.sleep) for piece in PIECES))

    return asyncio.run(main())


def trio_nursery(name: str) -> Iterable[Said]:
    import trio

    said = list[Said]()

    async def piece_of_work(piece: int) -> None:
        said.append(await awork(name, piece, trio.sleep))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for piece in PIECES:
                nursery.start_soon(piece_of_work, piece)

    trio.run(main)
    return said


def trio_threads(name: str) -> Iterable[Said]:
    import trio

    said = list[Said]()

    async def piece_of_work(piece: int) -> None:
        said.append(await trio.to_thread.run_sync(work, name, piece))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for piece in PIECES:
                nursery.start_soon(piece_of_work, piece)

    trio.run(main)
    return said


def anyio_threads(name: str, backend: str) -> Iterable[Said]:
    import anyio.to_thread

    said = list[Said]()

    async def piece_of_work(piece: int) -> None:
        said.append(await anyio.to_thread.run_sync(work, name, piece))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                group.start_soon(piece_of_work, piece)

    anyio.run(main, backend=backend)
    return said


def anyio_tasks(name: str, backend: str) -> Iterable[Said]:
    import anyio

    said = list[Said]()

    async def piece_of_work(piece: int) -> None:
        said.append(await awork(name, piece, anyio.sleep))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for piece in PIECES:
                group.start_soon(piece_of_work, piece)

    anyio.run(main, backend=backend)
    return said


PROGRAMS: dict[str, Callable[[str], Iterable[Said]]] = {
    "threads": threads,
    "threads that each run a loop": threads_with_loops,
    "threads that ask one loop": threads_that_ask_a_loop,
    "ThreadPoolExecutor.submit": pool_submit,
    "ThreadPoolExecutor.map": pool_map,
    "ThreadPoolExecutor of loops": pool_of_loops,
    "asyncio.to_thread": to_thread,
    "run_in_executor on uvloop": in_executor,
    "ThreadPool.map": thread_pool_map,
    "ThreadPool.imap_unordered": thread_pool_unordered,
    "ThreadPool.apply_async": thread_pool_apply,
    "ProcessPoolExecutor.submit": process_submit,
    "ProcessPoolExecutor.map": process_map,
    "Pool.starmap, forked": functools.partial(worker_map, method="fork"),
    "Pool.starmap, spawned": functools.partial(worker_map, method="spawn"),
    "Pool.starmap, by the fork server": functools.partial(worker_map, method="forkserver"),
    "Pool.imap_unordered, forked": worker_unordered,
    "asyncio.gather": gather,
    "trio.Nursery": trio_nursery,
    "trio.to_thread": trio_threads,
    "anyio.to_thread on asyncio": functools.partial(anyio_threads, backend="asyncio"),
    "anyio.to_thread on trio": functools.partial(anyio_threads, backend="trio"),
    "anyio.TaskGroup on asyncio": functools.partial(anyio_tasks, backend="asyncio"),
    "anyio.TaskGroup on trio": functools.partial(anyio_tasks, backend="trio"),
}


def main() -> None:
    told: dict[str, object] = {}
    for name in TOLD["programs"]:
        try:
            told[name] = {str(piece): said for piece, *said in PROGRAMS[name](name)}
        except Exception as error:  # noqa: BLE001  # told to the test, which fails
            told[name] = f"{type(error).__name__}: {error}"
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
