"""What every engine is made of: the door for requests, the thread that runs, the end of a sample."""

from __future__ import annotations

import atexit
import itertools
import secrets
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from cachesaver.local.decoder import Decoder
from cachesaver.local.engine import Stats
from cachesaver.local.errors import (
    EngineClosedError,
    EngineFullError,
    ParameterError,
    PromptTooLongError,
)
from cachesaver.local.guides import Guide
from cachesaver.local.listening import Bell
from cachesaver.local.params import Params
from cachesaver.local.rows import Prompt, Queue, Row
from cachesaver.local.streams import Stream, Token

__all__ = ["Worker"]

_MOST_SAMPLES = 1 << 16
_LAST_INDEX = 1 << 62


class Worker(ABC):
    """An engine less how it runs the model: a subclass takes turns.

    Only the engine's thread touches these, and what a subclass adds.

    Attributes:
        queue: Samples whose prompt is still to be read.
        running: The samples in the batch.
        counts: Those of `Stats`.
    """

    kind: str

    def __init__(
        self, decoder: Decoder, *, rows: int, cells: int, waiting: int | None = None
    ) -> None:
        self.decoder = decoder
        self.rows = rows
        self.cells = cells
        self.queue = Queue()
        self._current: Prompt | None = None
        self.running: list[Row] = []
        self.counts: Counter[str] = Counter()
        self._bell = Bell()
        self._serials = itertools.count()
        self._changed = threading.Condition()
        self._arrived: list[Row] = []
        self._most = None if waiting is None else rows + waiting
        self._is_closed = False
        self._unfinished = 0
        self._sizes = (0, 0)
        self._thread = threading.Thread(target=self._run, name="cachesaver-local", daemon=True)

    # The door, for any thread.

    @property
    def context(self) -> int:
        """See `Engine.context`."""
        return min(self.decoder.context, self.cells)

    @property
    def vocabulary(self) -> int:
        """See `Engine.vocabulary`."""
        return self.decoder.vocabulary

    def submit(
        self,
        token_ids: Sequence[int],
        n: int,
        params: Params,
        *,
        first_index: int = 0,
        guide: Callable[[int], Guide] | None = None,
        more: bool = False,
    ) -> tuple[Stream, ...]:
        """See `Engine.submit`."""
        _check_whole("n", n, 1, _MOST_SAMPLES)
        _check_whole("first_index", first_index, 0, _LAST_INDEX)
        # Their number first: to look at millions of ids keeps all threads waiting.
        limit = self._limit(len(token_ids), params.max_tokens)
        prompt = self._checked(token_ids, params)
        seed = secrets.randbits(63) if params.seed is None else params.seed
        rows = [
            Row(
                prompt=prompt,
                params=params,
                stream=Stream(index=index, seed=seed),
                limit=limit,
                ends=params.stop_ids if params.ignore_end else params.stop_ids | self.decoder.ends,
                serial=next(self._serials),
                guide=guide and guide(index),
            )
            for index in range(first_index, first_index + n)
        ]
        self._enter(rows, more=more)
        return tuple(row.stream for row in rows)

    def cancel(self, streams: Sequence[Stream]) -> None:
        """See `Engine.cancel`."""
        for stream in streams:
            stream.cancel()

    def stats(self) -> Stats:
        """See `Engine.stats`."""
        running, cells_used = self._sizes
        return Stats(
            engine=self.kind,
            running=running,
            waiting=max(0, self._unfinished - running),
            cells=self.cells,
            cells_used=cells_used,
            **{name: self.counts[name] for name in _COUNTED},
        )

    def close(self) -> None:
        """See `Engine.close`."""
        atexit.unregister(self.close)
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            is_running = self._thread.ident is not None
        if is_running and threading.current_thread() is not self._thread:
            self._thread.join()

    def _checked(self, token_ids: Sequence[int], params: Params) -> tuple[int, ...]:
        prompt = tuple(token_ids)
        if not prompt:
            raise ParameterError("token_ids", "token_ids is empty: a prompt has at least one token")
        for name, ids in (("token_ids", set(prompt)), ("logit_bias", params.logit_bias)):
            for each in ids:
                _check_whole(name, each, 0, self.vocabulary - 1)
        return prompt

    def _limit(self, prompt: int, wanted: int | None) -> int:
        answer = max(1, self.context - prompt) if wanted is None else wanted
        if prompt + answer > self.context:
            raise PromptTooLongError(prompt=prompt, answer=answer, room=self.context)
        return answer

    def _enter(self, rows: list[Row], *, more: bool) -> None:
        with self._changed:
            if self._is_closed:
                raise EngineClosedError("the engine was closed: open another one")
            if self._most is not None and self._unfinished >= self._most and not more:
                raise EngineFullError(waiting=self._unfinished, most=self._most)
            if self._thread.ident is None:
                # Python does not wait for the thread, and it would not survive Python inside torch.
                atexit.register(self.close)
                self._thread.start()
            self._arrived.extend(rows)
            self._unfinished += len(rows)
            self._changed.notify_all()

    # The thread.

    @abstractmethod
    def turn(self) -> None:
        """Do the next piece of work, at most one step of the batch and one chunk of a prompt."""

    @abstractmethod
    def leave(self, rows: Sequence[Row]) -> None:
        """Free the places of *rows* in the batch."""

    @abstractmethod
    def count_cells(self) -> int:
        """Return how many tokens the batch holds."""

    @property
    def reading(self) -> Sequence[Prompt]:
        """The prompts that are being read, or were, with the samples that have no place yet."""
        return () if self._current is None else (self._current,)

    def next_prompt(self) -> Prompt | None:
        """Return the prompt that is being read, or the next one; for engines that read one at a time."""
        if self._current is None or not self._current.rows:
            self._current = self.queue.pop()
        return self._current

    def deliver(self, rows: Sequence[Row], tokens: Sequence[Token | None]) -> list[Row]:
        """Hand each of *rows* its token and return those that are over."""
        self.counts["answer_tokens"] += len(rows)
        bell, pairs = self._bell, zip(rows, tokens, strict=True)
        over = [row for row, token in pairs if row.take(token, bell)]
        bell.ring()
        for row in over:
            self.counts["finished" if row.stream.finish else "failed"] += 1
        return over

    @contextmanager
    def blaming(self, rows: Iterable[Row]) -> Generator[None, None, None]:
        """End *rows* if the model raises: it was working for them. All others go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # who reads the streams gets it
            self._fail(list(rows), error)

    def drop(self, rows: Iterable[Row]) -> None:
        """End *rows*, which nobody wants any more."""
        for row in rows:
            self.counts["cancelled"] += not row.stream.has_ended
            row.stream.end("cancelled")

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                while self._wait():
                    self.tick()
        finally:
            self._end_all()

    def tick(self) -> None:
        """Take in what has arrived, let go what is unwanted, and take a turn."""
        with self._changed:
            arrived, self._arrived = self._arrived, []
        for row in arrived:
            self.queue.add(row)
        with self.blaming(self._all()):
            self._sweep()
            self.turn()
        self._measure()

    def _wait(self) -> bool:
        """Wait for work; false when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._arrived or self._is_busy())
            return not self._is_closed

    def _is_busy(self) -> bool:
        return next(self._all(), None) is not None

    def _all(self) -> Iterator[Row]:
        yield from self.running
        for prompt in self.reading:
            yield from prompt.rows
        yield from self.queue

    def _measure(self) -> None:
        taken = sum(1 for _ in self._all())
        with self._changed:
            self._unfinished = taken + len(self._arrived)
        self._sizes = (len(self.running), self.count_cells())

    def _sweep(self) -> None:
        self.drop(self.queue.sweep())
        for prompt in self.reading:
            self.drop(prompt.sweep())
        if unwanted := [row for row in self.running if row.stream.is_unwanted]:
            self.leave(unwanted)
            self.drop(unwanted)

    def _fail(self, rows: list[Row], error: Exception) -> None:
        self.counts["failed"] += sum(row.fail(error) for row in rows if not row.stream.has_ended)
        for row in rows:
            row.stream.cancel()  # wherever it stands, the next sweep finds it
        self.leave([row for row in rows if row in self.running])

    def _end_all(self) -> None:
        with self._changed:
            self._is_closed = True
            for row in (*self._all(), *self._arrived):
                row.stream.end(
                    None, EngineClosedError("the engine was closed before the answer ended")
                )


_COUNTED = (
    "steps",
    "prompt_tokens",
    "reused_tokens",
    "answer_tokens",
    "finished",
    "cancelled",
    "failed",
    "set_back",
    "graphs",
    "graph_steps",
)


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ParameterError(name, f"{name} must be whole, not {type(value).__name__}")
    if not low <= value <= high:
        raise ParameterError(name, f"{name} must be from {low} to {high}, not {value}")
