"""Tokens into text, one by one or together: a character of several tokens comes when it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["Detokeniser"]

_UNFINISHED = "\ufffd"
"""What decoders put where bytes are no UTF-8, or not yet."""

_LONGEST = 8
"""Tokens without a whole character that are waited for; one has four bytes, and two may be in a window."""

_FEW = 3
"""Tokens that are not looked at together: it takes three windows, and one by one two for each."""

_MANY = 64
"""Tokens that are looked at together, at most: what is not text among them is sought by halves."""


class Detokeniser:
    """Gives the text that tokens add. The text is the same however many are added at once.

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
        self._whole = len(self._text)
        self._since = 0

    def add(self, token: int) -> str:
        """Return the text that *token* completes; empty while it is not whole."""
        self._new.append(token)
        text = self._decode([*self._given, *self._new])
        return "" if text.endswith(_UNFINISHED) and self._is_awaited(text) else self._give(text)

    def add_all(self, tokens: Sequence[int]) -> str:
        """Return the text that *tokens* complete: what `add` gives for each, in a fraction of the time."""
        if len(tokens) > _MANY:
            parts = (tokens[at : at + _MANY] for at in range(0, len(tokens), _MANY))
            return "".join(map(self.add_all, parts))
        if len(tokens) <= _FEW:
            return "".join(map(self.add, tokens))
        if (text := self._give_all(tokens)) is not None:
            return text
        half = len(tokens) // 2
        return self.add_all(tokens[:half]) + self.add_all(tokens[half:])

    def rest(self) -> str:
        """Return what was waited with, as it stands: no more tokens come."""
        return self._give(self._decode([*self._given, *self._new])) if self._new else ""

    def _is_awaited(self, text: str) -> bool:
        """Tell whether *text* may still become whole: only its end is not, or not for long."""
        whole = text.index(_UNFINISHED, min(len(self._text), len(text) - 1))
        self._since += 1
        if whole == len(text) - 1 and whole > self._whole:
            self._whole, self._since = whole, 0
        return self._since < _LONGEST

    def _give_all(self, tokens: Sequence[int]) -> str | None:
        """Return the text of *tokens* if all of it is whole, to go on from where `add` would."""
        window = [*self._given, *self._new, *tokens]
        text = self._decode(window)
        if _UNFINISHED in text or not text.startswith(self._text):
            return None
        least = len(window) - len(tokens)
        start = len(window) - 1  # of the tokens that came together last
        while start > least and self._decode(window[:start]).endswith(_UNFINISHED):
            start -= 1
        if start == least and self._new:
            return None
        added = text[len(self._text) :]
        self._new = window[start:]
        self._settle()
        return added

    def _give(self, text: str) -> str:
        added = text[len(self._text) :]
        self._settle()
        return added

    def _settle(self) -> None:
        """Go on behind the new tokens."""
        self._given, self._new = self._new, []
        self._text = self._decode(self._given)
        self._whole, self._since = len(self._text), 0
