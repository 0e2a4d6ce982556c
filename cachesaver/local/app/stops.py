"""Stop strings: the text before the first of them, wherever the borders of tokens fall."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Scanner", "held_back"]


class Scanner:
    """Lets text through up to the first of some strings.

    Attributes:
        cut: Characters before that string; `None` while none was found.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.cut: int | None = None
        self._stops = tuple(stops)
        self._held = ""
        self._passed = 0

    def feed(self, text: str) -> str:
        """Return what of *text*, and of what was held back, cannot belong to a stop string."""
        if not self._stops or self.cut is not None:
            return text if self.cut is None else ""
        self._held += text
        found = [at for each in self._stops if (at := self._held.find(each)) >= 0]
        if found:
            self.cut = self._passed + min(found)
            return self._pass(min(found))
        return self._pass(len(self._held) - held_back(self._held, self._stops))

    def rest(self) -> str:
        """Return what was held back: no more text comes."""
        return "" if self.cut is not None else self._pass(len(self._held))

    def _pass(self, count: int) -> str:
        passed, self._held = self._held[:count], self._held[count:]
        self._passed += count
        return passed


def held_back(text: str, wanted: Sequence[str]) -> int:
    """Return how many characters at the end of *text* may be the beginning of one of *wanted*."""
    return max((_begun(text, each) for each in wanted if each), default=0)


def _begun(text: str, wanted: str) -> int:
    """Return how many characters at the end of *text* begin *wanted*, less than all of it."""
    at = text.find(wanted[0], max(0, len(text) - len(wanted) + 1))
    while at >= 0 and not wanted.startswith(text[at:]):
        at = text.find(wanted[0], at + 1)
    return len(text) - at if at >= 0 else 0
