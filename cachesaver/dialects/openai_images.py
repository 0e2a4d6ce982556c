"""OpenAI's images: generated, edited or varied, several of them as `data` of one answer.

Edits and variations are forms (an edit may be JSON too), whose files count by their bytes and format:
the model is shown the picture, not what it is called.

An answer that only points to its images is no sample: such an address is dead within the hour
(https://platform.openai.com/docs/api-reference/images: "valid for 60 minutes"). What asks for one
passes through, and what is given one all the same is passed on and not kept.

Partial images of a stream are pictures of their own, so how many are asked for is part of the
question; a stream without them is its last event, which says what the whole answer says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.dialects.counting import with_n
from cachesaver.dialects.forms_asked import asked_number, is_true, with_field
from cachesaver.dialects.hosts import host_of, path_of
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.merging import as_list, as_object
from cachesaver.dialects.openai_chat import OPENAI_LABELS, has_model, is_openai, is_signed
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["CompatibleImages", "OneImage", "OneOpenAIImage", "OpenAIImages"]

Object = dict[str, object]

_FILE = "files count by their bytes and format, not by what they are called"

_BY_URL = re.compile(r"dall-e-[23]")
"""Models that answer with an address unless they are told otherwise; the same reference."""

_ONE_ONLY = re.compile(r"dall-e-3")
"""Models that take no `n` but 1; the same reference."""

_COMPLETED: Mapping[str, str] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference/images-streaming, by the path's end
        "generations": "image_generation.completed",
        "edits": "image_edit.completed",
    }
)

_TOTAL = re.compile(rb'"total_tokens"\s*:\s*\d')
"""Only the final event counts the tokens, and base64 holds no quotes."""

_IN_EVENTS = {"created": "created_at"}
_IN_ANSWERS = {"created_at": "created"}

_OPENROUTER, _OPENROUTER_PATH = "openrouter.ai", "/api/v1/images"
"""Its way to ask for images of any model, in this format: recorded exchanges."""

_OF_THE_IMAGE = frozenset({"b64_json", "url", "revised_prompt", "mime_type"})
"""What a whole answer says of each image, not of all: the same reference; the last is xAI's."""


class CompatibleImages(BaseDialect):
    """Images on a host of which we know no defaults."""

    name = "openai.images"
    endpoints = (
        r"(?<!/async)/images/generations",
        r"(?<!/async)/images/edits",
        r"(?<!/async)/images/variations",
        _OPENROUTER_PATH,
    )
    volatile: Mapping[str, str] = MappingProxyType(
        {
            # https://platform.openai.com/docs/api-reference/images/create and /createEdit
            "n": "how many samples, not which",
            "stream": "the form of the answer, not the answer",
            "safety_identifier": "an end user's identifier, for abuse detection",
            "image.filename": _FILE,
            "image[].filename": _FILE,
            "mask.filename": _FILE,
            "markup.filename": _FILE,
        }
    )
    null_is_absent = True
    max_count: int | None = 10  # the same reference: "must be between 1 and 10"
    converts = True
    one: ClassVar[bool] = False
    """Whether this class is for requests that can ask for one image only."""

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            _has_shape(request, body)
            and (has_model(request, body) or is_openai(request))
            and 1 <= asked_number(body, "n") <= (self.max_count or 1)
            and not _asks_for_url(body)
            and not is_signed(request)
            and _takes_one(body) == self.one
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_openai(request)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return is_true(body.get("stream"))

    def count(self, body: Mapping[str, object]) -> int:
        return max(1, asked_number(body, "n"))

    def ask(self, request: Request, body: Mapping[str, object], count: int) -> Request:
        if count == self.count(body):
            return request
        with events.dialect_errors(self.name):
            if (request.header("content-type") or "").lower().startswith("multipart/"):
                return with_field(request, "n", str(count))
            return with_n(request, body, count)

    def streamed(self, response: Response) -> bool:
        return events.looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                return all(map(_is_image, self._images(self._answer(response))))
        except DialectError:
            return False

    def finished(self, tail: bytes) -> bool:
        """True after the final event, which is mostly longer than *tail*."""
        if events.ends_done(tail):
            return True
        return _TOTAL.search(events.last_event(tail)) is not None

    def split(self, response: Response) -> tuple[Response, ...]:
        with events.dialect_errors(self.name):
            answer = self._answer(response)
            images = self._images(answer)
            if len(images) == 1:
                return (response,)
            return tuple(
                _response(response, answer, [image], usage)
                for image, usage in zip(images, _shares(answer, images), strict=True)
            )

    def join(self, responses: Sequence[Response]) -> Response:
        """What the samples say of themselves beside their image is said by the first."""
        if len(responses) == 1:
            return responses[0]
        if not responses:
            raise DialectError("there is nothing to join", dialect=self.name)
        with events.dialect_errors(self.name):
            answers = [self._answer(response) for response in responses]
            images = [image for answer in answers for image in self._images(answer)]
            return _response(responses[0], answers[0], images, sharing.total(answers))

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            return json_response(response, self._answer(response))

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            answer = self._answer(response)
            kind = _COMPLETED.get(path_of(request.url).rpartition("/")[2])
            images = self._images(answer)
            if kind is None or len(images) != 1:
                raise DialectError("there is no stream of such an answer", dialect=self.name)
            return events.event_stream(response, [_event(kind, answer, images[0])], named=True)

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            answer = self._answer(response)
        model = answer.get("model")
        return model if isinstance(model, str) else "", sharing.usage_in(answer) or sharing.NO_USAGE

    def _answer(self, response: Response) -> Object:
        """The whole answer in *response*, of either form."""
        if self.streamed(response):
            return self._final(response)
        answer = json_object(response, dialect=self.name)
        if answer.get("error"):
            raise DialectError("the provider answered with an error", dialect=self.name)
        return answer

    def _images(self, answer: Object) -> list[Object]:
        found = as_list(answer.get("data"), "data", dialect=self.name)
        if not found:
            raise DialectError("the answer holds no image", dialect=self.name)
        return [as_object(image, "an image", dialect=self.name) for image in found]

    def _final(self, response: Response) -> Object:
        found = list[Object]()
        for event in events.data_objects(response, dialect=self.name):
            if event.get("error") or event.get("type") == "error":
                raise DialectError("the stream holds an error", dialect=self.name)
            if event.get("type") in _COMPLETED.values():
                found.append(event)
        if len(found) != 1:
            raise DialectError("the stream holds not just one image", dialect=self.name)
        return _of_event(found[0])


