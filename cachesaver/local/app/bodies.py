"""What bodies of requests are made of, and what is said of those that are not."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cachesaver.local.app.reading import AT_ONCE, read_json
from cachesaver.local.app.refusals import Refusal

__all__ = [
    "UNSUPPORTED",
    "Body",
    "Listed",
    "Metadata",
    "Sampling",
    "Seed",
    "StreamOptions",
    "read",
]

Item = TypeVar("Item")

Listed: TypeAlias = Annotated[list[Item], Field(max_length=1 << 14, fail_fast=True)]
"""What a body has many of. Lists say their first error alone: to make one of each of a million numbers
takes seconds, and all threads wait for it."""

_MOST_ERRORS = 1000
"""More are not looked at: lists have one each, so only names that nobody knows are as many."""

_LONGEST = 500
"""Characters of what a refusal repeats of a body."""

UNSUPPORTED = frozenset(
    {
        # https://platform.openai.com/docs/api-reference/chat/create
        "audio",
        "function_call",
        "functions",
        "moderation",
        "prediction",
        "prompt_cache_retention",
        "reasoning_effort",
        "verbosity",
        "web_search_options",
        # https://platform.openai.com/docs/api-reference/completions/create
        "suffix",
        # https://platform.openai.com/docs/api-reference/responses/create
        "background",
        "context_management",
        "conversation",
        "include",
        "max_tool_calls",
        "previous_response_id",
        "prompt",
        "reasoning",
    }
)
"""What OpenAI's APIs take and a local model has nothing for: refused by another sentence than a
field that nobody knows."""


class Body(BaseModel):
    """A JSON object of which every field is known; `null` is as good as absent."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class StreamOptions(Body):
    """https://platform.openai.com/docs/api-reference/chat/create#stream_options."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


def _few(pairs: dict[str, str]) -> dict[str, str]:
    if len(pairs) > 16 or any(len(k) > 64 or len(v) > 512 for k, v in pairs.items()):  # noqa: PLR2004
        raise ValueError("at most 16 pairs, of keys up to 64 characters and values up to 512")
    return pairs


Metadata = Annotated[dict[str, str], AfterValidator(_few)]
"""https://platform.openai.com/docs/api-reference/metadata."""

Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class Sampling(Body):
    """What all endpoints that draw samples take; the last line is what transformers and vLLM add."""

    model: str
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    user: str | None = None

    top_k: Annotated[int, Field(ge=-1, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100)] | None = None


Asked = TypeVar("Asked", bound=Body)


def read(kind: type[Asked], body: bytes) -> Asked:
    """Return *body* as a *kind*.

    Raises:
        Refusal: 400, and why.
    """
    try:
        if len(body) <= AT_ONCE:
            return kind.model_validate_json(body)
        return kind.model_validate(_given(body))
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:
            message = f"the body has {error.error_count()} errors, such as fields that are unknown"
            raise Refusal(400, message, code="invalid_value") from error
        # A list that is too long is of that member of a union; else the innermost error says most.
        first: Any = max(
            error.errors(include_url=False, include_context=False),
            key=lambda each: (each["type"] == "too_long", len(each["loc"])),
        )
        raise _refusal(first["type"], first["loc"], first["msg"]) from error


def _given(body: bytes) -> Any:
    try:
        return read_json(body)
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}") from error


def _refusal(kind: str, where: tuple[str | int, ...], message: str) -> Refusal:
    if kind == "json_invalid":
        return Refusal(400, f"the body is no JSON: {message.removeprefix('Invalid JSON: ')}")
    param = _path(where)[:_LONGEST]
    if kind == "extra_forbidden":
        return _unknown(param)
    if kind == "missing":
        return Refusal(400, f"{param} is missing", param=param, code="missing_required_parameter")
    said = message.removeprefix("Value error, ")[:_LONGEST]
    return Refusal(400, f"{param or 'the body'}: {said}", param=param or None, code="invalid_value")


def _unknown(param: str) -> Refusal:
    if param in UNSUPPORTED:
        message = f"{param} is not supported by a local model"
        return Refusal(400, message, param=param, code="unsupported_parameter")
    message = f"unrecognized request argument: {param}"
    return Refusal(400, message, param=param, code="unknown_parameter")


def _path(where: tuple[str | int, ...]) -> str:
    """Return *where* as OpenAI writes it: `messages[0].content`."""
    path = ""
    for at, each in enumerate(where):
        if isinstance(each, int):
            path += f"[{each}]"
        elif not _is_member(each, where[:at]):
            path += f".{each}"
    return path.strip(".")


def _is_member(name: str, before: tuple[str | int, ...]) -> bool:
    """Tell whether *name* is no field but a member of a union: a type, or what tells them apart."""
    is_role = bool(before) and name in {"system", "developer", "user", "assistant", "tool"}
    return not name.isidentifier() or name in {"str", "int"} or is_role or (name,) == before[-1:]
