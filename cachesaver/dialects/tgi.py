"""Hugging Face's text-generation-inference: POST /generate, /generate_stream, and / for either.

A request is one of these when it has `inputs` and a parameter of this server's; at / only on a host
of Hugging Face's or one the user named. Theirs know the same format at /models/.

A whole answer without details holds a text and no tokens, of which no stream can be made: there the
form that was asked for is part of the question. With details, each form is made of the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects import events, forms, tgi_stream
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.forms import is_object
from cachesaver.dialects.hosts import path_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["HuggingFaceDetails", "HuggingFaceGenerate", "TgiDetails", "TgiGenerate"]

_REFERENCE = "https://huggingface.co/docs/text-generation-inference/reference/api_reference"

_PARAMETERS = frozenset({"max_new_tokens", "do_sample", "return_full_text", "details"})
"""Of `parameters`: what other servers that take `inputs` do not know (the reference)."""

_STREAM = "/generate_stream"

_LISTED = (
    r"\A/?",  # the server's, and what `huggingface_hub` posts to when it is given an address
    # https://huggingface.co/docs/inference-providers/providers/hf-inference
    r"/models/[^/]+(?:/[^/]+)?",
)
_HUGGING_FACE = (
    r"(?:router|api-inference)\.huggingface\.co:443|.*\.endpoints\.huggingface\.cloud:443"
)
"""The same page, and https://huggingface.co/docs/inference-endpoints: `/` is a path that anybody has."""

_LAST_FIELDS = re.compile(
    rb'",\s*"details":\s*(?:null|\{[^{}]*\})\s*\}\s*\Z',
)
"""The end of a last event whose beginning is too far off: after a text, not after null."""


class TgiGenerate(BaseDialect):
    """One text a request, in the form it was asked for."""

    name = "tgi.generate"
    endpoints = (r"/generate", _STREAM)
    volatile: Mapping[str, str] = MappingProxyType(
        {"stream": f"the form of the answer, not the answer; {_REFERENCE}"}
    )
    null_is_absent = True
    listed: ClassVar[bool] = False
    """Whether a whole answer is a list of one."""

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        parameters, inputs = body.get("parameters"), body.get("inputs")
        return (
            isinstance(inputs, str)
            and bool(inputs)
            and is_object(parameters)
            and not _PARAMETERS.isdisjoint(parameters)
            and _tells_all(parameters) is self.converts
        )

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        if self.listed:
            return body.get("stream") is True
        return path_of(request.url).endswith(_STREAM)

    def streamed(self, response: Response) -> bool:
        return events.looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            if self.streamed(response):
                return tgi_stream.is_complete(self._events(response))
            answers = forms.read_list(response, dialect=self.name)
        except DialectError:
            return False
        return bool(answers) and all(map(tgi_stream.is_answer, answers))

    def finished(self, tail: bytes) -> bool:
        if not tail.endswith((b"\n\n", b"\r\n\r\n")):
            return False
        ended = tail.rstrip()
        event = ended[ended.rfind(b"\ndata:") + 1 :]
        if not event.startswith(b"data:"):
            return _LAST_FIELDS.search(event) is not None
        try:
            told = forms.read_json(event[5:].decode("utf-8", "replace"), dialect=self.name)
        except DialectError:
            return False
        return is_object(told) and tgi_stream.is_complete([told])

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        told = self._events(response)
        answer = tgi_stream.answer_of(told, dialect=self.name)
        value = [answer] if self.listed else answer
        document = forms.json_document(response, value, dialect=self.name)
        return _counted(document, tgi_stream.usage_of(told[-1], response))

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        if self.streamed(response):
            told = self._events(response)
        else:
            told = forms.read_list(response, dialect=self.name)
        last = told[-1] if told else {}
        return "", MappingProxyType(tgi_stream.usage_of(last, response))

    def _events(self, response: Response) -> list[dict[str, object]]:
        with events.dialect_errors(self.name):
            return list(events.data_objects(response, dialect=self.name))


class TgiDetails(TgiGenerate):
    """The same with details: the tokens are known, so that either form is made of the other."""

    name = "tgi.details"
    converts = True

    def target(self, path: str, query: str) -> tuple[str, str]:
        return (path.removesuffix("_stream") if path.endswith(_STREAM) else path), query

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        answers = forms.read_list(response, dialect=self.name)
        if len(answers) != 1:
            raise DialectError("several texts cannot be streamed", dialect=self.name)
        length = tgi_stream.prompt_tokens_in({}, response)
        told = tgi_stream.events_of(answers[0], prompt_tokens=length, dialect=self.name)
        return forms.event_stream(response, (("", event) for event in told), dialect=self.name)


class HuggingFaceGenerate(TgiGenerate):
    """The same at an address of its own, and at Hugging Face's."""

    name = "huggingface.generate"
    endpoints = _LISTED
    hosts = _HUGGING_FACE
    listed = True


class HuggingFaceDetails(TgiDetails):
    """The same with details."""

    name = "huggingface.details"
    endpoints = _LISTED
    hosts = _HUGGING_FACE
    listed = True


def _tells_all(parameters: Mapping[str, object]) -> bool:
    """Tell whether the answer will have its tokens, and nothing that a stream cannot tell."""
    return (
        parameters.get("details") is True
        and not parameters.get("decoder_input_details")
        and parameters.get("best_of") in (None, 1)
    )


def _counted(response: Response, usage: Mapping[str, object]) -> Response:
    """*response* with the headers that say of a whole answer what *usage* does."""
    named = {
        tgi_stream.PROMPT_TOKENS: usage.get("input_length"),
        tgi_stream.GENERATED_TOKENS: usage.get("generated_tokens"),
    }
    told = tuple((name, str(count)) for name, count in named.items() if count is not None)
    return replace(response, headers=(*without_headers(response.headers, named), *told))
