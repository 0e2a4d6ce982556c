"""Reranking in the four forms there are of it: Cohere's, Voyage's, Jina's, and that of TEI.

https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api,
https://jina.ai/reranker, https://huggingface.github.io/text-embeddings-inference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from cachesaver.rehearsal.cohere import CohereApi
from cachesaver.rehearsal.reading import integer, mapped, required, without
from cachesaver.rehearsal.tokens import count_tokens
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, Take, digest, dumps

__all__ = ["RerankApi"]

_SEARCH = 100
"""Documents in one search unit: https://cohere.com/pricing."""


class RerankApi(CohereApi):
    """`POST …/rerank`: the same documents have the same scores, always."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be ranked."""
        field = "texts" if "texts" in body else "documents"
        documents = [_text(each) for each in required(body, field, list)]
        query = required(body, "query", str)
        return Ask(
            endpoint="rerank",
            model=str(body.get("model") or "reranker"),
            prompt=Prompt(
                messages=tuple(Message(role="user", text=t) for t in (query, *documents))
            ),
            shape=without(body, ("priority",)),
            count=0,
            billed=sum(map(count_tokens, (query, *documents))),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any] | bytes:
        """Return the best documents first, in the form that the request's own fields tell."""
        query, *documents = (message.text for message in ask.prompt.messages)
        scored = [(_score(ask.model, query, text), n) for n, text in enumerate(documents)]
        best = sorted(scored, reverse=True)[: _most(ask.body)]
        if "texts" in ask.body:
            return orjson.dumps([{"index": n, "score": score} for score, n in best])
        shown = ask.body.get("return_documents") is True
        results = [
            {
                "index": n,
                "relevance_score": score,
                **({"document": {"text": documents[n]}} if shown else {}),
            }
            for score, n in best
        ]
        return _answer(ask, results, len(documents))

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: rankings are not streamed."""
        return iter(())


def _most(body: Mapping[str, Any]) -> int | None:
    tops = [integer(body, name, least=0) for name in ("top_n", "top_k")]
    return next((top for top in tops if top is not None), None)


def _answer(ask: Ask, results: list[dict[str, Any]], count: int) -> dict[str, Any]:
    usage = {"total_tokens": ask.prompt_tokens}
    if {"top_k", "truncation"} & set(ask.body):
        return {"object": "list", "data": results, "model": ask.model, "usage": usage}
    if not ask.model.startswith("rerank-"):
        return {"model": ask.model, "results": results, "usage": usage}
    units = {"billed_units": {"search_units": -(-count // _SEARCH)}}
    return {
        "id": digest("rerank", ask.question)[:32],
        "results": results,
        "meta": {"api_version": {"version": "2"}, **units},
    }


def _text(document: object) -> str:
    text = document if isinstance(document, str) else mapped(document).get("text")
    return text if isinstance(text, str) else dumps(document)


def _score(model: str, query: str, text: str) -> float:
    """Between 0 and 1; most for a text that holds the query."""
    base = int(digest("score", model, query, text)[:6], 16) / 16**6 / 2
    return round(base + (0.5 if query.lower() in text.lower() else 0.0), 6)
