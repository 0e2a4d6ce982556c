"""What OpenAI's two completion APIs share: `n`, `choices`, one usage block, a stream of chunks.

A subclass says how one choice looks in a chunk and how it looks in the whole answer. This module
knows no endpoint, no host and no field of a request but `n` and `stream_options`.

A stream that was recorded without `stream_options.include_usage` holds no usage; its whole form
then has none either, and what adds usage up must not take that for zero.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import BaseDialect, json_object, json_response, named
from cachesaver.dialects.counting import asked_n, with_n
from cachesaver.dialects.jsontext import is_list, is_object, write_json
from cachesaver.dialects.merging import APPENDED, as_list, as_object, extend, is_index, latest
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["ChoicesDialect", "Object"]

Object = dict[str, object]

_EVERYWHERE = ("id", "created", "model", "system_fingerprint", "service_tier")
"""Fields that every chunk states; Azure's first chunk (prompt filter results) leaves them empty."""

_NOT_CARRIED = frozenset({"object", "choices", "usage", "obfuscation"})
"""Fields of a chunk that are read or left: `obfuscation` is random padding against side channels
(https://platform.openai.com/docs/api-reference/chat-streaming/streaming)."""

_NO_CHOICE = re.compile(rb'"choices"\s*:\s*\[\s*\]')


