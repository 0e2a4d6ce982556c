"""One worker process of a program: it asks what its plan says, and writes down what it got.

A line of its log is written and synced as soon as an answer has come in whole, so that what is in
the log is what the caller had when the process was killed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai

import cachesaver
from loads.plans import Ask, Group, Plan, plan
from loads.texts import OPENAI, Path_, body_of, read_answer

__all__ = ["CALLER", "Job", "perform"]

CALLER = "x-load-caller"
"""Header that says who asks: `NAME/NUMBER`, another number for each call."""

_TRIES = 8

_PATIENCE = 0.03
"""Seconds."""

_NO_TLS = False
"""The provider is on a loopback socket; reading the certificates takes longer than most lives."""

_OpenAI: Any = openai.OpenAI
_AsyncOpenAI: Any = openai.AsyncOpenAI


class BrokenOffError(Exception):
    """An answer that is an error, or no answer to the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker process is to do; survives JSON.

    Attributes:
        name: Unique among all processes of a season.
        namespace: In which it draws.
        run: Id of the run to join; empty for one of its own.
        rank: Which worker of the plan it is.
        seed, workers, questions, size, leaving: Of the plan.
        folder: Where its log goes, `NAME.log`.
    """

    name: str
    namespace: str
    run: str
    rank: int
    seed: int
    workers: int
    questions: int
    size: int
    leaving: float
    url: str
    store: str
    folder: str

    @property
    def plan(self) -> Plan:
        """The program it belongs to."""
        return plan(
            self.seed,
            self.workers,
            questions=self.questions,
            size=self.size,
            leaving=self.leaving,
        )


def perform(job: Job) -> None:
    """Do *job* from beginning to end, in this process, which has installed nothing before."""
    os.environ["RANK"] = str(job.rank)
    with cachesaver.install(
        job.namespace, store=job.store, run=job.run or None, quiet=True, strict=True
    ):
        _Worker(job).work()


@dataclass(slots=True, eq=False)
class _Worker:
    job: Job
    log: int = field(init=False)
    number: itertools.count[int] = field(default_factory=itertools.count)
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def __post_init__(self) -> None:
        path = Path(self.job.folder) / f"{self.job.name}.log"
        self.log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def work(self) -> None:
        """Run the threads and, beside them, the tasks."""
        job = self.job
        with (
            _OpenAI(base_url=f"{job.url}/v1", api_key="k") as client,
            httpx.Client(base_url=job.url, timeout=60, verify=_NO_TLS) as raw,
        ):
            blocking = _Blocking(self, client, raw)
            threads = [
                threading.Thread(target=blocking.run, args=(group, clone))
                for group in job.plan.threads[job.rank]
                for clone in range(group.clones)
            ]
            for thread in threads:
                thread.start()
            try:
                asyncio.run(_tasks(self))
            finally:
                for thread in threads:
                    thread.join()
        if self.failures:
            raise self.failures[0]
        self.note({"done": True})

    def note(self, line: dict[str, Any]) -> None:
        """Write *line* down for good."""
        os.write(self.log, json.dumps(line).encode() + b"\n")
        os.fsync(self.log)

    def got(self, call: _Call, texts: list[str]) -> None:
        """Write down what was answered."""
        self.note(
            {
                "path": call.path,
                "place": call.place,
                "question": call.ask.question,
                "caller": call.headers[CALLER],
                "texts": texts,
            }
        )

    def call(self, path: Path_, place: int, ask: Ask) -> _Call:
        """Return the call that *ask* is; *place*: its number in the asks of the thread or task."""
        headers = {CALLER: f"{self.job.name}/{next(self.number)}"}
        if ask.fault:
            headers["x-rehearsal-fault"] = ask.fault
        return _Call(path=path, place=place, ask=ask, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    path: Path_
    place: int
    ask: Ask
    headers: dict[str, str]

    @property
    def sdk(self) -> dict[str, Any]:
        """Arguments for the SDK."""
        return {**body_of(self.ask), "extra_headers": self.headers}

    @property
    def raw(self) -> dict[str, Any]:
        """Arguments for httpx."""
        if self.ask.question.startswith("claude"):
            headers = {**self.headers, "anthropic-version": "2023-06-01", "x-api-key": "k"}
            return {"url": "/v1/messages", "json": body_of(self.ask), "headers": headers}
        headers = {**self.headers, "authorization": "Bearer k"}
        return {"url": OPENAI, "json": body_of(self.ask), "headers": headers}


_PASSING = (openai.OpenAIError, httpx.HTTPError, BrokenOffError)
"""What a program tries again after."""


@dataclass(slots=True, eq=False)
class _Blocking:
    worker: _Worker
    client: Any
    http: httpx.Client

    def run(self, group: Group, clone: int) -> None:
        """Ask what a clone of *group* asks."""
        try:
            for place, ask in enumerate(group.asks):
                call = self.worker.call(((group.name, clone),), place, ask)
                self.worker.got(call, self._answer(call))
        except BaseException as error:  # noqa: BLE001  # told where the threads are joined
            self.worker.failures.append(error)

    def _answer(self, call: _Call) -> list[str]:
        for last in range(1, _TRIES + 1):
            try:
                return self._once(call)
            except _PASSING:
                if last == _TRIES:
                    raise
                time.sleep(0.01)
        raise AssertionError

    def _once(self, call: _Call) -> list[str]:
        if call.ask.client == "openai":
            answer = self.client.chat.completions.create(**call.sdk)
            return _streamed(list(answer)) if call.ask.stream else _whole(answer)
        answer = self.http.post(**call.raw)
        if answer.is_error:
            raise BrokenOffError(answer.text)
        return read_answer(answer.headers["content-type"], answer.content)


async def _tasks(worker: _Worker) -> None:
    job = worker.job
    async with (
        _AsyncOpenAI(base_url=f"{job.url}/v1", api_key="k") as client,
        httpx.AsyncClient(base_url=job.url, timeout=60, verify=_NO_TLS) as raw,
    ):
        # Before its first call, the SDK asks a thread what platform this is: tasks would arrive in
        # any order. This is no provider call of ours.
        await client.models.list()
        await _Async(worker, client, raw).start(job.plan.tasks[job.rank], ())


@dataclass(slots=True, eq=False)
class _Async:
    worker: _Worker
    client: Any
    http: httpx.AsyncClient

    async def start(self, groups: tuple[Group, ...], above: Path_) -> None:
        """Start all clones of *groups*, in order, and wait for them."""
        async with asyncio.TaskGroup() as tasks:
            for group in groups:
                for clone in range(group.clones):
                    tasks.create_task(self.run(group, (*above, (group.name, clone))))

    async def run(self, group: Group, path: Path_) -> None:
        """Ask what a clone of *group* asks, and start those below."""
        for place, ask in enumerate(group.asks):
            call = self.worker.call(path, place, ask)
            self.worker.got(call, await self._answer(call))
        await self.start(group.below, path)

    async def _answer(self, call: _Call) -> list[str]:
        for last in range(1, _TRIES + 1):
            patience = _PATIENCE if call.ask.leaves and last == 1 else None
            try:
                async with asyncio.timeout(patience):
                    return await self._once(call)
            except (TimeoutError, *_PASSING):
                if last == _TRIES:
                    raise
                await asyncio.sleep(0.01)
        raise AssertionError

    async def _once(self, call: _Call) -> list[str]:
        if call.ask.client == "openai":
            create: Callable[..., Awaitable[Any]] = self.client.chat.completions.create
            answer = await create(**call.sdk)
            if call.ask.stream:
                return _streamed([chunk async for chunk in answer])
            return _whole(answer)
        answer = await self.http.post(**call.raw)
        if answer.is_error:
            raise BrokenOffError(answer.text)
        return read_answer(answer.headers["content-type"], answer.content)


def _whole(answer: Any) -> list[str]:
    return [choice.message.content for choice in answer.choices]


def _streamed(chunks: list[Any]) -> list[str]:
    if not chunks or not chunks[-1].choices[0].finish_reason:
        raise BrokenOffError("the stream ends before its last word")
    return ["".join(chunk.choices[0].delta.content or "" for chunk in chunks)]
