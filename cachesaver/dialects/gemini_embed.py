"""Google's embeddings: `:embedContent` and `:batchEmbedContents`, and `:predict` on Vertex AI.

Always the same answer; a batch is as many questions as it has requests. Fewer embeddings than
requests, or anything in an answer that is not known to belong to one of them, is refused.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects import forms, gemini_usage, sharing
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.events import dialect_errors
from cachesaver.dialects.hosts import VERTEX, path_of
from cachesaver.dialects.jsontext import write_json
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["GeminiEmbed", "VertexEmbed"]


class _Batches(BaseDialect):
    """Lists of inputs and of their embeddings, and counts of what all of them cost."""

    deterministic = True
    null_is_absent = True  # https://protobuf.dev/programming-guides/json/
    asked: ClassVar[str]
    """The field of a request that lists the inputs."""
    told: ClassVar[str]
    """The field of an answer that lists the embeddings."""
    counted: ClassVar[str]
    """The field of an answer that counts for all inputs."""

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        asked = body.get(self.asked)
        if not forms.is_list(asked):
            return (body,)
        return tuple({**body, self.asked: [each]} for each in asked)

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        asked = body.get(self.asked)
        if not forms.is_list(asked) or list(places) == list(range(len(asked))):
            return request
        fewer = {**body, self.asked: [asked[place] for place in places]}
        plain = replace(request, headers=without_headers(request.headers, ("content-encoding",)))
        return plain.with_body(forms.write_json(fewer, dialect=self.name))

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        if len(bodies) == 1 and not forms.is_list(bodies[0].get(self.asked)):
            return (response,)
        answer = forms.read_object(response, dialect=self.name)
        found, counted = self._found(answer), answer.get(self.counted)
        if not bodies or len(found) != len(bodies):
            raise DialectError("there is not one embedding for each input", dialect=self.name)
        if len(bodies) == 1:
            return (response,)
        if not answer.keys() <= {self.told, self.counted}:
            raise DialectError("the answer says more than is known of it", dialect=self.name)
        with dialect_errors(self.name):
            sizes = [len(write_json(body)) for body in bodies]
            counts = gemini_usage.share(counted, sizes) if forms.is_object(counted) else None
        return tuple(
            self._answer(response, [each], counts and counts[place])
            for place, each in enumerate(found)
        )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is no response to join", dialect=self.name)
        answers = [forms.read_object(each, dialect=self.name) for each in responses]
        found = [each for answer in answers for each in self._found(answer)]
        counts = [counted for each in answers if forms.is_object(counted := each.get(self.counted))]
        # A sum that leaves one out would be false.
        with dialect_errors(self.name):
            summed = gemini_usage.total(counts) if len(counts) == len(answers) else None
        return self._answer(responses[0], found, summed)

    def _found(self, answer: Mapping[str, object]) -> list[dict[str, object]]:
        listed = answer.get(self.told)
        found = [each for each in listed if forms.is_object(each)] if forms.is_list(listed) else []
        if not forms.is_list(listed) or len(found) != len(listed):
            raise DialectError("the embeddings are not a list of objects", dialect=self.name)
        return found

    def _answer(
        self, like: Response, found: Sequence[dict[str, object]], counted: object
    ) -> Response:
        counts = {} if counted is None else {self.counted: counted}
        written = forms.write_json({self.told: found, **counts}, dialect=self.name)
        return forms.rebuilt(like, (written,), like.header("content-type") or "application/json")

    def sound(self, response: Response) -> bool:
        try:
            answer = forms.read_object(response, dialect=self.name)
            return "error" not in answer and self._is_answer(answer)
        except DialectError:
            return False

    @abstractmethod
    def _is_answer(self, answer: Mapping[str, object]) -> bool:
        """Tell whether every embedding that *answer* lists is one."""


class GeminiEmbed(_Batches):
    """`:embedContent` and `:batchEmbedContents`, on AI Studio and on Vertex AI.

    https://ai.google.dev/api/embeddings
    """

    name = "gemini.embed"
    endpoints = (r"/models/[^/]+(?::|%3[Aa])(?:embedContent|batchEmbedContents)",)
    asked = "requests"
    told = "embeddings"
    counted = "usageMetadata"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        asked = body.get("requests")
        if path_of(request.url).endswith("batchEmbedContents"):
            return forms.is_list(asked) and bool(asked) and all(map(_has_content, asked))
        return asked is None and _has_content(body)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        usage = forms.read_object(response, dialect=self.name).get(self.counted)
        return "", usage if forms.is_object(usage) else sharing.NO_USAGE

    def _is_answer(self, answer: Mapping[str, object]) -> bool:
        single = answer.get("embedding")
        found = [single] if forms.is_object(single) else self._found(answer)
        return bool(found) and all(_is_vector(each.get("values")) for each in found)


class VertexEmbed(_Batches):
    """`:predict` of Vertex AI's own embedding models. What other models predict is not known."""

    name = "vertex.embed"
    # The name decides: text-embedding-…, text-multilingual-embedding-…, textembedding-gecko…,
    # gemini-embedding-…, multimodalembedding@….
    # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
    # https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/multimodal-embeddings-api
    endpoints = (r"/publishers/google/models/[a-z0-9-]*embedding[a-z0-9@%.-]*(?::|%3[Aa])predict",)
    hosts = VERTEX
    asked = "instances"
    told = "predictions"
    counted = "metadata"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        asked = body.get("instances")
        return forms.is_list(asked) and bool(asked) and all(map(_is_instance, asked))

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """Tokens are counted for each embedding (`statistics`), and billable characters for all."""
        answer = forms.read_object(response, dialect=self.name)
        counts = [count for each in self._found(answer) if (count := _tokens(each)) is not None]
        counted = answer.get(self.counted)
        return "", MappingProxyType(
            {
                **({"token_count": sum(counts)} if counts else {}),
                **(counted if forms.is_object(counted) else {}),
            }
        )

    def _is_answer(self, answer: Mapping[str, object]) -> bool:
        found = self._found(answer)
        return bool(found) and all(map(_is_embedded, found))


def _has_content(body: object) -> bool:
    content = body.get("content") if forms.is_object(body) else None
    return forms.is_object(content) and forms.is_list(content.get("parts"))


_MEDIA = frozenset({"content", "text", "image", "video"})


def _is_instance(instance: object) -> bool:
    return forms.is_object(instance) and not _MEDIA.isdisjoint(instance)


_OF_MEDIA = ("textEmbedding", "imageEmbedding", "videoEmbeddings")


def _is_embedded(prediction: Mapping[str, object]) -> bool:
    embedded = prediction.get("embeddings")
    if forms.is_object(embedded):
        return _is_vector(embedded.get("values"))
    return any(_is_vector(prediction.get(name)) for name in _OF_MEDIA)


def _is_vector(value: object) -> bool:
    return forms.is_list(value) and bool(value)


def _tokens(prediction: Mapping[str, object]) -> int | None:
    embedded = prediction.get("embeddings")
    statistics = embedded.get("statistics") if forms.is_object(embedded) else None
    count = statistics.get("token_count") if forms.is_object(statistics) else None
    return int(count) if isinstance(count, int | float) and not isinstance(count, bool) else None