class ChoicesDialect(BaseDialect):
    """Several samples as `choices` of one answer."""

    null_is_absent = True
    max_count: int | None = 128
    converts = True
    part: ClassVar[str]
    """The field of a choice that holds its answer, in the whole form."""
    whole_object: ClassVar[str]
    chunk_object: ClassVar[str]
    usage_unasked: ClassVar[bool] = True
    """Whether this API may send a usage chunk to a caller who did not ask for one."""

    def count(self, body: Mapping[str, object]) -> int:
        return asked_n(body) or 1

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        if count == self.count(body):
            return request
        with events.dialect_errors(self.name):
            return with_n(request, body, count)

    def streamed(self, response: Response) -> bool:
        return events.looks_streamed(response)

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        if not self.streamed(response):
            return not self.wants_stream(request, body)
        return self.wants_stream(request, body) and not self._tells_too_much(response, body)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                if self.streamed(response):
                    return self._is_complete(response)
                return all(map(self._is_answer, self._choices(self._answer(response))))
        except DialectError:
            return False

    def finished(self, tail: bytes) -> bool:
        return events.ends_done(tail)

    def split(self, response: Response) -> tuple[Response, ...]:
        with events.dialect_errors(self.name):
            if self.streamed(response) and self._indices(response) == {0}:
                return (response,)
            answer = self._answer(response)
            choices = self._choices(answer)
            if len(choices) == 1:
                return (response,)
            shares = zip(choices, self._shares(answer, choices), strict=True)
            return tuple(
                self._response(
                    response, named(answer, "id", place), [{**choice, "index": 0}], usage
                )
                for place, (choice, usage) in enumerate(shares)
            )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is nothing to join", dialect=self.name)
        with events.dialect_errors(self.name):
            answers = [self._answer(response) for response in responses]
            choices = [choice for answer in answers for choice in self._choices(answer)]
            numbered = [{**choice, "index": index} for index, choice in enumerate(choices)]
            return self._response(responses[0], answers[0], numbered, sharing.total(answers))

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            return json_response(response, self._answer(response))

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        """Besides what the port asks: a recorded stream loses a usage chunk nobody asked for."""
        with events.dialect_errors(self.name):
            if not self.streamed(response):
                chunks = self._chunks(self._answer(response), wants_usage=_wants_usage(body))
            elif self._tells_too_much(response, body):
                chunks = _without_usage(events.data_objects(response, dialect=self.name))
            else:
                return response
            return events.event_stream(response, [*chunks, events.DONE])

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            if self.streamed(response):
                parts = list(events.data_objects(response, dialect=self.name))
            else:
                parts = [json_object(response, dialect=self.name)]
        models = (part.get("model") for part in parts)
        model = next((name for name in models if isinstance(name, str) and name), "")
        usages = (usage for part in reversed(parts) if (usage := sharing.usage_in(part)))
        return model, next(usages, sharing.NO_USAGE)

    @abstractmethod
    def _fold(self, piece: Object, into: Object) -> None:
        """Add the answer in *piece*, a choice of a chunk, to *into*, a choice of the whole."""

    @abstractmethod
    def _finish(self, choice: Object) -> Object:
        """Return *choice*, put together from all its pieces, as the whole answer has it."""

    @abstractmethod
    def _pieces(self, choice: Object, index: int) -> Iterator[Object]:
        """Iterate *choice*, one of the whole answer, as the choices of successive chunks."""

    def _answer(self, response: Response) -> Object:
        """The whole answer in *response*, of either form."""
        if self.streamed(response):
            answer = self._folded(events.data_objects(response, dialect=self.name))
        else:
            answer = json_object(response, dialect=self.name)
        if answer.get("error"):
            raise DialectError("the provider answered with an error", dialect=self.name)
        return answer

    def _choices(self, answer: Object) -> list[Object]:
        """The choices of *answer*, at least one, by their index where they have one each."""
        found = as_list(answer.get("choices"), "choices", dialect=self.name)
        choices = [as_object(choice, "a choice", dialect=self.name) for choice in found]
        if not choices:
            raise DialectError("the answer holds no choice", dialect=self.name)
        places = [place for choice in choices if is_index(place := choice.get("index"))]
        if len(set(places)) == len(choices):
            by_place = dict(zip(places, choices, strict=True))
            return [by_place[place] for place in sorted(places)]
        return choices

    def _is_answer(self, choice: Object) -> bool:
        # https://openrouter.ai/docs/api-reference/errors: "error" ends a broken generation.
        broken = choice.get("error") or choice.get("finish_reason") == "error"
        return not broken and choice.get(self.part) is not None

    def _is_complete(self, response: Response) -> bool:
        """Whether a stream has no error in it, and either its `[DONE]` or every finish reason.

        Merging is not asked for: what cannot be converted is still an answer to who streams.
        """
        ends = dict[int, object]()
        for chunk in events.data_objects(response, dialect=self.name):
            for choice in self._pieces_in(chunk):
                if chunk.get("error") or choice.get("error"):
                    return False
                place = self._index(choice)
                ends[place] = choice.get("finish_reason") or ends.get(place)
            if chunk.get("error"):
                return False
        return (
            bool(ends)
            and "error" not in ends.values()
            and (all(ends.values()) or (not any(ends.values()) and events.is_done(response)))
        )

    def _indices(self, response: Response) -> set[int]:
        return {
            self._index(choice)
            for chunk in events.data_objects(response, dialect=self.name)
            for choice in self._pieces_in(chunk)
        }

    def _pieces_in(self, chunk: Object) -> list[Object]:
        found = as_list(chunk.get("choices") or [], "choices", dialect=self.name)
        return [as_object(choice, "a choice", dialect=self.name) for choice in found]

    def _index(self, choice: Object) -> int:
        index = choice.get("index") or 0
        if not is_index(index):
            raise DialectError("the index of a choice is not one", dialect=self.name)
        return index

    def _folded(self, chunks: Iterator[Object]) -> Object:
        answer: Object = {"object": self.whole_object}
        choices = dict[int, Object]()
        for chunk in chunks:
            _take(answer, chunk)
            for piece in self._pieces_in(chunk):
                index = self._index(piece)
                choice = choices.setdefault(index, {"index": index})
                self._fold(piece, choice)
                self._take_rest(piece, choice)
        usage = answer.pop("usage", None)
        answer["choices"] = [self._finish(choices[index]) for index in sorted(choices)]
        return answer if usage is None else {**answer, "usage": usage}

    def _take_rest(self, piece: Object, into: Object) -> None:
        for key, value in piece.items():
            old = into.get(key)
            if key in ("index", "delta", self.part):
                continue
            if is_object(value) and key == "logprobs":
                grown: Object = old if is_object(old) else {}
                extend(grown, value, dialect=self.name)
                into[key] = grown
            elif is_list(old) and is_list(value) and key in APPENDED:
                old.extend(value)
            elif is_list(value) and old is not None and old != value:
                raise DialectError("a list of a choice changes", dialect=self.name)
            else:
                into[key] = latest(old, value)

    def _chunks(self, answer: Object, *, wants_usage: bool) -> Iterator[Object]:
        shared: Object = {name: answer[name] for name in _EVERYWHERE if name in answer}
        shared["object"] = self.chunk_object
        rest = {k: v for k, v in answer.items() if k not in shared and k not in _NOT_CARRIED}
        no_usage: Object = {"usage": None} if wants_usage else {}
        for index, choice in enumerate(self._choices(answer)):
            for piece in self._pieces(choice, index):
                yield {**shared, **rest, "choices": [piece], **no_usage}
                rest = {}
        if wants_usage and is_object(answer.get("usage")):
            yield {**shared, "choices": [], "usage": answer["usage"]}

    def _shares(self, answer: Object, choices: Sequence[Object]) -> Sequence[object]:
        usage = answer.get("usage")
        if not is_object(usage):
            return [None] * len(choices)
        return sharing.share(usage, [len(write_json(choice.get(self.part))) for choice in choices])

    def _response(
        self, like: Response, answer: Object, choices: Sequence[Object], usage: object
    ) -> Response:
        kept = {**answer, "choices": choices}
        if is_object(kept.get("usage")):
            del kept["usage"]
        return json_response(like, kept if usage is None else {**kept, "usage": usage})

    def _tells_too_much(self, response: Response, body: Mapping[str, object]) -> bool:
        if self.usage_unasked or _wants_usage(body) or not _NO_CHOICE.search(response.body):
            return False
        try:
            chunks = events.data_objects(response, dialect=self.name)
            return any(_is_usage(chunk) for chunk in chunks)
        except DialectError:
            return False


def _take(answer: Object, chunk: Object) -> None:
    """Add to *answer* what *chunk* says of the answer as a whole."""
    if is_object(chunk.get("usage")):
        answer["usage"] = chunk["usage"]
    for key, value in chunk.items():
        if key in _EVERYWHERE:
            answer[key] = answer.get(key) or value
        elif key not in _NOT_CARRIED:
            answer[key] = latest(answer.get(key), value)


def _wants_usage(body: Mapping[str, object]) -> bool:
    options = body.get("stream_options")
    return is_object(options) and options.get("include_usage") is True


def _is_usage(chunk: Object) -> bool:
    return is_object(chunk.get("usage")) and chunk.get("choices") == []


def _without_usage(chunks: Iterator[Object]) -> Iterator[Object]:
    for chunk in chunks:
        if not _is_usage(chunk):
            yield {name: value for name, value in chunk.items() if name != "usage"}
