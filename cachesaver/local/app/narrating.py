"""One sample's tokens into the pieces of text, and the reports on tokens, that a client gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cachesaver.local.app.detokenising import Detokeniser
from cachesaver.local.app.stops import Scanner
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.streams import Token

__all__ = ["Narrator", "Piece"]


class Piece(NamedTuple):
    """What there is to tell.

    Attributes:
        text: May be empty.
        tokens: Those whose text began before its end, and were not told before; each with the number
            of characters of the answer before it. None where they are not reported.
    """

    text: str
    tokens: tuple[tuple[Token, int], ...]


class Narrator:
    """Tells one sample. Pure; the pieces are the same however the tokens come in.

    Args:
        tongue: The model's.
        stops: Texts that end it; they are no part of it.
        before: Token ids that it continues, if it continues a text.
        shown: Special tokens that are part of the text all the same.
        reports: Whether it tells tokens, beside their text.

    Attributes:
        count: Tokens that were drawn for it, end tokens included.
        watches: Whether there are stop strings that it may meet.
        reports: As given.
    """

    def __init__(
        self,
        tongue: Tongue,
        *,
        stops: Sequence[str] = (),
        before: Sequence[int] = (),
        shown: frozenset[int] = frozenset(),
        reports: bool = True,
    ) -> None:
        self.count = 0
        self.watches = bool(stops)
        self.reports = reports
        self._hidden = tongue.hidden - shown
        self._words = Detokeniser(tongue.decode, before)
        self._scanner = Scanner(stops)
        self._told = 0
        self._heard = 0
        self._untold: deque[tuple[Token, int]] = deque()

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string was met: nothing more is told."""
        return self._scanner.cut is not None

    def tell(self, tokens: Sequence[Token]) -> Piece:
        """Return what can be told after *tokens*; those behind a stop string are not looked at."""
        if self.watches or self.reports:
            return self._piece("".join(self._each(tokens)))
        self.count += len(tokens)
        ids = [token.id for token in tokens if token.id not in self._hidden]
        return Piece(self._words.add_all(ids), ())

    def _each(self, tokens: Sequence[Token]) -> Iterator[str]:
        """Iterate what can be told after each of *tokens*."""
        for token in tokens:
            if self.is_stopped:
                break
            self.count += 1
            if token.id not in self._hidden:
                if self.reports:
                    self._untold.append((token, self._heard))
                yield self._hear(self._words.add(token.id))

    def close(self) -> Piece:
        """Return what is left: no more tokens come."""
        if self.is_stopped:
            return self._piece("")
        piece = self._piece(self._hear(self._words.rest()) + self._scanner.rest())
        if self.is_stopped:
            return piece
        return Piece(piece.text, (*piece.tokens, *self._untold))

    def _hear(self, text: str) -> str:
        self._heard += len(text)
        return self._scanner.feed(text)

    def _piece(self, text: str) -> Piece:
        self._told += len(text)
        return Piece(text, self._take())

    def _take(self) -> tuple[tuple[Token, int], ...]:
        taken: list[tuple[Token, int]] = []
        while self._untold and self._untold[0][1] < self._told:
            taken.append(self._untold.popleft())
        return tuple(taken)
