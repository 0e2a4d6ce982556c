"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.openai_common import (
    EPOCH,
    OpenAIApi,
    interleaved,
    obfuscation,
    read_choice,
    read_tools,
    sse,
)
from cachesaver.rehearsal.reading import (
    integer,
    listed,
    mapped,
    number,
    pick,
    required,
    texts,
    without,
)
from cachesaver.rehearsal.thinking import thinking_deltas, thinking_message
from cachesaver.rehearsal.values import (
    Ask,
    Call,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
    dumps,
)

__all__ = ["ChatApi", "usage"]

NOT_SHAPING = frozenset(
    {
        # How many, in what form, and the account's own books: same reference page.
        "metadata",
        "n",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)

FINISH_REASONS = MappingProxyType(
    {
        Finish.STOP: "stop",
        Finish.SEQUENCE: "stop",
        Finish.LENGTH: "length",
        Finish.CALLS: "tool_calls",
    }
)


class ChatApi(OpenAIApi):
    """`POST …/chat/completions`.

    Attributes:
        tells_usage: Whether the last chunk of a stream tells the usage unasked, as at Mistral,
            DeepSeek and OpenRouter; else a chunk without choices does, to who asks.
    """

    def __init__(self, *, tells_usage: bool = False) -> None:
        self.tells_usage = tells_usage

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; *path* may name an Azure deployment, which is the model then."""
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = body.get("model") or deployment or required(body, "model", str)
        tools, forced = read_choice(body.get("tool_choice"), read_tools(body.get("tools")))
        return Ask(
            endpoint="openai.chat",
            model=str(model),
            prompt=Prompt(
                messages=tuple(map(_message, required(body, "messages", list))),
                tools=tools,
                forced=forced,
                schema=_schema(mapped(body.get("response_format"))),
                temperature=number(body, "temperature", 1.0, 2.0),
            ),
            shape=without(body, NOT_SHAPING),
            count=integer(body, "n", 1, 128) or 1,
            stream=body.get("stream") is True,
            limit=integer(body, "max_completion_tokens") or integer(body, "max_tokens"),
            stops=read_stops(body.get("stop")),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `chat.completion`."""
        return {
            **_head(ask, takes, "chat.completion"),
            "choices": [_choice(index, take, ask) for index, take in enumerate(takes)],
            "usage": usage(ask, takes),
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate `chat.completion.chunk`s, the choices interleaved, and `[DONE]`."""
        options = mapped(ask.body.get("stream_options"))
        asked = options.get("include_usage") is True and not self.tells_usage
        counted: dict[str, Any] = {"usage": None} if asked else {}
        head = {**_head(ask, takes, "chat.completion.chunk"), **counted}
        step, padded = 0, options.get("include_obfuscation") is not False

        for serial, (step, index, delta, finish) in enumerate(_deltas(takes, ask)):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
            more: dict[str, Any] = {}
            if padded:
                more["obfuscation"] = obfuscation(takes[index], serial)
            if self.tells_usage and finish is not None and index == len(takes) - 1:
                more["usage"] = usage(ask, takes)
            yield Frame(body=sse({**head, "choices": [choice], **more}), step=step)
        if counted:
            yield Frame(body=sse({**head, "choices": [], "usage": usage(ask, takes)}), step=step)
        yield Frame(body=b"data: [DONE]\n\n", step=step)


def read_stops(stop: object) -> tuple[str, ...]:
    """Return the stop sequences in *stop*: a text, a list of texts, or nothing."""
    return tuple(s for s in (listed(stop) or [stop]) if isinstance(s, str) and s)


def usage(ask: Ask, takes: tuple[Take, ...]) -> dict[str, Any]:
    """Return the usage block: the prompt once, what was said for every sample."""
    said = sum(take.tokens for take in takes)
    return {
        "prompt_tokens": ask.prompt.tokens,
        "completion_tokens": said,
        "total_tokens": ask.prompt.tokens + said,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _message(given: object) -> Message:
    message = mapped(given)
    if not isinstance(role := message.get("role"), str):
        raise RejectedError(400, "each of 'messages' must be an object with a 'role'", "messages")
    calls = "".join(dumps(call) for call in listed(message.get("tool_calls")))
    said = texts("system" if role == "developer" else role, message.get("content"))
    return Message(role=said.role, text=said.text + calls, attachments=said.attachments)


def _schema(format_: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if format_.get("type") == "json_schema":
        return mapped(pick({**format_, **mapped(format_.get("json_schema"))}, "schema"))
    # `value`: https://huggingface.co/docs/text-generation-inference/basic_tutorials/using_guidance
    return mapped(format_.get("value")) if format_.get("type") == "json_object" else None


def _head(ask: Ask, takes: tuple[Take, ...], kind: str) -> dict[str, Any]:
    return {
        "id": takes[0].id("chatcmpl-", len(takes)),
        "object": kind,
        "created": EPOCH + takes[0].ordinal,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": f"fp_{digest('fingerprint', ask.model)[:10]}",
    }


def _choice(index: int, take: Take, ask: Ask) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": take.text or (None if take.calls else ""),
        "refusal": None,
        "annotations": [],
    }
    if take.calls:
        message["tool_calls"] = [_call(take, n, call) for n, call in enumerate(take.calls)]
    return {
        "index": index,
        "message": thinking_message(message, take, ask.body),
        "logprobs": _logprobs(take, ask),
        "finish_reason": FINISH_REASONS[take.finish],
    }


def _call(take: Take, place: int, call: Call) -> dict[str, Any]:
    arguments = dumps(call.arguments)
    return {
        "id": take.id("call_", place),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _logprobs(take: Take, ask: Ask) -> dict[str, Any] | None:
    if ask.body.get("logprobs") is not True:
        return None
    return {
        "content": [
            {
                "token": piece,
                "logprob": -int(digest(take.question, take.ordinal, n)[:3], 16) / 1000,
                "bytes": list(piece.encode()),
                "top_logprobs": [],
            }
            for n, piece in enumerate(take.pieces)
        ],
        "refusal": None,
    }


def _deltas(
    takes: tuple[Take, ...], ask: Ask
) -> Iterator[tuple[int, int, dict[str, Any], str | None]]:
    for index, _ in enumerate(takes):
        yield 0, index, {"role": "assistant", "content": "", "refusal": None}, None
    for index, take in enumerate(takes):
        for delta in thinking_deltas(take, ask.body):
            yield 0, index, delta, None
    for step, index, piece in interleaved(takes):
        yield step, index, {"content": piece}, None
    for index, take in enumerate(takes):
        for place, call in enumerate(take.calls):
            yield from _call_deltas(index, take, place, call)
        yield take.tokens, index, {}, FINISH_REASONS[take.finish]


def _call_deltas(
    index: int, take: Take, place: int, call: Call
) -> Iterator[tuple[int, int, dict[str, Any], str | None]]:
    opened = _call(take, place, call)
    opened["function"] = {"name": call.name, "arguments": ""}
    spoken = len(take.pieces) + sum(map(len, take.call_pieces[:place]))
    yield spoken, index, {"tool_calls": [{"index": place, **opened}]}, None
    for step, piece in enumerate(take.call_pieces[place], spoken + 1):
        delta = {"index": place, "function": {"arguments": piece}}
        yield step, index, {"tool_calls": [delta]}, None
