"""The bodies of requests for completions and embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator, model_validator

from cachesaver.local.app.bodies import Body
from cachesaver.local.app.chat_ask import Drawing

__all__ = ["CompletionAsk", "EmbeddingAsk"]

_LARGEST_ID = 2**31 - 1
_MOST_IDS = 1 << 20

_PIECE = 1 << 15
"""Ids that are looked at in one go; other threads run in between."""


def _at_ease(given: Any, judge: Callable[[Any], list[int]]) -> list[int]:
    """Return *given* if it is ids; what is wrong with it, *judge* says, who looks at all in one go."""
    is_list = isinstance(given, list) and 0 < len(given) <= _MOST_IDS
    pieces = (given[at : at + _PIECE] for at in range(0, len(given), _PIECE)) if is_list else ()
    return given if is_list and all(map(_are_ids, pieces)) else judge(given)


def _are_ids(piece: list[Any]) -> bool:
    return {*map(type, piece)} == {int} and min(piece) >= 0 and max(piece) <= _LARGEST_ID


Id = Annotated[int, Field(ge=0, le=_LARGEST_ID)]
Ids = Annotated[
    list[Id], Field(min_length=1, max_length=_MOST_IDS, fail_fast=True), WrapValidator(_at_ease)
]
Several = Field(min_length=1, max_length=2048, fail_fast=True)
Texts = str | Ids | Annotated[list[str], Several] | Annotated[list[Ids], Several]


def _separate(given: str | list[int] | list[str] | list[list[int]]) -> list[str | list[int]]:
    if isinstance(given, str):
        return [given]
    if isinstance(given[0], int):
        return [[each for each in given if isinstance(each, int)]]
    return [each for each in given if not isinstance(each, int)]


class CompletionAsk(Drawing):
    """https://platform.openai.com/docs/api-reference/completions/create."""

    prompt: Texts
    best_of: int | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None

    @model_validator(mode="after")
    def _is_supported(self) -> CompletionAsk:
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise ValueError("best_of other than n is not supported by a local model")
        if self.echo and self.logprobs is not None:
            raise ValueError("logprobs of an echoed prompt are not supported by a local model")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each a text, or token ids."""
        return _separate(self.prompt)


class EmbeddingAsk(Body):
    """https://platform.openai.com/docs/api-reference/embeddings/create."""

    model: str
    input: Texts
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None

    @property
    def inputs(self) -> list[str | list[int]]:
        """Each a text, or token ids."""
        return _separate(self.input)
