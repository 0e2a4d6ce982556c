"""The body of a request for a chat completion: https://platform.openai.com/docs/api-reference/chat/create."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, WrapValidator, field_validator, model_validator

from cachesaver.local.app.bodies import Body, Listed, Metadata, Sampling, Seed, StreamOptions

__all__ = [
    "ChatAsk",
    "Choice",
    "Function",
    "JsonObject",
    "JsonSchema",
    "Message",
    "NamedFunction",
    "Tool",
]

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Part(Body):
    """A part of a message: of text, the only kind there is."""

    type: str
    text: str | None = None
    image_url: Any = None
    input_audio: Any = None
    file: Any = None

    @model_validator(mode="after")
    def _is_text(self) -> Part:
        if self.type != "text" or self.text is None:
            raise ValueError(
                f"a part of type {self.type!r} is not supported: a local model reads text"
            )
        return self


Content: TypeAlias = str | Listed[Part]


def _text(content: Content | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.text or "" for part in content)


class Called(Body):
    """The function of a call that the model made."""

    name: str
    arguments: str


class Call(Body):
    """A call that the model made."""

    id: str
    type: Literal["function"] = "function"
    function: Called


class _Said(Body):
    content: Content
    name: str | None = None

    @property
    def text(self) -> str:
        """The content, of one piece."""
        return _text(self.content)


class System(_Said):
    """What the model is told to be; `developer` is the newer name of it."""

    role: Literal["system", "developer"]


class User(_Said):
    """What the user said."""

    role: Literal["user"]


class Result(_Said):
    """What a call gave."""

    role: Literal["tool"]
    tool_call_id: str


class Assistant(Body):
    """What the model said."""

    role: Literal["assistant"]
    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: Listed[Call] | None = None
    # What our answers carry and agents send back.
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    @property
    def text(self) -> str:
        """The content, of one piece."""
        return _text(self.content) or self.refusal or ""

    @model_validator(mode="after")
    def _says_something(self) -> Assistant:
        if self.content is None and not self.tool_calls and self.refusal is None:
            raise ValueError("content is missing, and there are no tool_calls")
        return self


Message: TypeAlias = Annotated[System | User | Result | Assistant, Field(discriminator="role")]


class Function(Body):
    """A function that the model may call."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Body):
    """A tool: a function, the only kind there is."""

    type: Literal["function"]
    function: Function


class _Name(Body):
    name: Name


class NamedFunction(Body):
    """A choice of one function."""

    type: Literal["function"]
    function: _Name


Choice: TypeAlias = Literal["none", "auto", "required"] | NamedFunction


class _Text(Body):
    type: Literal["text"]


class JsonObject(Body):
    """Any JSON object."""

    type: Literal["json_object"]


class _Schema(Body):
    name: Name
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict[str, Any], alias="schema")
    strict: bool | None = None


class JsonSchema(Body):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: _Schema


Format: TypeAlias = Annotated[_Text | JsonObject | JsonSchema, Field(discriminator="type")]


def _biases(given: Any, judge: Callable[[Any], dict[str, float]]) -> dict[str, float]:
    """Return *given* if it is biases; what is wrong with it, *judge* says, who looks at all in one go."""
    is_right = isinstance(given, dict) and all(
        type(each) in {int, float} for each in given.values()
    )
    biases = given if is_right else judge(given)
    for token, bias in biases.items():
        if not token.isdecimal() or len(token) > 9:  # noqa: PLR2004
            raise ValueError(f"{token[:20]!r} is not the number of a token")
        if not -100 <= bias <= 100:  # noqa: PLR2004
            raise ValueError(f"a bias must be from -100 to 100, not {bias:g}")
    return biases


Biases = Annotated[dict[str, float], WrapValidator(_biases)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Stop = Annotated[str, Field(min_length=1)]
Stops = Stop | Annotated[list[Stop], Field(max_length=4, fail_fast=True)]
Tokens = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Drawing(Sampling):
    """What both kinds of completion take."""

    frequency_penalty: Penalty | None = None
    logit_bias: Biases | None = None
    max_tokens: Tokens | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    presence_penalty: Penalty | None = None
    seed: Seed | None = None
    stop: Stops | None = None
    stream_options: StreamOptions | None = None
    ignore_eos: bool | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @model_validator(mode="after")
    def _streams_what_it_shapes(self) -> Drawing:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options is only allowed when stream is true")
        return self


class ChatAsk(Drawing):
    """A request for chat completions."""

    messages: Annotated[Listed[Message], Field(min_length=1)]
    logprobs: bool | None = None
    max_completion_tokens: Tokens | None = None
    metadata: Metadata | None = None
    modalities: Listed[Literal["text"]] | None = None
    parallel_tool_calls: bool | None = None
    prompt_cache_key: str | None = None
    response_format: Format | None = None
    safety_identifier: str | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: Literal[False] | None = None
    tool_choice: Choice | None = None
    tools: Annotated[list[Tool], Field(max_length=128, fail_fast=True)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    # As vLLM and SGLang have it: variables of the chat template.
    chat_template_kwargs: dict[str, Any] | None = None

    @field_validator("chat_template_kwargs")
    @classmethod
    def _leaves_ours_alone(cls, given: dict[str, Any] | None) -> dict[str, Any] | None:
        if taken := {"tokenize", "return_dict", "tools", "conversation", "chat_template"} & set(
            given or ()
        ):
            raise ValueError(f"{min(taken)} cannot be set here")
        return given

    @model_validator(mode="after")
    def _is_consistent(self) -> ChatAsk:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs is only allowed when logprobs is true")
        if None is not self.max_tokens != self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens cannot both be set")
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise ValueError("two tools have the same name")
        if self.tool_choice not in (None, "none") and not names:
            raise ValueError("tool_choice is only allowed when tools are given")
        if (
            isinstance(self.tool_choice, NamedFunction)
            and self.tool_choice.function.name not in names
        ):
            raise ValueError(
                f"tool_choice names {self.tool_choice.function.name!r}, which is no tool"
            )
        return self

    @property
    def limit(self) -> int | None:
        """The most tokens of an answer."""
        return self.max_completion_tokens or self.max_tokens
