"""Gemini's generateContent, on AI Studio and Vertex AI, whole and streamed.

Tables first; a field is in them only where Google documents that it does not shape the answer, or
its default for all models. Three forms of one answer: a JSON object; server-sent events (with
`alt=sse`); a JSON array of chunks (streamed without).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from urllib.parse import unquote

from cachesaver.dialects import forms, gemini_candidates, gemini_stream
from cachesaver.dialects.base import BaseDialect
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response, without_headers

__all__ = ["Gemini"]

_REFERENCE = "https://ai.google.dev/api/generate-content"

_METHOD = re.compile(r"(?P<colon>:|%3[Aa])(?P<method>streamGenerateContent|generateContent)/?\Z")

_CONFIG = ("generationConfig", "generation_config")
_COUNT = ("candidateCount", "candidate_count")
"""ProtoJSON parsers take both spellings: https://protobuf.dev/programming-guides/json/"""

_MOST = 8
"""https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference: 1 to 8.

Some models refuse more than one ("Multiple candidates is not enabled for this model",
https://github.com/googleapis/js-genai/issues/1609): ask for more than one only who was asked to.
"""


class Gemini(BaseDialect):
    """One request, one to eight candidates."""

    name = gemini_stream.NAME
    endpoints = (
        r"/(?:models|tunedModels|dynamic|endpoints)/[^/]+(?::|%3[Aa])(?:streamGenerateContent|generateContent)",
    )

    volatile = MappingProxyType(
        {
            **{
                f"{config}.{count}": f"how many answers, not which; {_REFERENCE}#GenerationConfig"
                for config in _CONFIG
                for count in _COUNT
            },
            "labels": (
                "user-defined, to break down what was billed; https://cloud.google.com/vertex-ai"
                "/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models"
                "/generateContent"
            ),
            "serviceTier": (
                "standard, priority or flex capacity; https://ai.google.dev/gemini-api/docs/flex-inference"
            ),
            "service_tier": "as serviceTier; https://protobuf.dev/programming-guides/json/",
            "store": f"whether the request is logged; {_REFERENCE}",
        }
    )

    # A message without fields is a message left out: https://protobuf.dev/programming-guides/json/
    # Not here: temperature, topP, topK, maxOutputTokens ("the default value varies by model").
    defaults = MappingProxyType({config: {} for config in _CONFIG})

    # "null is an accepted value for all field types and leaves the field unset."
    # https://protobuf.dev/programming-guides/json/
    null_is_absent = True

    # "Optional. The unique id of the function call. If populated, the client to execute the
    # function_call and return the response with the matching id": https://ai.google.dev/api/caching#FunctionCall
    ties = tuple(
        f"contents.*.parts.*.{part}.id"
        for part in ("functionCall", "function_call", "functionResponse", "function_response")
    )
    max_count = _MOST
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        contents = body.get("contents")
        return (
            _METHOD.search(_path(request)) is not None
            and forms.is_list(contents)
            and bool(contents)
            and all(forms.is_object(each) and forms.is_list(each.get("parts")) for each in contents)
            and all(isinstance(body.get(name), dict | None) for name in _CONFIG)
        )

    def target(self, path: str, query: str) -> tuple[str, str]:
        kept = [pair for pair in query.split("&") if _alt(pair) not in ("sse", "json")]
        return _METHOD.sub(":generateContent", path), "&".join(kept)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        method = _METHOD.search(_path(request))
        return method is not None and method["method"] == "streamGenerateContent"

    def count(self, body: Mapping[str, object]) -> int:
        given = _given(body)
        return given if 1 <= given <= _MOST else 1

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        if count == self.count(body):
            return request
        config = _spelled(body, _CONFIG)
        inner = body.get(config)
        inner = inner if forms.is_object(inner) else {}
        asked = {**body, config: {**inner, _spelled(inner, _COUNT): count}}
        plain = replace(request, headers=without_headers(request.headers, ("content-encoding",)))
        return plain.with_body(forms.write_json(asked, dialect=self.name))

    def streamed(self, response: Response) -> bool:
        return _form(response) != "whole"

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        return _form(response) == _wanted(request, streams=self.wants_stream(request, body))

    def sound(self, response: Response) -> bool:
        try:
            return gemini_stream.is_complete(_chunks(response))
        except DialectError:
            return False

    def finished(self, tail: bytes) -> bool:
        return False  # nothing but the end of the body says that no chunk will follow

    def split(self, response: Response) -> tuple[Response, ...]:
        (body,) = _chunks(self.whole(response))
        if len(gemini_stream.candidates_of(body)) < 2:  # noqa: PLR2004  # nothing to take apart
            return (response,)
        return tuple(
            forms.json_document(response, each, dialect=self.name)
            for each in gemini_candidates.taken_apart(body)
        )

    def join(self, responses: Sequence[Response]) -> Response:
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is no response to join", dialect=self.name)
        bodies = [body for each in responses for body in _chunks(self.whole(each))]
        return forms.json_document(
            responses[0], gemini_candidates.joined(bodies), dialect=self.name
        )

    def whole(self, response: Response) -> Response:
        if _form(response) == "whole":
            return response
        body = gemini_stream.response_of(_chunks(response))
        return forms.json_document(response, body, dialect=self.name)

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        whole = forms.read_object(response, dialect=self.name)
        chunks = gemini_stream.chunks_of(whole)
        if _wanted(request, streams=True) == "events":
            return forms.event_stream(
                response, [("", chunk) for chunk in chunks], dialect=self.name
            )
        written = [forms.write_json(chunk, dialect=self.name) for chunk in chunks]
        # As Google writes it: a bracket or a comma before each chunk, the last bracket by itself.
        pieces = [(b",\r\n" if place else b"[") + each for place, each in enumerate(written)]
        return forms.rebuilt(response, (*pieces, b"\n]\n"), "application/json; charset=UTF-8")

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        model, usage = "", dict[str, object]()
        for chunk in _chunks(response):
            if isinstance(named := chunk.get("modelVersion"), str):
                model = named
            if forms.is_object(counted := chunk.get("usageMetadata")):
                usage = counted
        return model, usage


