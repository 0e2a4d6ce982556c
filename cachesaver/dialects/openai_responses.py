"""OpenAI's Responses API: one sample a request, its whole form inside its stream's last event.

A request is one of these when its path ends in `/responses` and its body asks for a response. That
path could be a survey's, so on a host we do not know the body must say more than `input`: a model,
and items of the API's own types, one of its own fields, its versioned path or its SDK's mark.

State on the server, decided case by case:

- `background`: the answer is a job to poll. Passes through.
- `conversation`, a tool in a container given by its id: the call also changes something on the
  server, which a hit would leave undone. Passes through.
- `previous_response_id`: the id names a context that never changes, and it comes from an earlier
  sample, so it repeats in a rerun. It is part of the question like any text. A miss under an id the
  server has dropped fails as it would have failed live.
- `store`: decides whether such an id will mean anything to the server, so it stays in the question
  and an answer that was not kept is never given to a caller who wants to go on from it.
- `prompt` (a template by id) and item references are read like `previous_response_id`; a template
  without a version can change behind its name, as models do behind theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import events
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.dialects.hosts import RESPONSES, host_of, path_of, stateful
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.merging import as_list, as_object, is_index
from cachesaver.dialects.openai_chat import OPENAI_LABELS, OPENAI_VOLATILE, is_openai
from cachesaver.dialects.responses_events import Object, events_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["CompatibleResponses", "OpenAIResponses", "OpenAITemplate"]

_OWN_FIELDS = frozenset(
    {
        # https://platform.openai.com/docs/api-reference/responses/create
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "store",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
    }
)
_VERSIONED = re.compile(r"/(?:v1|openai)/responses\Z")

_ANSWERS = frozenset({"completed", "incomplete"})
"""`incomplete` is cut by a limit or a filter, as `length` and `content_filter` are in chat."""

_FINAL = frozenset(f"response.{status}" for status in (*_ANSWERS, "failed"))

_FINAL_NAME = re.compile(rb"(?:\A|[\r\n])event: ?response\.(?:completed|incomplete|failed)[\r\n]")
_FINAL_TYPE = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|failed)"')
_EVENT_START = re.compile(rb"event:|data:|id:|:")
_TOTAL = re.compile(rb'"total_tokens"\s*:\s*\d')
_BLANK_LINES = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class CompatibleResponses(BaseDialect):
    """The Responses API on a host of which we know no defaults."""

    name = "openai.responses"
    endpoints = (r"/responses",)
    volatile: Mapping[str, str] = OPENAI_VOLATILE
    null_is_absent = True
    max_count: int | None = 1
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            _has_shape(body)
            and (RESPONSES.fullmatch(host_of(request.url)) or _is_decisive(request, body))
            and not stateful(request.url, body)
            and self._serves(request, body)
        )

    def _serves(self, request: Request, body: Mapping[str, object]) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_openai(request)

    def streamed(self, response: Response) -> bool:
        return events.looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                answer = self._answer(response)
        except DialectError:
            return False
        status = answer.get("status", "completed")
        return isinstance(status, str) and status in _ANSWERS

    def finished(self, tail: bytes) -> bool:
        """True after the final event, which is often longer than *tail*.

        No other event counts the tokens: a `"total_tokens":` with a number after it stands in it
        alone, and inside a text its quotes would be escaped.
        """
        if events.ends_done(tail):
            return True
        pieces = _BLANK_LINES.split(tail)
        if len(pieces) < 2 or pieces[-1]:  # noqa: PLR2004  # an event and the blank line after it
            return False
        last = pieces[-2]
        if _FINAL_NAME.search(last) or _FINAL_TYPE.search(last):
            return True
        return not _EVENT_START.match(last) and _TOTAL.search(last) is not None

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            return json_response(response, self._answer(response))

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            sequence = events_of(self._answer(response), dialect=self.name)
            return events.event_stream(response, sequence, named=True)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            answer = self._answer(response)
        model, usage = answer.get("model"), answer.get("usage")
        return (
            model if isinstance(model, str) else "",
            usage if is_object(usage) else MappingProxyType({}),
        )

    def _answer(self, response: Response) -> Object:
        """The whole response in *response*, of either form.

        Raises:
            DialectError: There is none, or an error instead.
        """
        if self.streamed(response):
            answer = self._final(response)
        else:
            answer = json_object(response, dialect=self.name)
        if answer.get("error"):
            raise DialectError("the provider answered with an error", dialect=self.name)
        as_list(answer.get("output"), "output", dialect=self.name)
        return answer

    def _final(self, response: Response) -> Object:
        """The response of the final event; its output, where it is left out, of the items' events.

        The Codex back end sends an empty `output` at the end.
        """
        final, items = dict[str, object](), dict[int, object]()
        for event in events.data_objects(response, dialect=self.name):
            kind = event.get("type")
            if kind == "error" or event.get("error"):
                raise DialectError("the stream holds an error", dialect=self.name)
            if isinstance(kind, str) and kind in _FINAL:
                final = as_object(event.get("response"), "response", dialect=self.name)
            elif kind == "response.output_item.done":
                index = event.get("output_index")
                items[index if is_index(index) else len(items)] = event.get("item")
        if not final:
            raise DialectError("the stream ends before its final event", dialect=self.name)
        if final.get("output"):
            return final
        return {**final, "output": [items[index] for index in sorted(items)]}


class OpenAIResponses(CompatibleResponses):
    """The Responses API of OpenAI itself, whose defaults are documented for all its models."""

    volatile = MappingProxyType({**OPENAI_VOLATILE, **OPENAI_LABELS})
    # https://github.com/openai/openai-openapi (openapi.yaml, CreateResponse). Left out although it has
    # one there: top_p, as in chat.
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "temperature": 1,
            "parallel_tool_calls": True,
            "truncation": "disabled",
            "store": True,
            "background": False,
        }
    )

    def _serves(self, request: Request, body: Mapping[str, object]) -> bool:
        return is_openai(request) and not _is_templated(body)


class OpenAITemplate(OpenAIResponses):
    """A response by a template that is kept at OpenAI, whose settings take the place of the defaults."""

    defaults: Mapping[str, object] = MappingProxyType({})

    def _serves(self, request: Request, body: Mapping[str, object]) -> bool:
        return is_openai(request) and _is_templated(body)


def _has_shape(body: Mapping[str, object]) -> bool:
    asked = body.get("input")
    model = body.get("model")
    is_input = (isinstance(asked, str) or _are_items(asked)) if asked is not None else False
    continues = isinstance(body.get("previous_response_id"), str)
    templated = _is_templated(body)
    named = (isinstance(model, str) and bool(model)) or templated
    return named and (is_input or (asked is None and (continues or templated)))


def _is_templated(body: Mapping[str, object]) -> bool:
    prompt = body.get("prompt")
    return is_object(prompt) and isinstance(prompt.get("id"), str)


def _are_items(asked: object) -> bool:
    return (
        is_list(asked)
        and bool(asked)
        and all(
            is_object(item)
            and (isinstance(item.get("type"), str) or isinstance(item.get("role"), str))
            for item in asked
        )
    )


def _is_decisive(request: Request, body: Mapping[str, object]) -> bool:
    """Whether *body*, which has the shape, can be nothing but a Responses request."""
    return isinstance(body.get("model"), str) and (
        not _OWN_FIELDS.isdisjoint(body)
        or _are_items(body.get("input"))
        or _VERSIONED.search(path_of(request.url)) is not None
        or (request.header("user-agent") or "").startswith(("OpenAI/", "AsyncOpenAI/"))
    )
