"""Ollama's embeddings: POST /api/embed, for one text or many, and /api/embeddings before it.

The same text has the same vector, whatever stands beside it: the server embeds each by itself
(https://github.com/ollama/ollama/blob/main/server/routes.go, `EmbedHandler`). A request without a
text loads a model, and passes through.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import BaseDialect, json_object, json_response, of_one_model
from cachesaver.dialects.jsontext import is_list, write_json
from cachesaver.dialects.ollama import HOME, OLLAMA_VOLATILE, has_own_fields
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["OllamaEmbed", "OllamaEmbeddings"]

_NUMBERS = ("total_duration", "load_duration", "prompt_eval_count")
"""What the answer counts for all its texts together, and is shared out among them."""


class _Embeddings(BaseDialect):
    """What both share."""

    deterministic = True
    volatile = OLLAMA_VOLATILE
    null_is_absent = True

    def __init__(self, *, anywhere: bool = False) -> None:
        """With *anywhere*, know requests on every host, by fields that nobody else has."""
        self._anywhere = anywhere
        self.hosts = "" if anywhere else HOME

    def __repr__(self) -> str:
        return f"{type(self).__name__}(anywhere={self._anywhere})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            isinstance(body.get("model"), str)
            and bool(body["model"])
            and self._asks(body)
            and (not self._anywhere or has_own_fields(body))
        )

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                answer = json_object(response, dialect=self.name)
        except DialectError:
            return False
        vectors = self._vectors(answer)
        return not answer.get("error") and bool(vectors) and all(map(_is_vector, vectors))

    @abstractmethod
    def _asks(self, body: Mapping[str, object]) -> bool:
        """Tell whether *body* has a text."""

    @abstractmethod
    def _vectors(self, answer: Mapping[str, object]) -> list[object]:
        """Return the vectors in *answer*, in order; what is none of them is not left out."""


class OllamaEmbed(_Embeddings):
    """`input`: a text or a list of texts, a vector each."""

    name = "ollama.embed"
    endpoints = (r"/api/embed",)
    # https://github.com/ollama/ollama/blob/main/api/types.go (EmbedRequest)
    defaults: Mapping[str, object] = MappingProxyType(
        {"options": {}, "truncate": True, "dimensions": 0}
    )

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        # An empty text alone is no text to the server; in a list it is one.
        return tuple({**body, "input": text or [text]} for text in _texts(body))

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        texts = _texts(body)
        if list(places) == list(range(len(texts))):
            return request
        plain = without_headers(request.headers, ("content-encoding",))
        asked = {**body, "input": [texts[place] for place in places]}
        with events.dialect_errors(self.name):
            return replace(request, headers=plain).with_body(write_json(asked))

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        with events.dialect_errors(self.name):
            answer = json_object(response, dialect=self.name)
            vectors = self._vectors(answer)
            if len(vectors) != len(bodies):
                raise DialectError("there is not one vector for each text", dialect=self.name)
            if len(vectors) == 1:
                return (response,)
            shares = _shares(answer, [len(write_json(body.get("input"))) for body in bodies])
            return tuple(
                json_response(response, {**answer, "embeddings": [vector], **share})
                for vector, share in zip(vectors, shares, strict=True)
            )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is nothing to join", dialect=self.name)
        with events.dialect_errors(self.name):
            answers = [json_object(response, dialect=self.name) for response in responses]
            of_one_model(answers, dialect=self.name)
            vectors = [vector for answer in answers for vector in self._vectors(answer)]
            kept = {name: v for name, v in answers[0].items() if name not in _NUMBERS}
            joined = {**kept, "embeddings": vectors, **_totals(answers)}
            return json_response(responses[0], joined)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            answer = json_object(response, dialect=self.name)
        model, count = answer.get("model"), answer.get("prompt_eval_count")
        told = {} if count is None else {"prompt_eval_count": count}
        return model if isinstance(model, str) else "", MappingProxyType(told)

    def _asks(self, body: Mapping[str, object]) -> bool:
        given = body.get("input")
        if is_list(given):
            return bool(given) and all(isinstance(text, str) for text in given)
        return isinstance(given, str) and bool(given)

    def _vectors(self, answer: Mapping[str, object]) -> list[object]:
        vectors = answer.get("embeddings")
        return vectors if is_list(vectors) else []


class OllamaEmbeddings(_Embeddings):
    """`prompt`: one text, and a vector alone; the answer tells neither model nor usage."""

    name = "ollama.embeddings"
    endpoints = (r"/api/embeddings",)
    # The same page (EmbeddingRequest).
    defaults: Mapping[str, object] = MappingProxyType({"options": {}})

    def _asks(self, body: Mapping[str, object]) -> bool:
        prompt = body.get("prompt")
        return isinstance(prompt, str) and bool(prompt) and "input" not in body

    def _vectors(self, answer: Mapping[str, object]) -> list[object]:
        return [answer.get("embedding")]


def _texts(body: Mapping[str, object]) -> list[object]:
    given = body.get("input")
    return given if is_list(given) else [given]


def _is_vector(value: object) -> bool:
    return (
        is_list(value)
        and bool(value)
        and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    )


def _shares(answer: Mapping[str, object], weights: Sequence[int]) -> list[dict[str, object]]:
    """For each of *weights* its part of the numbers of *answer*, which are exactly their sum."""
    # Under names that do not say that they count a prompt: `sharing` would not share those.
    counted = {f"_{name}": answer[name] for name in _NUMBERS if name in answer}
    shares = sharing.share(counted, weights)
    return [{name[1:]: part for name, part in share.items()} for share in shares]


def _totals(answers: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The numbers that all *answers* have, added up."""
    common = [name for name in _NUMBERS if all(name in answer for answer in answers)]
    added = sharing.add([{f"_{name}": answer[name] for name in common} for answer in answers])
    return {name[1:]: total for name, total in added.items()}
