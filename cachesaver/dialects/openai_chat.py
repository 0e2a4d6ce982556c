"""OpenAI's Chat Completions and everything that speaks it (vLLM, Ollama, OpenRouter, gateways ...).

A request is one of these when its path ends in `/chat/completions` and its body names a model (but
where the path names a deployment) and holds messages with roles, on any host. A row may enter a
table below only with a source; where one API of the many that share this format differs, the field
stays in the question. What a host has to itself stands in `chat_hosts`.

What passes through: xAI's `deferred` and Zhipu's `/async/` (the answer is a job, not a sample), beam
search and `best_of` (the choices of one such answer are not independent draws).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cachesaver.dialects import chat_usage, content_parts
from cachesaver.dialects.chat_hosts import ELSEWHERE, ON_OPENAI, SIGNED, ChatHost, serving
from cachesaver.dialects.choices import ChoicesDialect, Object
from cachesaver.dialects.counting import asked_n
from cachesaver.dialects.hosts import NO_MODEL_PATHS, OPENAI, host_of, path_of
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.merging import as_list, as_object, merge
from cachesaver.errors import DialectError
from cachesaver.exchange import Request

__all__ = [
    "OPENAI_LABELS",
    "OPENAI_VOLATILE",
    "CompatibleChat",
    "OpenAIChat",
    "has_messages",
    "has_model",
    "is_openai",
    "is_signed",
]

OPENAI_VOLATILE: Mapping[str, str] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference/chat/create, field by field.
        "stream": "the form of the answer, not the answer",
        "stream_options": "which events frame the answer",
        "safety_identifier": "an end user's identifier, for abuse detection",
        "service_tier": "price and latency of the same model",
        "prompt_cache_key": "which machine is likely to hold the prompt's prefix",
        "prompt_cache_retention": "how long the prompt's prefix is kept",
        "prompt_cache_options": "where and how long the prompt's prefix is kept",
    }
)

OPENAI_LABELS: Mapping[str, str] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference/chat/create, field by field.
        "user": "an end user's identifier, for abuse detection and cache routing",
        "metadata": "labels for the account's own stored completions",
    }
)
"""What shapes no answer of OpenAI's and may shape others': Letta takes the agent that answers from
`user` (https://github.com/letta-ai/letta, its OpenAI-compatible endpoint), LiteLLM the deployment from
`metadata.tags` (https://docs.litellm.ai/docs/proxy/reject_clientside_metadata_tags)."""

_NOT_INDEPENDENT = frozenset({"best_of", "use_beam_search"})
"""https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (extra parameters)."""

_MOST = 4096
"""The largest `n` taken on where no maximum is documented."""

_REASONING = ("reasoning_content", "reasoning", "reasoning_details")
"""What compatible providers stream before the content: DeepSeek and vLLM; Groq and OpenRouter."""


class CompatibleChat(ChoicesDialect):
    """Chat Completions, on a host of the row *host* and no other.

    No default is dropped: vLLM takes the sampling parameters that a request leaves out from the
    model's `generation_config.json`, Mistral's and Ollama's depend on the model.

    Args:
        host: What is known of it; without it, any host that has no row with particulars.
    """

    name = "openai.chat"
    endpoints: tuple[str, ...] = (r"(?<!/async)/chat/completions",)
    volatile: Mapping[str, str] = MappingProxyType(
        {
            **OPENAI_VOLATILE,
            "n": "how many samples, not which",
            "store": "whether the account keeps a copy",
        }
    )
    part = "message"
    whole_object = "chat.completion"
    chunk_object = "chat.completion.chunk"

    def __init__(self, host: ChatHost = ELSEWHERE) -> None:
        self.host = host
        self.volatile = MappingProxyType({**self.volatile, **host.noise})
        self.headers = self.headers | host.headers
        self.max_count = host.choices or self.max_count
        self.most = (host.choices if host.refuses else None) or _MOST
        """The largest `n` taken on; a request for more passes through to its server."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host.name!r})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            self._serves(request)
            and has_messages(body)
            and self._has_model(request, body)
            and (asked_n(body) or self.most + 1) <= self.most
            and (_NOT_INDEPENDENT.isdisjoint(body) or not any(map(body.get, _NOT_INDEPENDENT)))
            and body.get("deferred") is not True
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are these."""
        if self.host is SIGNED:
            return is_signed(request)
        return serving(host_of(request.url)) is self.host and not is_signed(request)

    def _has_model(self, request: Request, body: Mapping[str, object]) -> bool:
        model = body.get("model")
        if model is None:
            told = self.host.is_model or NO_MODEL_PATHS.search(path_of(request.url)) is not None
            return told or any(body.get(field) for field in self.host.named_by)
        return isinstance(model, str) and bool(model)

    def _folded(self, chunks: Iterator[Object]) -> Object:
        answer = super()._folded(map(chat_usage.usage_taken_out, chunks))
        return {**self.host.in_whole, **answer}

    def _chunks(self, answer: Object, *, wants_usage: bool) -> Iterator[Object]:
        last = chat_usage.usage_in_last(answer, unasked=self.host.tells_usage)
        chunks = super()._chunks(answer, wants_usage=wants_usage and "usage" not in last)
        return chat_usage.told_last(chunks, last)

    def _fold(self, piece: Object, into: Object) -> None:
        given = into.setdefault("message", {})
        if piece.get("delta") is None:
            return
        message = as_object(given, "a message", dialect=self.name)
        delta = as_object(piece["delta"], "a delta", dialect=self.name)
        if is_list(delta.get("content")) or is_list(message.get("content")):
            delta = dict(delta)
            parts = content_parts.joined(
                message.get("content"), delta.pop("content", None), dialect=self.name
            )
            message["content"] = parts
        if _ends_padded(message.get("audio")) and is_object(delta.get("audio")):
            # https://platform.openai.com/docs/guides/audio: each piece is base64 of its own.
            raise DialectError("sound is told in pieces", dialect=self.name)
        merge(message, delta, dialect=self.name)

    def _finish(self, choice: Object) -> Object:
        message = as_object(choice.pop("message"), "a message", dialect=self.name)
        whole: Object = {"role": "assistant", "content": None, **message}
        if is_list(calls := whole.get("tool_calls")):
            whole["tool_calls"] = [_but_index(call) for call in sorted(calls, key=_index_of)]
        return {"index": choice.pop("index"), "message": whole, "finish_reason": None, **choice}

    def _pieces(self, choice: Object, index: int) -> Iterator[Object]:
        message = as_object(choice.get("message"), "a message", dialect=self.name)
        rest = {key: value for key, value in choice.items() if key not in ("index", "message")}
        common: Object = {"index": index, "finish_reason": None}
        if "logprobs" in rest:
            common["logprobs"] = None
        for delta in self._deltas(message):
            tells = delta.get("content") and is_object(rest.get("logprobs"))
            logprobs: Object = {"logprobs": rest.pop("logprobs")} if tells else {}
            yield {**common, "delta": {**self.host.in_delta, **delta}, **logprobs}
        yield {**common, "delta": dict(self.host.in_delta), **rest}

    def _deltas(self, message: Object) -> Iterator[Object]:
        """The message in the order in which it is streamed: role, thought, text, the rest, calls."""
        left = dict(message)
        content = left.pop("content", None)
        calls: object = left.pop("tool_calls") if left.get("tool_calls") else []
        head: Object = {"role": left.pop("role", "assistant")}
        head["content"] = "" if isinstance(content, str) else None
        yield {**head, **{key: None for key, value in left.items() if value is None}}
        left = {key: value for key, value in left.items() if value is not None}
        for key in _REASONING:
            if key in left:
                yield {key: left.pop(key)}
        if content:
            yield {"content": content}
        if left:
            yield left
        for index, call in enumerate(as_list(calls, "tool_calls", dialect=self.name)):
            whole = as_object(call, "a tool call", dialect=self.name)
            yield {"tool_calls": [{**whole, "index": index}]}


class OpenAIChat(CompatibleChat):
    """Chat Completions of OpenAI itself, whose defaults are documented for all its models."""

    # https://github.com/openai/openai-openapi (openapi.yaml, CreateChatCompletionRequest). Left out
    # although they have one there: top_p, reasoning_effort and verbosity (differ by model: gpt-5.2 to 5.6
    # answer with a top_p of 0.98 where none was asked for, recorded exchanges), service_tier, stream, n
    # and store (not in the question anyway).
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "temperature": 1,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "logprobs": False,
            "parallel_tool_calls": True,
        }
    )
    usage_unasked = False

    def __init__(self) -> None:
        super().__init__(ON_OPENAI)
        self.volatile = MappingProxyType({**self.volatile, **OPENAI_LABELS})


