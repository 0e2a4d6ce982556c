"""OpenAI's audio: speech to text (a form with a file, or JSON) and text to speech (JSON to bytes).

The file of a form counts by its bytes, and of its name only what tells the format: "the audio file
object (not file name)" is what is transcribed, and the name has to bear an extension
(https://platform.openai.com/docs/api-reference/audio/createTranscription). So a temporary file that
is called otherwise in every run is one question.

Speech comes as bytes, or as events whose pieces are said to be that file in base64; which it is
is part of the question, for nothing says that the pieces make up the very same file, nor what the
whole file cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.dialects import events, sharing
from cachesaver.dialects.base import BaseDialect, json_object, json_response
from cachesaver.dialects.forms_asked import is_true
from cachesaver.dialects.jsontext import is_object
from cachesaver.dialects.openai_chat import (
    has_model,
    is_openai,
    is_signed,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = [
    "CompatibleSpeech",
    "CompatibleTranscriptions",
    "OpenAISpeech",
    "OpenAITranscriptions",
]

Object = dict[str, object]

_DELTA, _DONE = "transcript.text.delta", "transcript.text.done"
"""https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event, …-done-event."""

_ENDS = (_DONE, "transcription.done")
"""The second is Mistral's: https://docs.mistral.ai/capabilities/audio."""

_CARRIED = frozenset({"text", "logprobs", "languages", "usage"})
"""What a whole answer and the last event of a stream both have."""

_TEXTS = frozenset({"text", "srt", "vtt", "verbose_json"})
"""Formats of which no stream is documented."""

_WHOLE_ONLY = "whisper-1"
"""The same reference: "Streaming is not supported for the `whisper-1` model and will be ignored"."""

_SPEECH_DONE = "speech.audio.done"
"""https://platform.openai.com/docs/api-reference/audio/speech-audio-done-event"""

_BYTES = ("audio/", "video/", "application/octet-stream", "binary/octet-stream")


class CompatibleTranscriptions(BaseDialect):
    """Transcriptions and translations on a host of which we know no defaults."""

    name = "openai.transcriptions"
    endpoints = (r"/audio/transcriptions", r"/audio/translations")
    volatile: Mapping[str, str] = MappingProxyType(
        {
            # https://platform.openai.com/docs/api-reference/audio/createTranscription
            "stream": "the form of the answer, not the answer",
            "file.filename": "the file counts, by its bytes and format, not what it is called",
        }
    )
    null_is_absent = True
    converts = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            _has_recording(body)
            and has_model(request, body)
            and not (self.wants_stream(request, body) and _is_text_format(body))
            and not is_signed(request)
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_openai(request)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return is_true(body.get("stream")) and body.get("model") != _WHOLE_ONLY

    def streamed(self, response: Response) -> bool:
        return response.content_type != "text/plain" and events.looks_streamed(response)

    def sound(self, response: Response) -> bool:
        try:
            with events.dialect_errors(self.name):
                if self.streamed(response):
                    return bool(self._final(response))
                if not _is_json(response):
                    return bool(response.body) and response.content_type != "text/html"
                return isinstance(self._answer(response).get("text"), str)
        except DialectError:
            return False

    def finished(self, tail: bytes) -> bool:
        return events.ends_done(tail)  # in recorded exchanges it follows the last event

    def whole(self, response: Response) -> Response:
        if not self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            told = list(events.data_objects(response, dialect=self.name))
            final = self._final(response)
            if any(event.get("type") not in (_DELTA, _DONE) for event in told):
                raise DialectError("the stream holds more than a text", dialect=self.name)
            return json_response(response, {k: v for k, v in final.items() if k != "type"})

    def stream(self, response: Response, request: Request, body: Mapping[str, object]) -> Response:
        if self.streamed(response):
            return response
        with events.dialect_errors(self.name):
            answer = self._answer(response)
            if not (answer.keys() <= _CARRIED) or not isinstance(answer.get("text"), str):
                raise DialectError("there is no stream of such an answer", dialect=self.name)
            return events.event_stream(response, [*_events(answer), events.DONE])

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        with events.dialect_errors(self.name):
            if not self.streamed(response) and not _is_json(response):
                return "", sharing.NO_USAGE
            streamed = self.streamed(response)
            answer = self._final(response) if streamed else self._answer(response)
        model = answer.get("model")
        return model if isinstance(model, str) else "", sharing.usage_in(answer) or sharing.NO_USAGE

    def _answer(self, response: Response) -> Object:
        answer = json_object(response, dialect=self.name)
        if answer.get("error"):
            raise DialectError("the provider answered with an error", dialect=self.name)
        return answer

    def _final(self, response: Response) -> Object:
        """The event that holds all of the text."""
        final = dict[str, object]()
        for event in events.data_objects(response, dialect=self.name):
            if event.get("error") or event.get("type") == "error":
                raise DialectError("the stream holds an error", dialect=self.name)
            if event.get("type") in _ENDS and isinstance(event.get("text"), str):
                final = event
        if not final:
            raise DialectError("the stream ends before its final event", dialect=self.name)
        return final


