"""An OpenAI-compatible endpoint over a model of transformers, on one's own machine.

Needs the extra: pip install 'cachesaver[local]'.
"""

from __future__ import annotations

try:
    from cachesaver.local.choosing import open_engine
except ModuleNotFoundError as error:
    if error.name not in ("torch", "transformers"):
        raise
    raise ImportError(
        f"cachesaver.local needs {error.name}, which is not installed:\n"
        "    pip install 'cachesaver[local]'"
    ) from error
from cachesaver.local.engine import Engine, Sizes, Stats
from cachesaver.local.errors import (
    EngineClosedError,
    EngineError,
    EngineFailedError,
    ParameterError,
    PromptTooLongError,
    UnsupportedModelError,
)
from cachesaver.local.params import Params
from cachesaver.local.sampling import Guide
from cachesaver.local.streams import Finish, Stream, Token

__all__ = [
    "Engine",
    "EngineClosedError",
    "EngineError",
    "EngineFailedError",
    "Finish",
    "Guide",
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
