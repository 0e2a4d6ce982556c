"""Reranking, as Cohere began it and many took it up: a query, documents, a score for each.

Deterministic, and one question with all its documents, for three reasons. Some models see the
documents together (Jina's v3: https://arxiv.org/abs/2509.25085), so that a score is not the
document's own. An answer holds the best `top_n` only, so that it does not tell the scores of all
that was asked. And what is billed is a search of up to 100 documents, not each of them
(https://cohere.com/pricing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from cachesaver.dialects import events
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.cohere_common import is_cohere, usage_in
from cachesaver.dialects.jsontext import is_list, is_object, read_json
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["CohereRerank", "Rerank", "TeiRerank"]

_RESULTS = ("results", "data")
"""Where an answer has its results: Cohere, Jina, vLLM, llama.cpp and others; Voyage and Pinecone."""

_SCORES = ("relevance_score", "score")


_MOST = ("top_n", "top_k")
"""How many results are asked for: Cohere, Jina, vLLM and llama.cpp; Voyage. 0 of them may come of
`top_n: 0` (recorded exchanges, llama.cpp)."""


class Rerank(BaseDialect):
    """The common form: `query` and `documents`, on any host.

    https://docs.cohere.com/reference/rerank, https://jina.ai/reranker,
    https://docs.voyageai.com/reference/reranker-api, https://docs.vllm.ai/en/latest/serving/
    openai_compatible_server.html, https://github.com/ggml-org/llama.cpp (tools/server).

    No default and no null is dropped: what they stand for differs from one API to the next.
    """

    name = "rerank"
    endpoints: tuple[str, ...] = (r"/rerank", r"/reranking")
    deterministic = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        model = body.get("model")
        names_one = isinstance(model, str) and bool(model)
        return names_one and _has_documents(body) and self._serves(request)

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to one whose particulars are this class's."""
        return not is_cohere(request)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                answer = _read(response)
        except DialectError:
            return False
        return is_list(results := _results(answer)) and all(map(_is_result, results))

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        """Refuse what ranks nothing, but where that was asked for: it would be the answer for ever."""
        with events.dialect_errors(self.name):
            nothing = not _results(_read(response))
        if nothing and not any(body.get(name) == 0 for body in bodies for name in _MOST):
            raise DialectError("the answer ranks nothing", dialect=self.name)
        return super().split_inputs(response, bodies)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            answer = _read(response)
        members = answer if is_object(answer) else {}
        model, usage = members.get("model"), members.get("usage")
        return (
            model if isinstance(model, str) else "",
            usage if is_object(usage) else usage_in(members.get("meta")),
        )


class CohereRerank(Rerank):
    """Cohere's own, whose defaults are documented."""

    name = "cohere.rerank"
    endpoints = (r"/v1/rerank", r"/v2/rerank")
    null_is_absent = True  # recorded exchanges: `"max_tokens_per_doc": null`
    volatile = MappingProxyType(
        {
            "priority": (
                "how early the request is handled under load; "
                "https://docs.cohere.com/reference/rerank"
            )
        }
    )
    # https://github.com/cohere-ai/cohere-developer-experience (cohere-openapi.yaml). Left out:
    # max_tokens_per_doc and max_chunks_per_doc, as models have `sampling_defaults` of their own.
    defaults = MappingProxyType({"return_documents": False})

    def _serves(self, request: Request) -> bool:
        return is_cohere(request)


class TeiRerank(Rerank):
    """Text Embeddings Inference: `query` and `texts`, no model, a bare list of scores.

    https://huggingface.github.io/text-embeddings-inference (openapi.json, RerankRequest). llama.cpp
    reads and answers this form too. With any other field it is somebody else's.
    """

    name = "tei.rerank"
    endpoints = (r"/rerank",)
    fields = frozenset(
        {"query", "texts", "raw_scores", "return_text", "truncate", "truncation_direction"}
    )

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        texts = body.get("texts")
        return (
            set(body) <= self.fields
            and isinstance(body.get("query"), str)
            and is_list(texts)
            and bool(texts)
            and all(isinstance(text, str) for text in texts)
        )


def _has_documents(body: Mapping[str, object]) -> bool:
    """Documents, and the query too, are texts, or objects where they may be images."""
    query, documents = body.get("query"), body.get("documents")
    return (
        (isinstance(query, str) or is_object(query))
        and is_list(documents)
        and bool(documents)
        and all(isinstance(each, str) or is_object(each) for each in documents)
    )


def _read(response: Response) -> object:
    try:
        return read_json(response.body)
    except ValueError as error:
        raise DialectError("the response body is not JSON", dialect=Rerank.name) from error


def _results(answer: object) -> object:
    if not is_object(answer):
        return answer
    return None if answer.get("error") else next((answer[n] for n in _RESULTS if n in answer), None)


def _is_result(result: object) -> bool:
    if not is_object(result):
        return False
    index, scores = result.get("index"), [result.get(name) for name in _SCORES]
    return isinstance(index, int) and any(isinstance(score, int | float) for score in scores)