class OpenAITranscriptions(CompatibleTranscriptions):
    """Transcriptions and translations of OpenAI itself."""

    # https://github.com/openai/openai-openapi (openapi.yaml, CreateTranscriptionRequest and
    # CreateTranslationRequest)
    defaults: Mapping[str, object] = MappingProxyType({"response_format": "json", "temperature": 0})

    def _serves(self, request: Request) -> bool:
        return is_openai(request)


class CompatibleSpeech(BaseDialect):
    """Speech on a host of which we know no defaults."""

    name = "openai.speech"
    endpoints = (r"/audio/speech",)
    null_is_absent = True

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return (
            isinstance(body.get("input"), str)
            and has_model(request, body)
            and (body.get("voice") is None or isinstance(body["voice"], str | dict))
            and not is_signed(request)
            and self._serves(request)
        )

    def _serves(self, request: Request) -> bool:
        """Tell whether *request* goes to a host whose particulars are this class's."""
        return not is_openai(request)

    def wants_stream(self, request: Request, body: Mapping[str, object]) -> bool:
        return body.get("stream_format") == "sse" or is_true(body.get("stream"))

    def streamed(self, response: Response) -> bool:
        """By its label first: nothing says what bytes a sound may begin with."""
        kind = response.content_type
        return kind == "text/event-stream" or (not kind and events.looks_streamed(response))

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        """Always: the form asked for is part of the question."""
        return True

    def sound(self, response: Response) -> bool:
        if not self.streamed(response):
            return _is_sound(response)
        try:
            with events.dialect_errors(self.name):
                told = list(events.data_objects(response, dialect=self.name))
        except DialectError:
            return False
        broken = any(event.get("error") or event.get("type") == "error" for event in told)
        return not broken and any(event.get("type") == _SPEECH_DONE for event in told)

    def finished(self, tail: bytes) -> bool:
        return events.ends_done(tail)  # in recorded exchanges it follows the last event

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        if not self.streamed(response):
            return "", sharing.NO_USAGE
        with events.dialect_errors(self.name):
            told = list(events.data_objects(response, dialect=self.name))
        usages = (usage for event in reversed(told) if (usage := sharing.usage_in(event)))
        return "", next(usages, sharing.NO_USAGE)


class OpenAISpeech(CompatibleSpeech):
    """Speech of OpenAI itself."""

    # https://github.com/openai/openai-openapi (openapi.yaml, CreateSpeechRequest)
    defaults: Mapping[str, object] = MappingProxyType(
        {"response_format": "mp3", "speed": 1, "stream_format": "audio"}
    )

    def _serves(self, request: Request) -> bool:
        return is_openai(request)


def _is_sound(response: Response) -> bool:
    kind = response.content_type
    if not _is_json(response):
        return bool(response.body) and (not kind or kind.startswith(_BYTES))
    try:
        # Mistral's: https://docs.mistral.ai/api/#tag/audio.speech and recorded exchanges
        held = json_object(response, dialect="openai.speech").get("audio_data")
    except DialectError:
        return False
    return isinstance(held, str) and bool(held)


def _has_recording(body: Mapping[str, object]) -> bool:
    """Whether *body* has a sound: a file, where it lies (Groq, Mistral), or JSON (OpenRouter)."""
    # https://console.groq.com/docs/speech-to-text, https://docs.mistral.ai/capabilities/audio,
    # recorded exchanges of OpenRouter
    placed = any(isinstance(body.get(name), str) for name in ("url", "file_url", "file_id"))
    return placed or any(is_object(body.get(name)) for name in ("file", "input_audio"))


def _is_text_format(body: Mapping[str, object]) -> bool:
    form = body.get("response_format")
    return isinstance(form, str) and form in _TEXTS


def _is_json(response: Response) -> bool:
    kind = response.content_type
    return "json" in kind or (not kind and response.body.lstrip()[:1] == b"{")


def _events(answer: Object) -> list[Object]:
    text, logprobs = answer["text"], {k: v for k, v in answer.items() if k == "logprobs"}
    deltas: list[Object] = [{"type": _DELTA, "delta": text, **logprobs}] if text else []
    return [*deltas, {"type": _DONE, **answer}]
