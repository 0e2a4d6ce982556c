"""Options that reach down to the core, as values: nothing here may need what it takes to act on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["Rules", "Window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a user adds to the rules of the dialects.

    Attributes:
        ignore: Dotted paths of body fields that are not part of the question (`"metadata.run"`;
            `*` stands for every item of a list or every key of an object).
        blank: Regular expressions; what they match in any string of the body becomes empty
            (dates, temporary directories, memory addresses).
        aliases: Origins (`"http://127.0.0.1:8000"`) and what to call them, so that one model
            behind two addresses is one.
    """

    ignore: tuple[str, ...] = ()
    blank: tuple[re.Pattern[str], ...] = ()
    aliases: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long the draws of one question are gathered that nothing is stored for.

    Attributes:
        seconds: After the first of them; 0: not at all; None: to the end of the turn of the event
            loop, or as long as each turn brings more of them.
        flights: As long as another call for the same question is under way, instead.
        size: So many are enough; None: as many as come.
    """

    seconds: float | None = None
    flights: bool = False
    size: int | None = None

    @property
    def is_turn(self) -> bool:
        """Whether it ends with a turn of the event loop: then even a hit may stand back for others."""
        return self.seconds is None and not self.flights

    def gathers(self, *, blocking: bool) -> bool:
        """Tell whether anything is gathered: a thread has no turns to wait for."""
        return self.flights or (not blocking if self.seconds is None else self.seconds > 0)
