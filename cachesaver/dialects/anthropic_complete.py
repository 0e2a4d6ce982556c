"""Anthropic's text completions, POST /v1/complete: the API before the Messages API.

https://docs.anthropic.com/en/api/complete. Streams are read as versions of the API from 2023-06-01
tell them: each event says what is new. Before, each said all so far, and no event had a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from cachesaver.dialects import forms
from cachesaver.dialects.anthropic_messages import VERSIONING
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["AnthropicComplete"]

_REFERENCE = "https://docs.anthropic.com/en/api/complete"

_FIRST_VERSION = "2023-01-01"
"""https://platform.claude.com/docs/en/api/versioning: its streams have another form."""

_AT_ITS_END = ("stop_reason", "stop")
"""What a stream tells with its last event, and as null before."""

_BLANK_LINE = re.compile(rb"(?:\r\n\r\n|\n\n|\r\r)\Z")


class AnthropicComplete(BaseDialect):
    """One request, one completion; whole and streamed are two forms of it."""

    name = "anthropic.complete"
    endpoints = (r"/v1/complete",)
    volatile = MappingProxyType(
        {
            "stream": f"only the form of the answer; {_REFERENCE}",
            "metadata": f"metadata.user_id helps Anthropic detect abuse; {_REFERENCE}",
        }
    )
    defaults = MappingProxyType({"temperature": 1})  # "Defaults to 1": the reference
    headers = VERSIONING
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        """Nobody else has `max_tokens_to_sample`."""
        limit = body.get("max_tokens_to_sample")
        return (
            isinstance(limit, int)
            and not isinstance(limit, bool)
            and isinstance(body.get("model"), str)
            and isinstance(body.get("prompt"), str)
        )

    def streamed(self, response: Response) -> bool:
        return forms.is_stream(response)

    def sound(self, response: Response) -> bool:
        try:
            return self._completion(response).get("stop_reason") is not None
        except DialectError:
            return False

    def finished(self, tail: bytes) -> bool:
        if not _BLANK_LINE.search(tail):
            return False
        told = [event.data for event in decode(tail)]
        try:
            event = forms.read_json(told[-1] if told else "", dialect=self.name)
        except DialectError:
            return False
        return forms.is_object(event) and event.get("stop_reason") is not None

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        return forms.json_document(response, self._completion(response), dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        if request.header("anthropic-version") == _FIRST_VERSION:
            raise DialectError("a stream of the API's first version", dialect=self.name)
        completion = self._completion(response)
        begun = {**completion, **dict.fromkeys(name for name in _AT_ITS_END if name in completion)}
        events = [("completion", begun), ("completion", {**completion, "completion": ""})]
        return forms.event_stream(response, events, dialect=self.name)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        """The API counts no tokens."""
        model = self._completion(response).get("model")
        return model if isinstance(model, str) else "", MappingProxyType({})

    def _completion(self, response: Response) -> dict[str, object]:
        """Return the whole completion in *response*, of either form; it may have no end."""
        if not self.streamed(response):
            completion = forms.read_object(response, dialect=self.name)
        else:
            completion = self._told(self._events(response))
        if completion.get("type", "completion") != "completion" or "error" in completion:
            raise DialectError("the provider answered with an error", dialect=self.name)
        if not isinstance(completion.get("completion"), str):
            raise DialectError("the answer holds no completion", dialect=self.name)
        return completion

    def _told(self, events: Iterator[dict[str, object]]) -> dict[str, object]:
        told, pieces = dict[str, object](), list[str]()
        for event in events:
            piece = event.get("completion")
            if not isinstance(piece, str) or told.get("stop_reason") is not None:
                raise DialectError("the stream says something not understood", dialect=self.name)
            pieces.append(piece)
            told |= event
        return {**told, "completion": "".join(pieces)} if told else {}

    def _events(self, response: Response) -> Iterator[dict[str, object]]:
        for event in decode(response.body):
            if event.name == "ping":
                continue
            value = forms.read_json(event.data, dialect=self.name)
            if event.name != "completion" or not forms.is_object(value):
                raise DialectError("an event that is no completion", dialect=self.name)
            yield value
