"""One request under way: its samples are read from the engine together, and told piece by piece."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

from cachesaver.local.app.narrating import Narrator, Piece
from cachesaver.local.app.refusals import Refusal, refusal_of
from cachesaver.local.engine import Engine
from cachesaver.local.errors import EngineError
from cachesaver.local.listening import Listener
from cachesaver.local.streams import Stream, Token

__all__ = ["Job", "News", "Usage"]


_HANDFUL = 32
"""Tokens that are text in less time than it takes to hand them to a thread and back, some 10 us each."""


_WATCHFUL = 4
"""Tokens that may come together where a stop string may end a sample: it keeps its slot for so long."""

_PATIENCE = 16
"""Tokens that may come together where each is looked at, but seen by nobody before the end."""

_WHOLE = sys.maxsize
"""Tokens that may come together where only the end is wanted: an answer is text at once."""


class News(NamedTuple):
    """What there is to tell of a sample.

    Attributes:
        place: Of the sample in the answer, from 0.
        finish: "stop" or "length" with the last news of it.
    """

    place: int
    piece: Piece
    finish: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens: of the prompts, of those what was not computed anew, and of the answers."""

    prompt: int
    cached: int
    answer: int


class _Heard(NamedTuple):
    place: int
    tokens: tuple[Token, ...]
    error: EngineError | None = None


class Job:
    """Some samples, each with its narrator.

    Attributes:
        streams: Of each prompt in turn, as many as were asked for.

    Args:
        lengths: Tokens of each prompt.
        pool: Where tokens become text: off the event loop.
    """

    def __init__(
        self,
        engine: Engine,
        streams: Sequence[Stream],
        narrators: Sequence[Narrator],
        *,
        lengths: Sequence[int],
        pool: Executor,
    ) -> None:
        self.streams = tuple(streams)
        self._engine = engine
        self._narrators = tuple(narrators)
        self._lengths = tuple(lengths)
        self._pool = pool
        self._left = set(range(len(self.streams)))

    async def news(self, *, piecemeal: bool = True) -> AsyncGenerator[list[News], None]:
        """Iterate the news of all samples, in the order in which they come, until the last has ended.

        Args:
            piecemeal: Whether they are wanted at each step; else steps come together, all of a sample
                where there is no stop string that may end it, and no report on its tokens.

        Raises:
            Refusal: The engine failed.
        """
        listener = Listener(patience=1 if piecemeal else self._patience)
        for stream in self.streams:
            stream.hear(listener)
        while self._left:
            if heard := self._heard(least=listener.patience):
                yield await self._told(heard)
            else:
                await listener.wait()

    def close(self) -> None:
        """Want no more: what has not ended frees its place within a step."""
        self._engine.cancel(self.streams)

    @property
    def usage(self) -> Usage:
        """What it took; whole when the news have ended."""
        n = len(self.streams) // len(self._lengths)
        prompts = [self.streams[at : at + n] for at in range(0, len(self.streams), n)]
        return Usage(
            prompt=sum(self._lengths),
            cached=sum(min(stream.cached for stream in each) for each in prompts),
            answer=sum(narrator.count for narrator in self._narrators),
        )

    @property
    def _patience(self) -> int:
        """Tokens of a sample that may come together when only the whole answer is wanted."""
        if any(narrator.watches for narrator in self._narrators):
            return _WATCHFUL
        return _PATIENCE if any(narrator.reports for narrator in self._narrators) else _WHOLE

    def _heard(self, *, least: int) -> list[_Heard]:
        """Return what is new of the samples that have not ended, each at *least* tokens or its end."""
        news = (_poll(place, self.streams[place], least) for place in sorted(self._left))
        return [each for each in news if each is not None]

    async def _told(self, heard: list[_Heard]) -> list[News]:
        """Turn tokens into text: many of them in a thread, which a handful is not worth."""
        if sum(len(each.tokens) for each in heard) <= _HANDFUL:
            return self._tell(heard)
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._tell, heard)

    def _tell(self, batch: Sequence[_Heard]) -> list[News]:
        return [self._news(each) for each in batch if each.place in self._left]

    def _news(self, heard: _Heard) -> News:
        if heard.error is not None:
            raise refusal_of(heard.error) from heard.error
        stream, narrator = self.streams[heard.place], self._narrators[heard.place]
        piece = narrator.tell(heard.tokens)
        if narrator.is_stopped:
            self._engine.cancel((stream,))
            return self._last(heard.place, piece, "stop")
        if heard.tokens:
            return News(heard.place, piece, None)
        if stream.finish == "cancelled":
            raise Refusal(500, "the sample was cancelled", code="cancelled")
        return self._last(heard.place, narrator.close(), narrator_finish(stream, narrator))

    def _last(self, place: int, piece: Piece, finish: str) -> News:
        self._left.discard(place)
        return News(place, piece, finish)


def narrator_finish(stream: Stream, narrator: Narrator) -> str:
    """Return why a sample ended: a stop string may have been completed by what was held back."""
    return "stop" if narrator.is_stopped else str(stream.finish)


def _poll(place: int, stream: Stream, least: int) -> _Heard | None:
    try:
        tokens = stream.poll(least)
    except EngineError as error:
        return _Heard(place, (), error)
    return None if tokens is None else _Heard(place, tokens)
