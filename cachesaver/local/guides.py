"""Who may choose beside the model: a grammar, a list of stop strings, a budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Guide"]


class Guide(Protocol):
    """What one sample may say, and when it is over; used by the engine's thread alone.

    One that raises ends its sample: with the error itself if that is a `ParameterError`, else with an
    `EngineFailedError`.
    """

    def allowed(self) -> Tensor | None:
        """Return which tokens may come next: bool, (vocabulary,), some true; `None`: any."""
        ...

    def accept(self, token: int) -> bool:
        """Take note of the token that was drawn; return whether the answer ends with it."""
        ...
