"""Ollama's own APIs: https://github.com/ollama/ollama/blob/main/docs/api.md.

Names of models are anything, as elsewhere in the rehearsal. Whoever asks a model to think is shown
a thought; whoever leaves out the prompt is told that the model was loaded.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.rehearsal.openai_common import EPOCH, read_tools
from cachesaver.rehearsal.reading import listed, mapped, number, required, without
from cachesaver.rehearsal.tokens import count_tokens, split_tokens
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
    dumps,
)

__all__ = ["EmbedApi", "EmbeddingsApi", "OllamaChatApi", "OllamaGenerateApi"]

_NOT_SHAPING = frozenset({"stream", "keep_alive"})

_DONE_REASONS = MappingProxyType(
    {
        Finish.STOP: "stop",
        Finish.SEQUENCE: "stop",
        Finish.CALLS: "stop",
        Finish.LENGTH: "length",
    }
)

_DIMENSIONS = 16
"""Of an embedding, when none are asked for: enough to tell texts apart."""

_TICK = 1_000_000
"""Nanoseconds that a token takes, and a model to load: answers do not depend on a clock."""


class _OllamaApi:
    """The half of `Api` that does not depend on the endpoint."""

    content_type = "application/json; charset=utf-8"
    event_stream = "application/x-ndjson"
    pretty = False
    overloaded = 503

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"error": MESSAGE}`."""
        return {"error": error.message}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return a line that holds an error body."""
        return _line(self.error(error))

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return nothing: it sends none of its own."""
        return {}


class _SamplingApi(_OllamaApi, ABC):
    """What its two sampling APIs share."""

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the answer; without a take, that the model was loaded."""
        if not takes:
            return {**_head(ask, 0), **self._said(""), "done": True, "done_reason": "load"}
        (take,) = takes
        more = {"logprobs": _logprobs(take)} if ask.body.get("logprobs") is True else {}
        said = self._said(take.text, _thought(ask, take), _calls(take))
        return {**_head(ask, take.ordinal), **said, **self._end(ask, take), **more}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate lines: a token each, then each call, then how it ended."""
        (take,) = takes
        head, told = _head(ask, take.ordinal), iter(_logprobs(take))
        more = ask.body.get("logprobs") is True
        for piece in split_tokens(_thought(ask, take)):
            yield Frame(body=_line({**head, **self._said("", piece), "done": False}))
        for step, piece in enumerate(take.pieces, 1):
            logprobs = {"logprobs": [next(told)]} if more else {}
            line = {**head, **self._said(piece), "done": False, **logprobs}
            yield Frame(body=_line(line), step=step)
        for call in _calls(take):
            line = {**head, **self._said("", "", [call]), "done": False}
            yield Frame(body=_line(line), step=take.tokens)
        last = {**head, **self._said(""), **self._end(ask, take)}
        yield Frame(body=_line(last), step=take.tokens)

    @abstractmethod
    def _said(self, text: str, thought: str = "", calls: Any = ()) -> dict[str, Any]:
        """The part of an answer or a line that holds what is said."""

    def _end(self, ask: Ask, take: Take) -> dict[str, Any]:
        """How it ended, and what it took."""
        thought = count_tokens(_thought(ask, take))
        return {
            "done": True,
            "done_reason": _DONE_REASONS[take.finish],
            "total_duration": (ask.prompt.tokens + take.tokens + thought + 1) * _TICK,
            "load_duration": _TICK,
            "prompt_eval_count": ask.prompt.tokens,
            "prompt_eval_duration": ask.prompt.tokens * _TICK,
            "eval_count": take.tokens + thought,
            "eval_duration": (take.tokens + thought) * _TICK,
        }


class OllamaChatApi(_SamplingApi):
    """`POST …/api/chat`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; nothing, where there are no messages."""
        messages = tuple(map(_message, listed(body.get("messages"))))
        prompt = Prompt(messages=messages, tools=read_tools(body.get("tools")))
        return _ask("ollama.chat", body, prompt)

    def _said(self, text: str, thought: str = "", calls: Any = ()) -> dict[str, Any]:
        thinking = {"thinking": thought} if thought else {}
        tools = {"tool_calls": calls} if calls else {}
        return {"message": {"role": "assistant", "content": text, **thinking, **tools}}