class OpenAIImages(CompatibleImages):
    """Images of OpenAI itself, whose defaults are documented for all its models."""

    volatile = MappingProxyType({**CompatibleImages.volatile, "user": OPENAI_LABELS["user"]})
    # https://github.com/openai/openai-openapi (openapi.yaml, CreateImageRequest and
    # CreateImageEditRequest)
    defaults: Mapping[str, object] = MappingProxyType(
        {
            "background": "auto",
            "moderation": "auto",
            "output_compression": 100,
            "output_format": "png",
            "partial_images": 0,
            "quality": "auto",
            "size": "auto",
        }
    )

    def _serves(self, request: Request) -> bool:
        return is_openai(request)


class OneImage(CompatibleImages):
    """Requests that can ask for one image only: a model or format that gives no more, and a stream."""

    max_count = 1
    one = True


class OneOpenAIImage(OpenAIImages):
    """The same of OpenAI itself."""

    max_count = 1
    one = True


def _has_shape(request: Request, body: Mapping[str, object]) -> bool:
    prompt, path = body.get("prompt"), path_of(request.url)
    has_prompt = isinstance(prompt, str) and bool(prompt)
    if path.endswith(_OPENROUTER_PATH):
        return has_prompt and host_of(request.url) == _OPENROUTER
    if path.endswith("/generations"):
        return has_prompt
    pictures = next((body[name] for name in ("image", "image[]", "images") if body.get(name)), None)
    shown = is_object(pictures) or is_list(pictures)
    return shown and (has_prompt or path.endswith("/variations"))


def _asks_for_url(body: Mapping[str, object]) -> bool:
    form, model = body.get("response_format"), body.get("model")
    if form is None:
        return isinstance(model, str) and _BY_URL.match(model) is not None
    return form == "url"


def _takes_one(body: Mapping[str, object]) -> bool:
    model = body.get("model")
    return (
        is_true(body.get("stream"))
        or body.get("output_format") == "svg"  # the same reference: "SVG output requires n=1"
        or (isinstance(model, str) and _ONE_ONLY.match(model) is not None)
    )


def _is_image(image: Object) -> bool:
    url = image.get("url")
    held = image.get("b64_json")
    return (isinstance(held, str) and bool(held)) or (
        isinstance(url, str) and url.startswith("data:")
    )


def _shares(answer: Object, images: Sequence[Object]) -> Sequence[object]:
    """The usage for each image: they are of one size, so each cost the same."""
    usage = answer.get("usage")
    return sharing.share(usage, [1] * len(images)) if is_object(usage) else [None] * len(images)


def _response(like: Response, answer: Object, images: Sequence[Object], usage: object) -> Response:
    kept: Object = {**answer, "data": list(images)}
    if is_object(kept.get("usage")):
        del kept["usage"]
    return json_response(like, kept if usage is None else {**kept, "usage": usage})


def _event(kind: str, answer: Object, image: Object) -> Object:
    about = {_IN_EVENTS.get(k, k): v for k, v in answer.items() if k not in ("data", "usage")}
    event: Object = {"type": kind, **image, **about}
    return {**event, "usage": answer["usage"]} if "usage" in answer else event


def _of_event(event: Object) -> Object:
    image = {name: value for name, value in event.items() if name in _OF_THE_IMAGE}
    left = _OF_THE_IMAGE | {"type", "usage"}
    whole = {_IN_ANSWERS.get(k, k): v for k, v in event.items() if k not in left}
    whole["data"] = [image]
    return {**whole, "usage": event["usage"]} if "usage" in event else whole
