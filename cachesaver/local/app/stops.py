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
    longest = max((len(each) - 1 for each in wanted), default=0)
    for count in range(min(longest, len(text)), 0, -1):
        end = text[-count:]
        if any(each.startswith(end) for each in wanted):
            return count
    return 0