def _ends_padded(audio: object) -> bool:
    sound = audio.get("data") if is_object(audio) else None
    return isinstance(sound, str) and sound.endswith("=")


def is_openai(request: Request) -> bool:
    """Tell whether *request* goes to OpenAI itself."""
    return OPENAI.fullmatch(host_of(request.url)) is not None


def is_signed(request: Request) -> bool:
    """Tell whether none but the caller can change the body of *request*."""
    return (request.header("authorization") or "").startswith("AWS4-")


def has_messages(body: Mapping[str, object]) -> bool:
    """Tell whether *body* holds messages, each with a role."""
    messages = body.get("messages")
    return (
        is_list(messages)
        and bool(messages)
        and all(is_object(m) and isinstance(m.get("role"), str) for m in messages)
    )


def has_model(request: Request, body: Mapping[str, object]) -> bool:
    """Tell whether *body* names a model, or the path a deployment."""
    model = body.get("model")
    if model is None:
        return NO_MODEL_PATHS.search(path_of(request.url)) is not None
    return isinstance(model, str) and bool(model)


def _index_of(call: object) -> int:
    index = call.get("index") if is_object(call) else None
    return index if isinstance(index, int) else 0


def _but_index(call: object) -> object:
    if not is_object(call):
        return call
    return {key: value for key, value in call.items() if key != "index"}