def _form(response: Response) -> str:
    return {b"{": "whole", b"[": "array"}.get(forms.first_byte(response), "events")


def _chunks(response: Response) -> list[dict[str, object]]:
    """Return what *response* says, in whichever form: one object, or those it is streamed as."""
    form = _form(response)
    if form == "whole":
        return [forms.read_object(response, dialect=gemini_stream.NAME)]
    if form == "events":
        return forms.read_events(response, dialect=gemini_stream.NAME)
    return forms.read_list(response, dialect=gemini_stream.NAME)


def _wanted(request: Request, *, streams: bool) -> str:
    if not streams:
        return "whole"
    query = request.url.partition("#")[0].partition("?")[2]
    return "events" if any(_alt(pair) == "sse" for pair in query.split("&")) else "array"


def _alt(pair: str) -> str | None:
    """Return the format that a query's *pair* asks for (`alt=` or `$alt=`); None for another."""
    name, _, value = pair.partition("=")
    return unquote(value).lower() if unquote(name) in ("alt", "$alt") else None


def _path(request: Request) -> str:
    return request.url.partition("#")[0].partition("?")[0]


def _spelled(fields: Mapping[str, object], spellings: Sequence[str]) -> str:
    return next((name for name in spellings if name in fields), spellings[0])


def _given(body: Mapping[str, object]) -> int:
    config = body.get(_spelled(body, _CONFIG))
    count = config.get(_spelled(config, _COUNT)) if forms.is_object(config) else None
    if isinstance(count, str) and re.fullmatch("[0-9]{1,3}", count):
        return int(count)  # ProtoJSON takes a number as text, too
    return int(count) if isinstance(count, int | float) and count in range(1, _MOST + 1) else 0