class OllamaGenerateApi(_SamplingApi):
    """`POST …/api/generate`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; nothing, where there is no prompt."""
        said = [("system", body.get("system")), ("user", body.get("prompt"))]
        messages = tuple(Message(role=role, text=str(text)) for role, text in said if text)
        asked = messages if body.get("prompt") else ()
        return _ask("ollama.generate", body, Prompt(messages=asked))

    def _said(self, text: str, thought: str = "", calls: Any = ()) -> dict[str, Any]:
        return {"response": text, **({"thinking": thought} if thought else {})}

    def _end(self, ask: Ask, take: Take) -> dict[str, Any]:
        end = super()._end(ask, take)
        if ask.body.get("raw") is True:
            return end
        return {**end, "context": [len(piece) for piece in take.pieces]}


class EmbedApi(_OllamaApi):
    """`POST …/api/embed`: the same text has the same vector, always."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be embedded: one message a text."""
        given = body.get("input")
        texts = listed(given) or ([given] if given else [])
        if not all(isinstance(text, str) for text in texts):
            raise RejectedError(400, "invalid input type", "input")
        return _embedding("ollama.embed", body, texts)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a list of vectors of length 1."""
        size = ask.body.get("dimensions") or _DIMENSIONS
        texts = [message.text for message in ask.prompt.messages]
        return {
            "model": ask.model,
            "embeddings": [_vector(ask.model, text, size) for text in texts],
            "total_duration": (ask.prompt_tokens + 1) * _TICK,
            "load_duration": _TICK,
            "prompt_eval_count": ask.prompt_tokens,
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: embeddings are not streamed."""
        return iter(())


class EmbeddingsApi(EmbedApi):
    """`POST …/api/embeddings`: one text, and a vector alone."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be embedded."""
        return _embedding("ollama.embeddings", body, [str(body.get("prompt") or "")])

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a vector of length 1."""
        (message,) = ask.prompt.messages
        return {"embedding": _vector(ask.model, message.text, _DIMENSIONS)}


def _ask(endpoint: str, body: Mapping[str, Any], prompt: Prompt) -> Ask:
    options, stops = mapped(body.get("options")), mapped(body.get("options")).get("stop")
    limit, asks = options.get("num_predict"), bool(prompt.messages)
    format_ = body.get("format")
    return Ask(
        endpoint=endpoint,
        model=required(body, "model", str),
        prompt=replace(
            prompt,
            schema=mapped(format_) if format_ else None,
            temperature=number(options, "temperature", 0.8, 10.0),
        ),
        shape=without(body, _NOT_SHAPING),
        count=1 if asks else 0,
        stream=asks and body.get("stream") is not False,
        limit=limit if isinstance(limit, int) and limit > 0 else None,
        stops=tuple(s for s in (listed(stops) or [stops]) if isinstance(s, str) and s),
        body=body,
    )


def _embedding(endpoint: str, body: Mapping[str, Any], texts: list[str]) -> Ask:
    return Ask(
        endpoint=endpoint,
        model=required(body, "model", str),
        prompt=Prompt(messages=tuple(Message(role="user", text=text) for text in texts)),
        shape=without(body, _NOT_SHAPING),
        count=0,
        billed=sum(map(count_tokens, texts)),
        body=body,
    )


def _message(given: object) -> Message:
    message = mapped(given)
    calls = "".join(dumps(call) for call in listed(message.get("tool_calls")))
    return Message(
        role=str(message.get("role")),
        text=str(message.get("content") or "") + calls,
        attachments=len(listed(message.get("images"))),
    )


def _head(ask: Ask, ordinal: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(EPOCH + ordinal, UTC)
    return {"model": ask.model, "created_at": moment.isoformat().replace("+00:00", "Z")}


def _thought(ask: Ask, take: Take) -> str:
    if not ask.body.get("think"):
        return ""
    return f"[{take.tag}] {digest('thought', take.question, take.ordinal)[:8]} comes to mind."


def _calls(take: Take) -> list[dict[str, Any]]:
    return [
        {
            "id": take.id("call_", place)[:13],
            "function": {"index": place, "name": call.name, "arguments": dict(call.arguments)},
        }
        for place, call in enumerate(take.calls)
    ]


def _logprobs(take: Take) -> list[dict[str, Any]]:
    return [
        {
            "token": piece,
            "logprob": -int(digest(take.question, take.ordinal, n)[:3], 16) / 1000,
            "bytes": list(piece.encode()),
        }
        for n, piece in enumerate(take.pieces)
    ]


def _line(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"


def _vector(model: str, text: str, size: int) -> list[float]:
    rng = Random(digest(model, text))  # noqa: S311  # reproducible on purpose
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in raw))
    return [round(x / length, 9) for x in raw]
