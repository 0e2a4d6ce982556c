"""Bedrock's InvokeModel and InvokeModelWithResponseStream: each family of models in its own format.

The path says that it is one of them, the body and the model which format it has. Only Anthropic's is
read; an answer of any other is kept and given as it came, a stream as a stream.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects import anthropic_stream, anthropic_whole, aws_events, bedrock, forms
from cachesaver.dialects.anthropic_messages import AnthropicMessages
from cachesaver.dialects.bedrock import BedrockDialect
from cachesaver.dialects.routing import ROUTED
from cachesaver.errors import DialectError
from cachesaver.exchange import Headers, Request, Response, without_headers

__all__ = ["InvokeClaude", "InvokeEmbedding", "InvokeOther"]

Object = dict[str, object]

_METRICS = "amazon-bedrock-invocationMetrics"
"""What the last chunk of every family's stream holds beside its own words (recorded exchanges)."""

_COUNTS: Mapping[str, str] = MappingProxyType(
    {
        # The same numbers in the headers of a whole answer (recorded exchanges), and a stream's
        # `firstByteLatency`, which a whole answer does not have.
        "x-amzn-bedrock-input-token-count": "inputTokenCount",
        "x-amzn-bedrock-output-token-count": "outputTokenCount",
        "x-amzn-bedrock-invocation-latency": "invocationLatency",
        "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
        "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
    }
)

_KIND = "x-amzn-bedrock-content-type"
"""What the chunks of a stream are: .../APIReference/API_runtime_InvokeModelWithResponseStream.html"""

_FORMATS = frozenset({"", "*/*", "application/json", aws_events.MEDIA_TYPE})
"""What a caller may accept; other formats (pictures) are not read: such a request passes through."""

_SINGLE = re.compile(r"(?:amazon|cohere|twelvelabs)\.[a-z0-9.-]*(?:embed|rerank)")
"""Models that give the same answer to the same question, by their ids:
https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html"""

_INPUT_TYPES = frozenset(
    # .../bedrock/latest/userguide/model-parameters-embed-v3.html
    {"search_document", "search_query", "classification", "clustering", "image"}
)
_TITAN_EMBEDS = frozenset({"dimensions", "normalize", "embeddingTypes"})
""".../bedrock/latest/userguide/model-parameters-titan-embed-text.html; text models have none of them."""

_COUNTED_BESIDE = (
    # Where a body counts at its top: Llama (.../model-parameters-meta.html), Titan's embeddings
    ("prompt_token_count", "generation_token_count"),
    ("inputTextTokenCount",),
)


class InvokeOther(BedrockDialect):
    """A model whose format we do not read: one sample a request, word for word, in its form."""

    name = "bedrock.invoke"
    endpoints: tuple[str, ...] = (
        r"/model/[^/]+/invoke",
        r"/model/[^/]+/invoke-with-response-stream",
    )
    # .../bedrock/latest/APIReference/API_runtime_InvokeModel.html. Left out: service tier (price and
    # latency), project and metadata of the request (the account's books).
    headers = ROUTED | frozenset(
        {
            "x-amzn-bedrock-guardrailidentifier",
            "x-amzn-bedrock-guardrailversion",
            "x-amzn-bedrock-trace",
            "x-amzn-bedrock-performanceconfig-latency",
        }
    )

    def asks(self, request: Request, body: Mapping[str, object]) -> bool:
        accepted = (request.header(name) or "" for name in ("accept", "x-amzn-bedrock-accept"))
        return (
            bool(body)
            and all(each.partition(";")[0].strip().lower() in _FORMATS for each in accepted)
            and self.is_format(model_of_request(request), body)
        )

    def is_format(self, model: str, body: Mapping[str, object]) -> bool:
        """Tell whether *body* is in this class's format; *model*: the id or ARN it goes to."""
        return not (is_for_claude(body) or is_embedding(model, body))

    def answers(self, body: Mapping[str, object]) -> bool:
        return bool(body) and set(body) != {"message"} and not body.get("error")

    def is_last(self, name: str, event: Mapping[str, object]) -> bool:
        return name == "chunk" and _METRICS in _content(event)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """Return what Bedrock counted, whatever the family; else what the body says."""
        if self.streamed(response):
            last = list(_contents(response))[-1:]
            return "", _counted(bedrock.object_of(last[0].get(_METRICS)) if last else {})
        if counted := _counted(_metrics_of(response)):
            return "", counted
        body = forms.read_object(response, dialect=self.name)
        return "", bedrock.object_of(body.get("usage")) or _counts_beside(body)


class InvokeEmbedding(InvokeOther):
    """Embeddings and rankings: always the same answer."""

    name = "bedrock.embed"
    endpoints = (r"/model/[^/]+/invoke",)
    deterministic = True

    def is_format(self, model: str, body: Mapping[str, object]) -> bool:
        return is_embedding(model, body)


