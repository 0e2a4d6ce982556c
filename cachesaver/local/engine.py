"""What an app sees of an engine: prompts go in, streams of tokens come out.

Used like::

    engine = open_engine(model)
    streams = engine.submit(token_ids, 4, Params(temperature=0.7, seed=1))
    for token in streams[0]: ...

Texts, chat templates and stop strings are the app's: an engine knows tokens only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, Protocol, TypeAlias

from cachesaver.local.errors import ParameterError
from cachesaver.local.guides import Guide
from cachesaver.local.params import Params
from cachesaver.local.streams import Stream

__all__ = ["Engine", "GraphsChoice", "Kind", "Sizes", "Stats"]

Kind: TypeAlias = Literal["auto", "slot", "group", "cb"]
"""Which engine: slots where every layer of the model keeps the whole text, a group of one prompt's
samples otherwise, or what fits the model ("auto"); transformers' continuous batching only if asked for."""

GraphsChoice: TypeAlias = Literal["auto", "off"]
"""Whether steps are recorded as graphs, in slots on a GPU of CUDA: where the model can be, or not."""


_MAY_BE_NOTHING = frozenset({"kept", "waiting"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much an engine may hold.

    Attributes:
        context: Tokens that prompt and answer may have together; `None`: what the model says, or less
            where it would read longer texts otherwise beside others.
        rows: Samples that take their steps together, at most.
        cells: Tokens in memory for them, samples times the longest; `None`: what there is room for.
        kept: Tokens of prompts to keep for later prompts that begin alike; `None`: an eighth of *cells*.
        chunk: Tokens of prompts that are read between two steps of the others; `None`: 512, and 2,048 on
            CUDA.
        waiting: Samples that may wait, besides the *rows*: while there are so many, no prompt more is
            taken; `None`: any number. One prompt's samples are taken together, however many.

    Raises:
        ParameterError: One is below 1, or *kept* or *waiting* below 0.
    """

    context: int | None = None
    rows: int = 64
    cells: int | None = None
    kept: int | None = None
    chunk: int | None = None
    waiting: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least = getattr(self, each.name), 0 if each.name in _MAY_BE_NOTHING else 1
            if value is not None and value < least:
                raise ParameterError(each.name, f"{each.name} must be {least} or more, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What an engine has done since it was opened, and what it is doing.

    Attributes:
        engine: "slot", "group" or "cb".
        running: Samples in the batch now.
        waiting: Samples that wait for a place in it, or for their prompt to be read.
        steps: Times the model was asked for the next token of the whole batch.
        prompt_tokens: Tokens of prompts that were computed.
        reused_tokens: Tokens of prompts that were taken from a prompt before.
        answer_tokens: Tokens drawn.
        finished: Samples that came to their end.
        cancelled: Samples that somebody wanted no longer.
        failed: Samples that ended with an error.
        set_back: Times a sample lost its place for want of memory, to go on later.
        cells: Tokens that the batch may hold, rows times the longest of them.
        cells_used: Those it holds now.
        graphs: Steps that were recorded as graphs of CUDA.
        graph_steps: Steps that were taken by one of them.
    """

    engine: str
    running: int
    waiting: int
    steps: int
    prompt_tokens: int
    reused_tokens: int
    answer_tokens: int
    finished: int
    cancelled: int
    failed: int
    set_back: int
    cells: int
    cells_used: int
    graphs: int
    graph_steps: int


class Engine(Protocol):
    """Draws samples from one model, on a thread of its own; all methods may be called by any thread.

    What a sample is depends on model, prompt, parameters, seed and index alone: not on *n*, on what
    else runs, or on the kind of engine, but for the rounding of sums in another order.
    """

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    @property
    def vocabulary(self) -> int:
        """Token ids are from 0 to below this."""
        ...

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
        """Ask for the samples *first_index* to *first_index* + *n* - 1 after the prompt *token_ids*.

        Four samples are the same as one sample four times, with `first_index` 0 to 3. Returns at once.

        Args:
            token_ids: At least one.
            n: 1 to 65,536.
            params: Without a *seed*, one is drawn for all *n*.
            first_index: 0 to 2**62.
            guide: Makes the guide of a sample, from its index; called before `submit` returns.
            more: Whether it belongs to what was taken a moment ago, so that it is taken too, however
                many wait.

        Raises:
            ParameterError: An argument or a parameter is out of bounds.
            PromptTooLongError: Prompt and *max_tokens* do not fit.
            EngineFullError: As many as may are waiting.
            EngineClosedError: It was closed.
        """
        ...

    def cancel(self, streams: Sequence[Stream]) -> None:
        """Ask for no more of *streams*: their slots are free within a step."""
        ...

    def stats(self) -> Stats:
        """Return counts and sizes, for a health page or a metric."""
        ...

    def close(self) -> None:
        """End all streams with `EngineClosedError` and wait for the thread. May be called twice."""
        ...
