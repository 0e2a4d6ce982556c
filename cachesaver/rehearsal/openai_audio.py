"""OpenAI audio: https://platform.openai.com/docs/api-reference/audio.

What is heard in a recording is made up like any answer; speech is a file with nothing to hear in it
but the name of its sample.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.openai_common import OpenAIApi, sse
from cachesaver.rehearsal.reading import required, without
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, RejectedError, Take

__all__ = ["SpeechApi", "TranscriptionsApi", "TranslationsApi"]

_SECONDS = 6.0
"""Of every recording."""

_DONE = b"data: [DONE]\n\n"

_PLAIN = frozenset({"text", "srt", "vtt"})

_SOUNDS: Mapping[str, tuple[str, bytes]] = MappingProxyType(
    {
        # Type of the answer, and how such a file begins.
        "mp3": ("audio/mpeg", b"\xff\xf3\xc4\xc4"),
        "opus": ("audio/ogg", b"OggS\0\x02"),
        "aac": ("audio/aac", b"\xff\xf1"),
        "flac": ("audio/flac", b"fLaC"),
        "pcm": ("audio/pcm", b""),
        "wav": ("audio/wav", b""),
    }
)


class TranscriptionsApi(OpenAIApi):
    """`POST …/audio/transcriptions`."""

    endpoint = "openai.transcriptions"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked: the recording is known by its digest."""
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = str(body.get("model") or deployment or required(body, "model", str))
        heard = body.get("file") or body.get("url") or required(body, "file", str)
        form = str(body.get("response_format") or "json")
        if form not in {"json", "verbose_json", *_PLAIN}:
            raise RejectedError(400, f"unknown response_format {form!r}", "response_format")
        streams = body.get("stream") in (True, "true") and model != "whisper-1"
        return Ask(
            endpoint=self.endpoint,
            model=model,
            prompt=Prompt(messages=(Message(role="user", text=f"Say what is heard in {heard}."),)),
            shape=without(body, ("stream",)),
            stream=streams,
            content_type="text/plain; charset=utf-8" if form in _PLAIN else "",
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any] | bytes:
        """Return the text in the format that is asked for."""
        (take,) = takes
        form = ask.body.get("response_format") or "json"
        if form in _PLAIN:
            return _plain(str(form), take.text)
        if form == "verbose_json":
            return _verbose(take.text)
        if ask.model == "whisper-1":
            return {"text": take.text, "usage": {"type": "duration", "seconds": _SECONDS}}
        return {"text": take.text, "usage": _usage(ask, take)}

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the text token by token, the whole text, and `[DONE]`."""
        (take,) = takes
        for step, piece in enumerate(take.pieces, 1):
            yield Frame(body=sse({"type": "transcript.text.delta", "delta": piece}), step=step)
        done = {"type": "transcript.text.done", "text": take.text, "usage": _usage(ask, take)}
        yield Frame(body=sse(done), step=take.tokens)
        yield Frame(body=_DONE, step=take.tokens)


class TranslationsApi(TranscriptionsApi):
    """`POST …/audio/translations`."""

    endpoint = "openai.translations"


class SpeechApi(OpenAIApi):
    """`POST …/audio/speech`."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be said."""
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = str(body.get("model") or deployment or required(body, "model", str))
        required(body, "voice", object)
        form = str(body.get("response_format") or "mp3")
        if form not in _SOUNDS:
            raise RejectedError(400, f"unknown response_format {form!r}", "response_format")
        return Ask(
            endpoint="openai.speech",
            model=model,
            prompt=Prompt(messages=(Message(role="user", text=str(required(body, "input", str))),)),
            shape=without(body, ("stream_format",)),
            stream=body.get("stream_format") == "sse",
            content_type=_SOUNDS[form][0],
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> bytes:
        """Return the file."""
        return _sound(ask, takes[0])

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the file in two pieces, what it cost, and `[DONE]`."""
        sound = _sound(ask, takes[0])
        for step, piece in enumerate((sound[:9], sound[9:])):
            told = base64.b64encode(piece).decode()
            yield Frame(body=sse({"type": "speech.audio.delta", "audio": told}), step=step)
        yield Frame(body=sse({"type": "speech.audio.done", "usage": _usage(ask, takes[0])}), step=2)
        yield Frame(body=_DONE, step=2)


def _plain(form: str, text: str) -> bytes:
    if form == "srt":
        return f"1\n00:00:00,000 --> 00:00:06,000\n{text}\n\n".encode()
    if form == "vtt":
        return f"WEBVTT\n\n00:00:00.000 --> 00:00:06.000\n{text}\n\n".encode()
    return f"{text}\n".encode()


def _verbose(text: str) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "language": "english",
        "duration": _SECONDS,
        "text": text,
        "segments": [],
        "usage": {"type": "duration", "seconds": _SECONDS},
    }


def _usage(ask: Ask, take: Take) -> dict[str, Any]:
    read = ask.prompt.tokens
    details = {"input_token_details": {"text_tokens": 0, "audio_tokens": read}}
    return {
        "type": "tokens",
        "input_tokens": read,
        **(details if ask.endpoint != "openai.speech" else {}),
        "output_tokens": take.tokens,
        "total_tokens": read + take.tokens,
    }


def _sound(ask: Ask, take: Take) -> bytes:
    form = str(ask.body.get("response_format") or "mp3")
    content = f"{take.question}#{take.ordinal}".encode()
    content += b" " * (len(content) % 2)
    if form != "wav":
        return _SOUNDS[form][1] + content
    # RIFF, 16 bits, one channel, 24 kHz, with the sizes of a stream, as recorded.
    described = struct.pack("<IHHIIHH", 16, 1, 1, 24000, 48000, 2, 16)
    unknown = struct.pack("<I", 2**32 - 1)
    return b"RIFF" + unknown + b"WAVEfmt " + described + b"data" + unknown + content
