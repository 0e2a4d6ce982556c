"""From the body of a chat request to samples that are drawn: prompt, tools, form of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from cachesaver.local.app.calls import MARKS
from cachesaver.local.app.chat_ask import (
    Assistant,
    ChatAsk,
    Function,
    JsonObject,
    JsonSchema,
    Message,
    NamedFunction,
    Result,
)
from cachesaver.local.app.grammars import ANY_OBJECT
from cachesaver.local.app.jobs import Job
from cachesaver.local.app.ordering import Order, params_of, place
from cachesaver.local.app.reading import AT_ONCE, read_json
from cachesaver.local.app.refusals import unsupported
from cachesaver.local.app.served import Served
from cachesaver.local.app.speeches import AnyCall, Choosing, NamedCall, Plain, Speech
from cachesaver.local.guides import Guide

__all__ = ["Manner", "manner_of", "order_chat", "spoken"]

Guides = Callable[[int], Guide]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the model may answer.

    Attributes:
        tools: That it is shown, as its template takes them.
        guide: What holds it to a form; `None`: nothing.
        speech: Makes the speech of a sample, from what names it.
        shown: Special tokens that are part of an answer: they mark calls.
    """

    tools: Sequence[Mapping[str, Any]]
    guide: Guides | None
    speech: Callable[[str], Speech]
    shown: frozenset[int] = frozenset()


def order_chat(
    served: Served, ask: ChatAsk, first_index: int, pool: Executor
) -> tuple[Job, Manner]:
    """Have *ask* drawn.

    Raises:
        Refusal: The model cannot, or the endpoint.
    """
    served.writer  # noqa: B018  # or refuses
    manner = manner_of(served, ask)
    extras = ask.chat_template_kwargs or {}
    prompt = served.tongue.render([*map(spoken, ask.messages)], manner.tools, extras)
    params = params_of(
        ask,
        max_tokens=ask.limit,
        logprobs=(ask.top_logprobs or 0) if ask.logprobs else None,
    )
    order = Order(
        # A template writes all special tokens itself.
        prompts=[served.tongue.encode(prompt, special=False)],
        n=ask.n or 1,
        params=params,
        param="messages",
        stops=ask.stops,
        first_index=first_index,
        guide=manner.guide,
        shown=manner.shown,
    )
    return place(served, order, pool), manner


def manner_of(served: Served, ask: ChatAsk) -> Manner:
    """Return how the model may answer *ask*.

    Raises:
        Refusal: It asks for what is not supported.
    """
    schema = _schema(ask)
    tools = [] if ask.tool_choice == "none" else [tool.function for tool in ask.tools or ()]
    if schema is not None:
        if tools:
            raise unsupported(
                "response_format",
                "response_format together with tools is not supported by a local model: "
                'say tool_choice "none", or leave one of them out',
            )
        guide = served.grammars.guide(schema, "response_format")
        return Manner(tools=(), guide=guide, speech=lambda _: Plain())
    if not tools:
        return Manner(tools=(), guide=None, speech=lambda _: Plain())
    return _with_tools(served, ask, tools)


def _with_tools(served: Served, ask: ChatAsk, tools: Sequence[Function]) -> Manner:
    shown = [{"type": "function", "function": tool.model_dump(exclude_none=True)} for tool in tools]
    names = [tool.name for tool in tools]
    if isinstance(ask.tool_choice, NamedFunction):
        name = ask.tool_choice.function.name
        schema = _arguments(tools[names.index(name)])
        guide = served.grammars.guide(schema, "tool_choice")
        return Manner(tools=shown, guide=guide, speech=lambda origin: NamedCall(origin, name))
    if ask.tool_choice == "required":
        calls = {tool.name: _arguments(tool) for tool in tools}
        guide = served.grammars.guide_to_call(calls, "tool_choice")
        return Manner(tools=shown, guide=guide, speech=AnyCall)
    strictly = _strictly(served, tools) if any(tool.strict for tool in tools) else None
    most = 1 if ask.parallel_tool_calls is False else None
    marks = frozenset(at for mark in MARKS if (at := served.tongue.id_of(mark)) is not None)
    return Manner(
        tools=shown,
        guide=strictly,
        speech=lambda origin: Choosing(origin, names, most=most),
        shown=marks | _inner_marks(served),
    )


def _strictly(served: Served, tools: Sequence[Function]) -> Guides:
    """Return what holds the model to the schemas of *tools* where it calls one."""
    if not served.tongue.calls_like_hermes:
        raise unsupported(
            "tools",
            "with this model, strict functions are supported if tool_choice is "
            '"required" or names one: say so, or leave strict out',
        )
    calls = {tool.name: _arguments(tool) for tool in tools}
    return served.grammars.guide_in_calls(calls, served.tongue.decode, "tools")


def _inner_marks(served: Served) -> frozenset[int]:
    ids = (served.tongue.id_of(each) for each in ("[ARGS]", "[CALL_ID]", "</tool_call>"))
    return frozenset(each for each in ids if each is not None)


def _arguments(tool: Function) -> Mapping[str, Any]:
    return tool.parameters or ANY_OBJECT


def _schema(ask: ChatAsk) -> Mapping[str, Any] | None:
    match ask.response_format:
        case JsonSchema():
            return ask.response_format.json_schema.schema_
        case JsonObject():
            return ANY_OBJECT
        case _:
            return None


def spoken(message: Message) -> dict[str, Any]:
    """Return *message* as chat templates take it."""
    said: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.role == "developer":
        said["role"] = "system"  # no template knows the newer name
    if isinstance(message, Result):
        said["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        said["name"] = message.name
    if isinstance(message, Assistant) and message.tool_calls:
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.function.name,
                    "arguments": _as_object(call.function.arguments),
                },
            }
            for call in message.tool_calls
        ]
    return said


def _as_object(arguments: str) -> Any:
    """Return *arguments* as templates take them: an object, where OpenAI has its JSON."""
    try:
        read = json.loads(arguments) if len(arguments) < AT_ONCE else read_json(arguments.encode())
    except ValueError:
        return arguments
    return read if isinstance(read, dict) else arguments
