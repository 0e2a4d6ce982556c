"""One sample inside an engine, and the queue of those that wait, equal prompts together."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from torch import Tensor

from cachesaver.local.errors import EngineError, EngineFailedError, ParameterError
from cachesaver.local.guides import Guide
from cachesaver.local.listening import Bell
from cachesaver.local.noise import sample_key
from cachesaver.local.params import Params
from cachesaver.local.sampling import Draw
from cachesaver.local.streams import Stream, Token

__all__ = ["Prompt", "Queue", "Row"]


@dataclass(eq=False, slots=True, kw_only=True)
class Row:
    """One sample on its way: what was read, what was drawn, when it is over. Itself a safe guide.

    Attributes:
        limit: Tokens that the answer may have.
        ends: Token ids that end it.
        serial: Grows with arrival.
        answer: Those drawn so far.
    """

    prompt: tuple[int, ...]
    params: Params
    stream: Stream
    limit: int
    ends: frozenset[int]
    serial: int
    guide: Guide | None = None
    answer: list[int] = field(default_factory=list[int])
    _error: Exception | None = None

    @property
    def tokens(self) -> tuple[int, ...]:
        """Prompt and answer: what must be read to go on."""
        return (*self.prompt, *self.answer) if self.answer else self.prompt

    @property
    def draw(self) -> Draw:
        """Return what its next token is drawn by."""
        return Draw(
            params=self.params,
            key=sample_key(self.stream.seed, self.stream.index),
            prompt=self.prompt,
            answer=self.answer,
            guide=None if self.guide is None else self,
        )

    def take(self, token: Token | None, bell: Bell | None = None) -> bool:
        """Hand *token* on, and return whether the answer is over; `None`: there were no numbers.

        Who listens is told when *bell* is rung; `None`: at once.
        """
        if token is None:
            self._error = self._error or ArithmeticError("a logit was not a number")
            return self.fail(self._error)
        drawn, ends = token.id, False
        self.answer.append(drawn)
        if self.guide is not None:
            ends = self.accept(drawn)
            if self._error is not None:
                return self.fail(self._error)
        self.stream.put(token, bell)
        if ends or drawn in self.ends:
            self.stream.end("stop", bell=bell)
            return True
        if len(self.answer) >= self.limit:
            self.stream.end("length", bell=bell)
            return True
        return False

    def fail(self, error: Exception) -> bool:
        """End with *error* if the request is to blame for it, else with one whose cause it is; true."""
        failed: EngineError
        if isinstance(error, ParameterError):
            failed = error
        else:
            said = f"the model failed under this request: {type(error).__name__}"
            failed = EngineFailedError(said)
            failed.__cause__ = error
        self.stream.end(None, failed)
        return True

    def allowed(self) -> Tensor | None:
        """Ask its guide; one that raises ends this sample, not its neighbours."""
        try:
            return None if self.guide is None else self.guide.allowed()
        except Exception as error:  # noqa: BLE001  # the reader of the stream gets it
            self._error = error
            return None

    def accept(self, token: int) -> bool:
        """Tell its guide; one that raises ends this sample."""
        try:
            return self.guide is not None and self.guide.accept(token)
        except Exception as error:  # noqa: BLE001  # the reader of the stream gets it
            self._error = self._error or error
            return True


class Prompt:
    """A prompt and the samples that wait for it to be read."""

    def __init__(self, tokens: tuple[int, ...], rows: Iterable[Row] = ()) -> None:
        self.tokens = tokens
        self.rows = deque(rows)

    def sweep(self) -> Iterator[Row]:
        """Yield the samples that are wanted no longer, and forget them."""
        unwanted = [row for row in self.rows if row.stream.is_unwanted]
        if unwanted:
            self.rows = deque(row for row in self.rows if not row.stream.is_unwanted)
        yield from unwanted


class Queue:
    """Prompts in order of arrival. Samples of a prompt that waits already wait with it.

    One that was taken is no longer in it: what arrives later for the same prompt waits at the end, so
    that nobody is kept waiting for ever.
    """

    def __init__(self) -> None:
        self._prompts: OrderedDict[tuple[int, ...], Prompt] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(each.rows) for each in self._prompts.values())

    def __iter__(self) -> Iterator[Row]:
        return (row for each in self._prompts.values() for row in each.rows)

    def add(self, row: Row) -> None:
        """Put *row* with its prompt, or at the end."""
        tokens = row.tokens
        self._prompts.setdefault(tokens, Prompt(tokens)).rows.append(row)

    def put_back(self, row: Row) -> None:
        """Put *row* at the front."""
        self.add(row)
        self._prompts.move_to_end(row.tokens, last=False)

    def pop(self) -> Prompt | None:
        """Take the first prompt that somebody wants."""
        if (prompt := self.first()) is not None:
            del self._prompts[prompt.tokens]
        return prompt

    def first(self) -> Prompt | None:
        """Return the prompt that `pop` would take."""
        while self._prompts:
            prompt = next(iter(self._prompts.values()))
            if prompt.rows:
                return prompt
            del self._prompts[prompt.tokens]
        return None

    def sweep(self) -> Iterator[Row]:
        """Yield the samples that are wanted no longer, and forget them."""
        for prompt in self._prompts.values():
            yield from prompt.sweep()
