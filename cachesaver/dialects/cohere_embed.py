"""Cohere's Embed API, versions 1 and 2: POST /v1/embed and /v2/embed.

The same input has the same embedding whatever it comes with, so a batch of `texts` or `images` is
taken apart. `inputs` of version 2, which mix texts and images, stay together: the answer does not
say which of its `texts` and `images` are whose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import json_object, json_response, named
from cachesaver.dialects.cohere_common import CohereDialect, refuse, usage_in
from cachesaver.dialects.jsontext import is_list, is_object, write_json
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["CohereEmbed", "CohereEmbedV1"]

_REFERENCE = "https://docs.cohere.com/reference/embed"

_NAME = "cohere.embed"

_BATCHES = ("texts", "images")
"""Fields that hold one input each item; `inputs` is one question."""

_EACH = ("texts", "images")
"""Lists of an answer with one item for each input, or with none at all."""

_COUNTED = ("billed_units", "tokens")
"""Members of `meta` that are counts."""

_OF_THE_BATCH = ("num_chars", "num_tokens", "num-chars", "num-tokens")
"""Headers that count what was sent, in the two spellings of recorded exchanges."""

Object = dict[str, object]


class CohereEmbed(CohereDialect):
    """Version 2, where embeddings always come by type."""

    name = _NAME
    endpoints = (r"/v2/embed",)
    deterministic = True
    volatile = MappingProxyType(
        {"priority": f"how early the request is handled under load; {_REFERENCE}"}
    )
    # https://github.com/cohere-ai/cohere-developer-experience (cohere-openapi.yaml)
    defaults: Mapping[str, object] = MappingProxyType(
        {"truncate": "END", "embedding_types": ["float"]}
    )

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                return bool(_vectors(json_object(response, dialect=self.name)))
        except DialectError:
            return False

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        field, items = _batch(body)
        if len(items) == 1:
            return (body,)
        return tuple({**body, field: [item]} for item in items) or (body,)

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        field, items = _batch(body)
        if not field or list(places) == list(range(len(items))):
            return request
        with events.dialect_errors(self.name):
            content = write_json({**body, field: [items[place] for place in places]})
        plain = without_headers(request.headers, ("content-encoding",))
        return replace(request, headers=plain).with_body(content)

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        with events.dialect_errors(self.name):
            answer = json_object(response, dialect=self.name)
            if len(bodies) == 1:
                if _batch(bodies[0])[1]:
                    _parts(answer, 1)  # or it says why not
                return (response,)
            bare = replace(response, headers=without_headers(response.headers, _OF_THE_BATCH))
            weights = [len(write_json(items)) for _, items in map(_batch, bodies)]
            parts = zip(_parts(answer, len(bodies)), _metas(answer, weights), strict=True)
            return tuple(
                json_response(bare, {**named(answer, "id", place), **part, **meta})
                for place, (part, meta) in enumerate(parts)
            )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        with events.dialect_errors(self.name):
            answers = [json_object(each, dialect=self.name) for each in responses]
            if not answers:
                refuse("there is nothing to join", dialect=self.name)
            bare = responses[0].headers
            like = replace(responses[0], headers=without_headers(bare, _OF_THE_BATCH))
            return json_response(like, _joined(answers))

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """The model stays empty: no answer names it."""
        with events.dialect_errors(self.name):
            return "", usage_in(json_object(response, dialect=self.name).get("meta"))

    def _has_shape(self, body: Mapping[str, object]) -> bool:
        given = [body.get(name) for name in (*_BATCHES, "inputs")]
        return any(is_list(items) and bool(items) for items in given)


class CohereEmbedV1(CohereEmbed):
    """Version 1, where embeddings come as one list unless types are asked for."""

    name = "cohere.embed_v1"
    endpoints = (r"/v1/embed",)
    defaults: Mapping[str, object] = MappingProxyType({"truncate": "END"})


def _batch(body: Mapping[str, object]) -> tuple[str, list[object]]:
    """The field that holds the inputs of *body*, and those; empty where it is one question."""
    given = {name: body[name] for name in (*_BATCHES, "inputs") if body.get(name)}
    for field, items in given.items():
        if len(given) == 1 and field in _BATCHES and is_list(items):
            return field, items
    return "", []


def _vectors(answer: Object) -> dict[str, list[object]]:
    """The embeddings of *answer* by type, those without one under an empty name."""
    found = answer.get("embeddings")
    by_type: Object = found if is_object(found) else {"": found}
    vectors = {kind: items for kind, items in by_type.items() if is_list(items) and items}
    if len(vectors) != len(by_type) or len({len(items) for items in vectors.values()}) != 1:
        refuse("there is not one embedding of each type for each input", dialect=_NAME)
    return vectors


def _parts(answer: Object, count: int) -> list[Object]:
    """Return what *answer* says of each of its *count* inputs."""
    vectors = _vectors(answer)
    if {len(items) for items in vectors.values()} != {count}:
        refuse("there is not one embedding for each input", dialect=_NAME)
    lists: dict[str, list[object]] = {}
    for name in _EACH:
        items = answer.get(name)
        if is_list(items) and items:
            lists[name] = items
            if len(items) != count:
                refuse(f"there is not one of {name} for each input", dialect=_NAME)
    return [
        {
            "embeddings": _of_one_kind({kind: [each[place]] for kind, each in vectors.items()}),
            **{name: [items[place]] for name, items in lists.items()},
        }
        for place in range(count)
    ]


def _of_one_kind(vectors: Mapping[str, object]) -> object:
    return vectors.get("", vectors)


def _metas(answer: Object, weights: Sequence[int]) -> Iterator[Object]:
    """Iterate the `meta` of each input: what is counted in it shared out, the rest as it is."""
    meta = answer.get("meta")
    if not is_object(meta):
        yield from ({} for _ in weights)
        return
    shares = {
        name: sharing.cut(counts, weights)
        for name in _COUNTED
        if is_object(counts := meta.get(name))
    }
    for place in range(len(weights)):
        own = {name: share[place] for name, share in shares.items()}
        yield {"meta": {**meta, **own}}


def _joined(answers: Sequence[Object]) -> Object:
    first = answers[0]
    vectors = [_vectors(answer) for answer in answers]
    if any(list(each) != list(vectors[0]) for each in vectors):
        refuse("the embeddings are not of the same types", dialect=_NAME)
    joined = {kind: [item for each in vectors for item in each[kind]] for kind in vectors[0]}
    lists = {name: _together(name, answers) for name in _EACH if is_list(first.get(name))}
    meta = _total([answer.get("meta") for answer in answers])
    return {**first, "embeddings": _of_one_kind(joined), **lists, **meta}


def _together(name: str, answers: Sequence[Object]) -> list[object]:
    items: list[object] = []
    for answer in answers:
        more = answer.get(name)
        items += more if is_list(more) else refuse(f"one answer has no {name}", dialect=_NAME)
    return items


def _total(metas: Sequence[object]) -> Object:
    """The `meta` of all: counts added up, each warning once, the rest the first one's."""
    found = [meta for meta in metas if is_object(meta)]
    if len(found) != len(metas):
        return {}
    total: Object = dict(found[0])
    for name in _COUNTED:
        counts = [counted for meta in found if is_object(counted := meta.get(name))]
        if len(counts) == len(found):
            total[name] = sharing.pile(counts)
        else:
            total.pop(name, None)
    warnings = [each for meta in found if is_list(told := meta.get("warnings")) for each in told]
    return {"meta": {**total, **({"warnings": _once(warnings)} if warnings else {})}}


def _once(items: Sequence[object]) -> list[object]:
    return [item for place, item in enumerate(items) if item not in items[:place]]