class InvokeClaude(InvokeOther):
    """Anthropic's Messages API in an envelope of Bedrock; whole and streamed are two forms of it."""

    name = "bedrock.anthropic"
    volatile = AnthropicMessages.volatile
    defaults = AnthropicMessages.defaults
    converts = True
    last_kind: ClassVar[str] = "message_stop"

    def is_format(self, model: str, body: Mapping[str, object]) -> bool:
        return is_for_claude(body)

    def target(self, path: str, query: str) -> tuple[str, str]:
        return path.removesuffix("-with-response-stream"), query

    def answers(self, body: Mapping[str, object]) -> bool:
        return body.get("type") == "message" and forms.is_list(body.get("content"))

    def ends_well(self, events: list[tuple[str, Object]]) -> bool:
        kinds = [_content(event).get("type") for _, event in events]
        told = [kind for kind in kinds if kind != "ping"]
        return (
            told[:1] == ["message_start"] and told[-1:] == [self.last_kind] and "error" not in told
        )

    def is_last(self, name: str, event: Mapping[str, object]) -> bool:
        return name == "chunk" and _content(event).get("type") == self.last_kind

    def whole(self, response: Response) -> Response:
        events = list(_contents(response))
        message = anthropic_whole.message_of(events)
        if not self.answers(message):
            raise DialectError("the stream does not tell a message", dialect=self.name)
        metrics = bedrock.object_of(events[-1].get(_METRICS))
        told: Headers = tuple(
            (name, str(metrics[field])) for name, field in _COUNTS.items() if field in metrics
        )
        whole = forms.json_document(response, message, dialect=self.name)
        return _with_headers(whole, (_KIND,), told)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        message = forms.read_object(response, dialect=self.name)
        events = list(anthropic_stream.stream_of(message))
        if metrics := _metrics_of(response):
            events[-1] |= {_METRICS: metrics}
        chunks = [("chunk", _chunk(event)) for event in events]
        stream = bedrock.event_stream(response, chunks, dialect=self.name)
        return _with_headers(stream, tuple(_COUNTS), ((_KIND, "application/json"),))

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        if self.streamed(response):
            return anthropic_whole.usage_of(_contents(response))
        message = forms.read_object(response, dialect=self.name)
        model, usage = message.get("model"), message.get("usage")
        return model if isinstance(model, str) else "", bedrock.object_of(usage)


def model_of_request(request: Request) -> str:
    """Return the model that *request* names, in lower case."""
    return bedrock.model_of(request).lower()


def is_for_claude(body: Mapping[str, object]) -> bool:
    """Tell whether *body* is a request of the Messages API, as Bedrock wants it."""
    limit, messages = body.get("max_tokens"), body.get("messages")
    return (
        isinstance(body.get("anthropic_version"), str)
        and isinstance(limit, int)
        and not isinstance(limit, bool)
        and forms.is_list(messages)
        and bool(messages)
    )


def is_embedding(model: str, body: Mapping[str, object]) -> bool:
    """Tell whether the answer to *body* is always the same.

    By the model's name; where an ARN hides that, by a body that no other model takes. Where neither
    tells, it is no embedding: to draw twice what is always the same costs a call, no more.
    """
    kind = body.get("input_type")
    return (
        _SINGLE.search(model) is not None
        or (isinstance(kind, str) and kind in _INPUT_TYPES)
        or forms.is_object(body.get("singleEmbeddingParams"))
        or ("inputText" in body and not _TITAN_EMBEDS.isdisjoint(body))
    )


def _contents(response: Response) -> Iterator[Object]:
    for _, event in bedrock.events_of(response, dialect=InvokeOther.name):
        yield _content(event)


def _content(event: Mapping[str, object]) -> Object:
    """The JSON object that a chunk carries.

    Raises:
        DialectError: It carries something else.
    """
    carried = event.get("bytes")
    try:
        text = base64.b64decode(carried, validate=True).decode() if isinstance(carried, str) else ""
    except (binascii.Error, ValueError) as error:
        raise DialectError("a chunk is not base64 of text", dialect=InvokeOther.name) from error
    content = forms.read_json(text, dialect=InvokeOther.name)
    if not forms.is_object(content):
        raise DialectError("a chunk is not a JSON object", dialect=InvokeOther.name)
    return content


def _chunk(content: Object) -> Object:
    written = forms.write_json(content, dialect=InvokeClaude.name)
    return {"bytes": base64.b64encode(written).decode()}


def _metrics_of(response: Response) -> Object:
    """What the headers of a whole answer count, as a stream does."""
    told = ((field, response.header(name)) for name, field in _COUNTS.items())
    metrics: Object = {
        field: int(count) for field, count in told if count and re.fullmatch("[0-9]{1,15}", count)
    }
    if latency := metrics.get("invocationLatency"):
        metrics["firstByteLatency"] = latency
    return metrics


def _counted(metrics: Mapping[str, object]) -> Object:
    """The tokens in *metrics*."""
    return {name: count for name, count in metrics.items() if name.endswith("TokenCount")}


def _counts_beside(body: Mapping[str, object]) -> Object:
    names = next((names for names in _COUNTED_BESIDE if names[0] in body), ())
    return {name: body[name] for name in names if name in body}


def _with_headers(response: Response, dropped: tuple[str, ...], added: Headers) -> Response:
    return Response(
        status=response.status,
        headers=(*without_headers(response.headers, (*dropped, *_names(added))), *added),
        chunks=response.chunks,
        offsets=response.offsets,
        reason=response.reason,
    )


def _names(headers: Headers) -> tuple[str, ...]:
    return tuple(name for name, _ in headers)
