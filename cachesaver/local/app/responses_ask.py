"""The body of a request for a response, and the chat request that it comes to.

https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from cachesaver.local.app.bodies import Body, Listed, Metadata, Sampling, Seed, StreamOptions
from cachesaver.local.app.chat_ask import ChatAsk, Name, Tokens
from cachesaver.local.app.refusals import Refusal

__all__ = ["ResponsesAsk", "to_chat"]

_TEXTS = frozenset({"input_text", "output_text", "text"})


class _Part(Body):
    type: str
    text: str | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None
    detail: Any = None
    image_url: Any = None
    file_id: Any = None
    file_data: Any = None
    filename: Any = None
    input_audio: Any = None

    @model_validator(mode="after")
    def _is_text(self) -> _Part:
        if self.type not in _TEXTS or self.text is None:
            raise ValueError(
                f"a part of type {self.type!r} is not supported: a local model reads text"
            )
        return self


_Content: TypeAlias = str | Listed[_Part]


class _Message(Body):
    role: Literal["system", "developer", "user", "assistant"]
    content: _Content
    type: Literal["message"] = "message"
    id: str | None = None
    status: str | None = None
    phase: str | None = None


class _FunctionCall(Body):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    id: str | None = None
    status: str | None = None


class _Output(Body):
    type: Literal["function_call_output"]
    call_id: str
    output: _Content
    id: str | None = None
    status: str | None = None


def _typed(item: Any) -> Any:
    """Return *item* with the type that messages may leave out."""
    return {"type": "message", **item} if isinstance(item, dict) and "role" in item else item


_Item: TypeAlias = Annotated[
    Annotated[_Message | _FunctionCall | _Output, Field(discriminator="type")],
    BeforeValidator(_typed),
]


class _Function(Body):
    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Choice(Body):
    type: Literal["function"]
    name: Name


class _PlainFormat(Body):
    type: Literal["text", "json_object"]


class _SchemaFormat(Body):
    type: Literal["json_schema"]
    name: Name
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class _Text(Body):
    format: Annotated[_PlainFormat | _SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: None = None


class ResponsesAsk(Sampling):
    """A request for a response."""

    input: str | Annotated[Listed[_Item], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    metadata: Metadata | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    seed: Seed | None = None  # ours: this API has none
    service_tier: Literal["auto", "default"] | None = None
    store: Literal[False] | None = None
    stream_options: StreamOptions | None = None
    text: _Text | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    tools: Annotated[list[_Function], Field(max_length=128, fail_fast=True)] | None = None
    top_logprobs: Literal[0] | None = None
    truncation: Literal["disabled"] | None = None


def to_chat(ask: ResponsesAsk) -> ChatAsk:
    """Return the chat request that *ask* comes to.

    Raises:
        Refusal: It would be none.
    """
    given = {
        "model": ask.model,
        "stream": ask.stream,
        "messages": [*_messages(ask)],
        "max_completion_tokens": ask.max_output_tokens,
        "parallel_tool_calls": ask.parallel_tool_calls,
        "response_format": _format(ask),
        "seed": ask.seed,
        "tool_choice": _choice(ask),
        "tools": [_tool(each) for each in ask.tools or ()] or None,
        "temperature": ask.temperature,
        "top_p": ask.top_p,
        "top_k": ask.top_k,
        "min_p": ask.min_p,
        "repetition_penalty": ask.repetition_penalty,
    }
    try:
        return ChatAsk.model_validate(given)
    except ValidationError as error:
        said = error.errors(include_url=False, include_context=False)[0]["msg"]
        raise Refusal(400, said.removeprefix("Value error, "), code="invalid_value") from error


def _messages(ask: ResponsesAsk) -> Iterator[dict[str, Any]]:
    if ask.instructions is not None:
        yield {"role": "system", "content": ask.instructions}
    if isinstance(ask.input, str):
        yield {"role": "user", "content": ask.input}
        return
    calls: list[dict[str, Any]] = []
    for item in ask.input:
        if isinstance(item, _FunctionCall):
            function = {"name": item.name, "arguments": item.arguments}
            calls.append({"id": item.call_id, "function": function})
            continue
        if calls:
            yield {"role": "assistant", "content": None, "tool_calls": calls}
            calls = []
        yield _message(item)
    if calls:
        yield {"role": "assistant", "content": None, "tool_calls": calls}


def _message(item: _Message | _Output) -> dict[str, Any]:
    if isinstance(item, _Output):
        return {"role": "tool", "tool_call_id": item.call_id, "content": _text(item.output)}
    return {"role": item.role, "content": _text(item.content)}


def _text(content: _Content) -> str:
    return content if isinstance(content, str) else "".join(part.text or "" for part in content)


def _tool(tool: _Function) -> dict[str, Any]:
    return {"type": "function", "function": tool.model_dump(exclude={"type"})}


def _choice(ask: ResponsesAsk) -> Any:
    if isinstance(ask.tool_choice, _Choice):
        return {"type": "function", "function": {"name": ask.tool_choice.name}}
    return ask.tool_choice if ask.tools else None


def _format(ask: ResponsesAsk) -> dict[str, Any] | None:
    form = ask.text.format if ask.text else None
    if isinstance(form, _SchemaFormat):
        schema = {"name": form.name, "schema": form.schema_, "strict": form.strict}
        return {"type": "json_schema", "json_schema": schema}
    return {"type": form.type} if form else None
