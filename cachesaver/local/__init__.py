"""An OpenAI-compatible endpoint over a model of transformers, on one's own machine.

Needs the extra: pip install 'cachesaver[local]'.
"""

from __future__ import annotations

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
    "ParameterError",
    "Params",
    "PromptTooLongError",
    "Sizes",
    "Stats",
    "Stream",
    "Token",
    "UnsupportedModelError",
    "open_engine",
]
