"""What deterministic APIs share that answer a list of inputs with a list: each input by itself.

A subclass says where the inputs and the answers stand, and which inputs depend on each other. This
module knows no endpoint and no host.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import BaseDialect, json_object, json_response, named, of_one_model
from cachesaver.dialects.jsontext import is_object, write_json
from cachesaver.dialects.merging import as_list, as_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["Object", "PerInputDialect"]

Object = dict[str, object]


class PerInputDialect(BaseDialect):
    """One answer for each of several independent inputs."""

    deterministic = True
    null_is_absent = True
    asked: ClassVar[str]
    """The field of a request that holds its inputs."""
    answered: ClassVar[str]
    """The field of an answer that holds one item for each input."""

    @abstractmethod
    def apart(self, body: Mapping[str, object]) -> list[object] | None:
        """Return the independent inputs in *body*, in order; None where it has to stay whole."""

    @abstractmethod
    def is_answer(self, item: Object) -> bool:
        """Tell whether *item* of an answer is complete."""

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return False

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                return all(map(self.is_answer, self._items(self._answer(response))))
        except DialectError:
            return False

    def inputs(self, body: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
        apart = self.apart(body)
        return (body,) if not apart else tuple({**body, self.asked: [each]} for each in apart)

    def ask_inputs(
        self, request: Request, body: Mapping[str, object], places: Sequence[int]
    ) -> Request:
        apart = self.apart(body) or []
        if list(places) == list(range(len(apart))):
            return request
        plain = without_headers(request.headers, ("content-encoding",))
        with events.dialect_errors(self.name):
            content = write_json({**body, self.asked: [apart[place] for place in places]})
        return replace(request, headers=plain).with_body(content)

    def split_inputs(
        self, response: Response, bodies: Sequence[Mapping[str, object]]
    ) -> tuple[Response, ...]:
        with events.dialect_errors(self.name):
            answer = self._answer(response)
            items = self._in_order(self._items(answer))
            wanted = [len(apart) for body in bodies if (apart := self.apart(body)) is not None]
            if len(wanted) == len(bodies) and sum(wanted) != len(items):
                raise DialectError("there is not one answer for each input", dialect=self.name)
            if len(bodies) == 1:
                return (response,)
            shares = self._shares(answer, bodies)
            return tuple(
                self._response(response, named(answer, "id", place), [item], usage)
                for place, (item, usage) in enumerate(zip(items, shares, strict=True))
            )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is nothing to join", dialect=self.name)
        with events.dialect_errors(self.name):
            answers = [self._answer(response) for response in responses]
            of_one_model(answers, dialect=self.name)
            items = [item for answer in answers for item in self._in_order(self._items(answer))]
            return self._response(responses[0], answers[0], items, _piled(answers))

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            answer = json_object(response, dialect=self.name)
        model = answer.get("model")
        return model if isinstance(model, str) else "", sharing.usage_in(answer) or sharing.NO_USAGE

    def _answer(self, response: Response) -> Object:
        answer = json_object(response, dialect=self.name)
        if answer.get("error"):
            raise DialectError("the provider answered with an error", dialect=self.name)
        return answer

    def _items(self, answer: Object) -> list[Object]:
        found = as_list(answer.get(self.answered), self.answered, dialect=self.name)
        if not found:
            raise DialectError("the answer is empty", dialect=self.name)
        return [as_object(item, "an item of the answer", dialect=self.name) for item in found]

    def _in_order(self, items: list[Object]) -> list[Object]:
        """Return *items* by their index, where they have one each; as they stand where none has."""
        places = [place for item in items if (place := item.get("index")) is not None]
        if not places:
            return items
        by_place = {place: item for item, place in zip(items, places, strict=False) if _is(place)}
        if len(places) != len(items) or set(by_place) != set(range(len(items))):
            raise DialectError("the answers cannot be told apart by index", dialect=self.name)
        return [by_place[place] for place in range(len(items))]

    def _shares(self, answer: Object, bodies: Sequence[Mapping[str, object]]) -> Sequence[object]:
        usage = answer.get("usage")
        if not is_object(usage):
            return [None] * len(bodies)
        return sharing.cut(usage, [len(write_json(body.get(self.asked))) for body in bodies])

    def _response(
        self, like: Response, answer: Object, items: Sequence[Object], usage: object
    ) -> Response:
        numbered = [
            {**item, "index": place} if "index" in item else item
            for place, item in enumerate(items)
        ]
        kept = {**answer, self.answered: numbered}
        if is_object(kept.get("usage")):
            del kept["usage"]
        return json_response(like, kept if usage is None else {**kept, "usage": usage})


def _is(place: object) -> bool:
    return isinstance(place, int) and not isinstance(place, bool)


def _piled(answers: Sequence[Object]) -> Object | None:
    """The usage of all *answers*; None if one has none: a sum without it would be false."""
    usages = [usage for answer in answers if is_object(usage := answer.get("usage"))]
    return sharing.pile(usages) if len(usages) == len(answers) else None
