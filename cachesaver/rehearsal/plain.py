"""Two endpoints no SDK knows: a model behind plain JSON, and a shop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import required, without
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, RejectedError, Take

__all__ = ["OrdersApi", "QueryApi"]


class PlainApi:
    """The half of `Api` that both share."""

    content_type = "application/json"
    event_stream = "text/event-stream"
    pretty = False
    overloaded = 503

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"error": MESSAGE}`."""
        return {"error": error.message}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an event that holds an error body."""
        return sse(self.error(error))

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return a serial number."""
        return {"x-serial": str(serial)}


class QueryApi(PlainApi):
    """`POST …/query` with `{"query": TEXT, …}`: a model behind an API nobody has heard of."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; every field but `stream` shapes the answer."""
        query = required(body, "query", str)
        return Ask(
            endpoint="plain.query",
            model=str(body.get("model") or "unnamed"),
            prompt=Prompt(messages=(Message(role="user", text=query),)),
            shape=without(body, ("stream",)),
            stream=body.get("stream") is True,
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the text and what it cost."""
        (take,) = takes
        return {"answer": take.text, "tokens": {"in": ask.prompt.tokens, "out": take.tokens}}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the text token by token; the last event says `done`."""
        (take,) = takes
        for step, piece in enumerate(take.pieces, 1):
            yield Frame(body=sse({"piece": piece}), step=step)
        yield Frame(body=sse({"done": True, **self.whole(ask, takes)}), step=take.tokens)


class OrdersApi(PlainApi):
    """`POST …/orders`: every order is a new one, so an answer must never be reused."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return the order, as a question that all orders share."""
        return Ask(
            endpoint="orders",
            model="",
            prompt=Prompt(messages=()),
            shape={},
            count=1,
            billed=0,
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the order's number, from 1, and what was ordered."""
        (take,) = takes
        return {"order": take.ordinal + 1, "status": "accepted", "items": dict(ask.body)}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing: orders are not streamed."""
        return iter(())
