"""A guide that lets a model speak freely, and takes over where a mark stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cachesaver.local.app.detokenising import Detokeniser
from cachesaver.local.guides import Guide

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Watching"]


class Watching:
    """See `cachesaver.local.guides.Guide`.

    Args:
        mark: The text behind which another guide begins; when that has ended, speech is free again.
        decode: Gives the text of token ids.
        begin: Makes the other guide, from what was said behind the mark by its last token.
    """

    def __init__(
        self, mark: str, decode: Callable[[Sequence[int]], str], begin: Callable[[str], Guide]
    ) -> None:
        self._mark = mark
        self._decode = decode
        self._begin = begin
        self._guide: Guide | None = None
        self._words = Detokeniser(decode)
        self._said = ""

    def allowed(self) -> Tensor | None:
        """Return what the other guide allows, where there is one."""
        return None if self._guide is None else self._guide.allowed()

    def accept(self, token: int) -> bool:
        """Tell the other guide, or look for the mark; the answer does not end by it."""
        if self._guide is None:
            self._watch(token)
        elif self._guide.accept(token):
            self._guide = None
            self._words, self._said = Detokeniser(self._decode), ""
        return False

    def _watch(self, token: int) -> None:
        self._said += self._words.add(token)
        _, mark, behind = self._said.partition(self._mark)
        if mark:
            self._guide = self._begin(behind)
        self._said = self._said[-len(self._mark) :]
