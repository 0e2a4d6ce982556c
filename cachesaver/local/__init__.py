"""An OpenAI-compatible endpoint over a model of transformers, on one's own machine.

Needs the extra: pip install 'cachesaver[local]'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachesaver.local.engine import Engine, GraphsChoice, Kind, Sizes, Stats
from cachesaver.local.errors import (
    EngineClosedError,
    EngineError,
    EngineFailedError,
    EngineFullError,
    ParameterError,
    PromptTooLongError,
    UnsupportedModelError,
)
from cachesaver.local.guides import Guide
from cachesaver.local.opening import open_engine
from cachesaver.local.params import Params
from cachesaver.local.streams import Finish, Stream, Token

if TYPE_CHECKING:
    from cachesaver.local.mounting import Mounted, mount
else:

    def __getattr__(name: str) -> object:
        """Return `mount` and `Mounted`, which need more of `cachesaver` than an engine does."""
        if name not in {"Mounted", "mount"}:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from cachesaver.local import mounting

        return getattr(mounting, name)


__all__ = [
    "Engine",
    "EngineClosedError",
    "EngineError",
    "EngineFailedError",
    "EngineFullError",
    "Finish",
    "GraphsChoice",
    "Guide",
    "Kind",
    "Mounted",
    "ParameterError",
    "Params",
    "PromptTooLongError",
    "Sizes",
    "Stats",
    "Stream",
    "Token",
    "UnsupportedModelError",
    "mount",
    "open_engine",
]
