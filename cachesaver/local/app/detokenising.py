"""Tokens into text, one by one: a character that several tokens spell comes when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Detokeniser"]

_UNFINISHED = "\ufffd"
"""What decoders put where bytes are no UTF-8, or not yet."""

_LONGEST = 8
"""Tokens that are waited for; a character has four bytes, and two may stand in one window."""


class Detokeniser:
    """Gives the text that each token adds.

    Decoders look to the left (a blank at the beginning is dropped, bytes in a row make a character),
    so a token is decoded behind the ones whose text was given last.

    Args:
        decode: Gives the text of token ids, special ones included.
        before: What the first token continues, such as the end of a prompt; empty where it begins a text.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], before: Sequence[int] = ()) -> None:
        self._decode = decode
        self._given = list(before)
        self._new: list[int] = []
        self._text = decode(self._given) if before else ""

    def add(self, token: int) -> str:
        """Return the text that *token* completes; empty while it is not whole."""
        self._new.append(token)
        text = self._decode([*self._given, *self._new])
        if text.endswith(_UNFINISHED) and len(self._new) < _LONGEST:
            return ""
        return self._give(text)

    def rest(self) -> str:
        """Return what was waited with, as it stands: no more tokens come."""
        return self._give(self._decode([*self._given, *self._new])) if self._new else ""

    def _give(self, text: str) -> str:
        added = text[len(self._text) :]
        self._given, self._new = self._new, []
        self._text = self._decode(self._given)
        return added
