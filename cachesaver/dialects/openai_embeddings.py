"""OpenAI's embeddings and everything that speaks them (Voyage, Jina, Mistral, vLLM, gateways ...).

A request is one of these when its path ends in `/embeddings` and its body names a model (but where
the path names a deployment) and holds inputs, on any host. Every input is a question by itself.

`encoding_format` stays in the question. base64 holds the numbers as 32-bit floats and JSON a decimal
spelling of them, which providers choose differently (0.021987127, 0.0253143310546875 in recorded
exchanges); Perplexity's base64 holds bytes. Neither can be made of the other as the provider would.

What passes through: answers that are no JSON (vLLM's `bytes`), bodies that none but the caller can
change (AWS), gateways told by header where to go.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects.hosts import host_of
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.openai_chat import OPENAI_LABELS, has_model, is_openai, is_signed
from cachesaver.dialects.per_input import Object, PerInputDialect
from cachesaver.exchange import Request

__all__ = ["CompatibleEmbeddings", "OpenAIEmbeddings", "VoyageEmbeddings"]

_NO_JSON = ("bytes", "bytes_only")
"""https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (embeddings)."""

_TOGETHER = "late_chunking"
"""https://jina.ai/embeddings: all inputs are read as one text, and what each gets depends on all."""

_VOYAGE: Mapping[str, str] = MappingProxyType(
    {
        "api.voyageai.com": "https://docs.voyageai.com/reference/embeddings-api",
        "ai.mongodb.com": "the voyageai package, for keys of MongoDB Atlas",
    }
)


class CompatibleEmbeddings(PerInputDialect):
    """Embeddings on a host of which we know no defaults."""

    name = "openai.embeddings"
    endpoints = (r"/embeddings",)
    asked = "input"
    answered = "data"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            _inputs(body.get("input")) is not None
            and has_model(request, body)
            and body.get("encoding_format") not in _NO_JSON
            and not is_signed(request)
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not (is_openai(request) or host_of(request.url) in _VOYAGE)

    def apart(self, body: Mapping[str, object]) -> list[object] | None:
        return None if body.get(_TOGETHER) else _inputs(body.get("input"))

    def is_answer(self, item: Object) -> bool:
        # llama.cpp writes null for what is not a number; Jina's several vectors are `embeddings`.
        vector = item.get("embedding") or item.get("embeddings")
        return vector is not None and not (is_list(vector) and None in vector)


class OpenAIEmbeddings(CompatibleEmbeddings):
    """Embeddings of OpenAI itself."""

    # https://platform.openai.com/docs/api-reference/embeddings/create
    volatile = MappingProxyType({"user": OPENAI_LABELS["user"]})
    # https://github.com/openai/openai-openapi (openapi.yaml, CreateEmbeddingRequest)
    defaults: Mapping[str, object] = MappingProxyType({"encoding_format": "float"})

    def _serves(self, request: Request) -> bool:
        return is_openai(request)


class VoyageEmbeddings(CompatibleEmbeddings):
    """Voyage's embeddings."""

    # https://docs.voyageai.com/reference/embeddings-api
    defaults: Mapping[str, object] = MappingProxyType({"truncation": True, "output_dtype": "float"})

    def _serves(self, request: Request) -> bool:
        return host_of(request.url) in _VOYAGE


def _inputs(asked: object) -> list[object] | None:
    """The inputs in *asked*: a text, token ids, or a list of texts, of objects or of token ids."""
    if isinstance(asked, str):
        return [asked]
    if not is_list(asked) or not asked:
        return None
    if _are_ids(asked):
        return [asked]
    if all(isinstance(each, str) or is_object(each) for each in asked):
        return asked
    return asked if all(is_list(each) and _are_ids(each) for each in asked) else None


def _are_ids(asked: list[object]) -> bool:
    return bool(asked) and all(
        isinstance(each, int) and not isinstance(each, bool) for each in asked
    )
