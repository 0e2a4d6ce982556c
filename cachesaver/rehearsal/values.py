"""What is asked, what is said and what goes over the wire: the values of the rehearsal.

Values only: no socket, no clock, no randomness of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from random import Random
from typing import Any, Protocol, runtime_checkable

import orjson

from cachesaver.rehearsal.tokens import count_tokens, split_tokens

__all__ = [
    "Api",
    "Ask",
    "Call",
    "Finish",
    "Frame",
    "Message",
    "NamesErrors",
    "Prompt",
    "RejectedError",
    "Take",
    "Tool",
    "Utterance",
    "Voice",
    "digest",
]


def digest(*parts: object) -> str:
    """Return 64 hex digits that depend on *parts* (JSON values) and nothing else."""
    return sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of the conversation.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`, whatever the API calls it.
        text: All text parts, joined with newlines.
        attachments: How many images, files and the like it has beside the text.
    """

    role: str
    text: str
    attachments: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function the model may call; *parameters* is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a voice is given to answer.

    Attributes:
        messages: In order; instructions outside the conversation come first, as `system`.
        tools: Those it may call; empty when `tool_choice` forbids.
        forced: Name of the tool it must call, `"*"` for any one, None where it is free.
        schema: JSON schema that the text must satisfy; empty for any JSON object, None for text.
        temperature: From 0, as the caller set it; 1 when not.
        tag: Name of the sample to be spoken: `QUESTION#ORDINAL`, such as `"3f2a1b9c#0"`.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    forced: str | None = None
    schema: Mapping[str, Any] | None = None
    temperature: float = 1.0
    tag: str = ""

    @property
    def text(self) -> str:
        """The text of the last message; empty when there is none."""
        return self.messages[-1].text if self.messages else ""

    @property
    def tokens(self) -> int:
        """Tokens of the prompt: 3, and per message 4 + its text + 85 an attachment, and the tools."""
        turns = sum(4 + count_tokens(m.text) + 85 * m.attachments for m in self.messages)
        tools = sum(
            8 + count_tokens(t.name + t.description) + count_tokens(dumps(t.parameters))
            for t in self.tools
        )
        return 3 + turns + tools


def dumps(value: object) -> str:
    """Return *value* as compact JSON."""
    return orjson.dumps(value, default=dict).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the tool *name*."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What a voice says: a text, calls of tools, or both."""

    text: str = ""
    calls: tuple[Call, ...] = ()


Voice = Callable[[Prompt, Random], Utterance]
"""Answer a prompt. All chance comes from the generator: the same seed says the same thing."""


class Finish(enum.Enum):
    """Why an answer ended; each API has its own words for these."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "calls"
    SEQUENCE = "sequence"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request, read.

    Attributes:
        endpoint: Such as `"openai.chat"`.
        model: As the caller named it.
        prompt: Without a tag yet.
        shape: Body fields that shape the answer, nulls left out; with *endpoint* and *model* the
            question. How many samples are asked for, and whether as a stream, is not in here.
        count: Samples asked for.
        stream: Whether the answer is to be streamed.
        limit: Most tokens of text in one sample, or None.
        stops: Texts that end a sample before they are said.
        billed: Prompt tokens that are paid for; None for those of *prompt*.
        content_type: Of a whole answer to this; empty for that of the API.
        body: The parsed request body, for what only the API itself understands.
    """

    endpoint: str
    model: str
    prompt: Prompt
    shape: Mapping[str, Any]
    count: int = 1
    stream: bool = False
    limit: int | None = None
    stops: tuple[str, ...] = ()
    billed: int | None = None
    content_type: str = ""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens that are paid for."""
        return self.prompt.tokens if self.billed is None else self.billed

    @cached_property
    def question(self) -> str:
        """Digest of what is asked: 64 hex digits."""
        return digest(self.endpoint, self.model, self.shape)


@dataclass(frozen=True, kw_only=True)
class Take:
    """One sample of a question, as it was spoken and cut.

    Attributes:
        question: As `Ask.question`.
        ordinal: Which sample of that question it is, from 0.
        stopped_by: The stop sequence it ran into, where *finish* is SEQUENCE.
    """

    question: str
    ordinal: int
    text: str
    finish: Finish
    calls: tuple[Call, ...] = ()
    stopped_by: str | None = None

    @property
    def tag(self) -> str:
        """Short name, `QUESTION#ORDINAL`."""
        return f"{self.question[:8]}#{self.ordinal}"

    def id(self, prefix: str, *parts: object) -> str:
        """Return *prefix* and 24 hex digits that only this sample has."""
        return prefix + digest(self.question, self.ordinal, prefix, *parts)[:24]

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The text, token by token."""
        return split_tokens(self.text)

    @cached_property
    def call_pieces(self) -> tuple[tuple[str, ...], ...]:
        """The arguments of each call as JSON, token by token."""
        return tuple(split_tokens(dumps(call.arguments)) for call in self.calls)

    @property
    def tokens(self) -> int:
        """Tokens said: of the text, and of each call's name and arguments."""
        names = sum(count_tokens(call.name) for call in self.calls)
        return len(self.pieces) + names + sum(map(len, self.call_pieces))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A piece of a streamed body, due when *step* tokens of each sample have been spoken."""

    body: bytes
    step: int = 0


@dataclass(eq=False)
class RejectedError(Exception):
    """A request that this API answers with an error.

    Attributes:
        status: 400 to 599.
        message: Shown to the caller.
        param: The field that is wrong, or None.
        code: The API's machine-readable name for it, or None.
        retry_after: Seconds to wait, or None.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: float | None = None

    def __post_init__(self) -> None:
        super().__init__(f"{self.status}: {self.message}")


class Api(Protocol):
    """One provider API: how its requests read and how its answers are written. Pure.

    Attributes:
        content_type: Of a whole answer.
        event_stream: Content type of a stream.
        pretty: Whether whole answers are indented.
        overloaded: Status of its answer when it has too much to do.
    """

    content_type: str
    event_stream: str
    pretty: bool
    overloaded: int

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked.

        Args:
            path: Of the request, percent-decoded.
            body: Its JSON object, or the fields of its form, of a file the digest of its content.

        Raises:
            RejectedError: The provider would not accept it.
        """
        ...

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any] | bytes:
        """Return the body of the answer: a JSON object, or bytes of *content_type*."""
        ...

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the answer as a stream."""
        ...

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return the body of an error answer."""
        ...

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return the piece of a stream that says that something went wrong after *place* pieces."""
        ...

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return the headers of the *serial*-th answer, from 0."""
        ...


@runtime_checkable
class NamesErrors(Protocol):
    """An API that says in a header, too, which error it is."""

    def error_headers(self, error: RejectedError) -> Mapping[str, str]:
        """Return what the head of an error answer says of it."""
        ...
