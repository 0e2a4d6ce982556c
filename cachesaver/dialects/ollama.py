"""Ollama's own sampling APIs: POST /api/chat and /api/generate.

At home on its port and in its cloud; elsewhere a request is taken for one of these only with a field
that nobody else has. Both stream unless told not to. A request without a prompt loads or unloads a
model, and passes through. How answers are streamed is in `ollama_stream`.

No member of `options` has a default here: what a request leaves out, the model's own file may set.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects import events, forms, ndjson, ollama_stream
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.forms import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["HOME", "OLLAMA_VOLATILE", "OllamaChat", "OllamaGenerate", "has_own_fields"]

HOME = r".*:11434|ollama\.com:443"
"""https://github.com/ollama/ollama/blob/main/docs/api/introduction.mdx"""

_API = "https://github.com/ollama/ollama/blob/main/docs/api.md"

OLLAMA_VOLATILE: Mapping[str, str] = MappingProxyType(
    {"keep_alive": f"how long the model stays loaded after the answer; {_API}"}
)

_NO_ANSWER = ("load", "unload")
"""Reasons to end that are told of a model, not of a text: the same page."""

_LAST_FIELDS = re.compile(rb'"total_duration":\d+(?:,"[a-z_]+":\d+)*\}\Z')
"""The end of a last line whose beginning is too far off (it holds the `context` of all tokens)."""


class _Ollama(BaseDialect):
    """What both share: *part* is the field that holds the answer, in whole and in every line."""

    volatile: Mapping[str, str] = MappingProxyType(
        {"stream": f"the form of the answer, not the answer; {_API}", **OLLAMA_VOLATILE}
    )
    null_is_absent = True
    converts = True
    part: ClassVar[str]

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
            and body.get("_debug_render_only") is not True  # shows the prompt, and samples nothing
            and (not self._anywhere or has_own_fields(body))
        )

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return body.get("stream") is not False

    def streamed(self, response: Response) -> bool:
        return ndjson.looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            answer = self._answer(response)
        except DialectError:
            return False
        return (
            isinstance(answer.get(self.part), str | dict)
            and answer.get("done_reason") not in _NO_ANSWER
        )

    def finished(self, tail: bytes) -> bool:
        line = ndjson.last_line(tail)
        try:
            told = forms.read_json(line.decode("utf-8", "replace"), dialect=self.name)
        except DialectError:
            is_cut = b"\n" not in tail.strip()
            return is_cut and _LAST_FIELDS.search(line) is not None
        return is_object(told) and told.get("done") is True and not told.get("error")

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        return forms.json_document(response, self._answer(response), dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        told = ollama_stream.lines_of(self._answer(response), dialect=self.name)
        return ndjson.write_lines(response, told, dialect=self.name)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        last = self._told(response)[-1]
        model = last.get("model")
        counts = {name: last[name] for name in ollama_stream.COUNTS if name in last}
        return model if isinstance(model, str) else "", MappingProxyType(counts)

    @abstractmethod
    def _asks(self, body: Mapping[str, object]) -> bool:
        """Tell whether *body* has a prompt."""

    def _answer(self, response: Response) -> dict[str, object]:
        """The complete answer in *response*, of either form."""
        with events.dialect_errors(self.name):
            return ollama_stream.answer_of(self._told(response), dialect=self.name)

    def _told(self, response: Response) -> list[dict[str, object]]:
        """The lines of a stream, or the one object of a whole answer."""
        if self.streamed(response):
            return ndjson.read_lines(response, dialect=self.name)
        return [forms.read_object(response, dialect=self.name)]


class OllamaChat(_Ollama):
    """A conversation, answered with one message."""

    name = "ollama.chat"
    endpoints = (r"/api/chat",)
    # https://github.com/ollama/ollama/blob/main/api/types.go (ChatRequest): a list or an object that
    # is empty is one that is not there; `truncate` and `shift` are true where they are not. Not
    # `think` and `format`: whether they are there at all makes a difference.
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "options": {},
            "tools": [],
            "truncate": True,
            "shift": True,
            "logprobs": False,
            "top_logprobs": 0,
        }
    )
    part = "message"

    def _asks(self, body: Mapping[str, object]) -> bool:
        messages = body.get("messages")
        return (
            is_list(messages)
            and bool(messages)
            and all(is_object(m) and isinstance(m.get("role"), str) for m in messages)
        )


class OllamaGenerate(_Ollama):
    """A prompt, answered with a text."""

    name = "ollama.generate"
    endpoints = (r"/api/generate",)
    # The same page (GenerateRequest). Not `context`: an empty one keeps out the messages that the
    # model's own file begins with.
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "options": {},
            "images": [],
            "raw": False,
            "suffix": "",
            "system": "",
            "template": "",
            "truncate": True,
            "shift": True,
            "logprobs": False,
            "top_logprobs": 0,
        }
    )
    part = "response"

    def _asks(self, body: Mapping[str, object]) -> bool:
        prompt = body.get("prompt")
        return isinstance(prompt, str) and bool(prompt)


def has_own_fields(body: Mapping[str, object]) -> bool:
    """Tell whether *body* has a field that only Ollama's APIs have."""
    return is_object(body.get("options")) or "keep_alive" in body
