"""Audio, judged by the openai SDK."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai
import pytest
from openai.types.audio import (
    Transcription,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
)

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

SOUND = ("speech.wav", b"RIFF")
HEARD: Any = {"model": "gpt-4o-mini-transcribe", "file": SOUND}
SAID: Any = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"}


def raw(create: Any, **ask: Any) -> bytes:
    body: bytes = create(**ask).http_response.read()
    return body


def test_transcriptions_satisfy_the_sdks_types_strictly(openai_client: Any) -> None:
    create = openai_client.audio.transcriptions.with_raw_response.create
    whisper = HEARD | {"model": "whisper-1"}

    assert Transcription.model_validate_json(raw(create, **HEARD), strict=True)
    assert Transcription.model_validate_json(raw(create, **whisper), strict=True)
    verbose = raw(create, **whisper, response_format="verbose_json")
    assert TranscriptionVerbose.model_validate_json(verbose, strict=True)
    *deltas, last, done = decode(raw(create, **HEARD, stream=True))
    for each in deltas:
        assert TranscriptionTextDeltaEvent.model_validate_json(each.data, strict=True)
    assert TranscriptionTextDoneEvent.model_validate_json(last.data, strict=True)
    assert done.data == "[DONE]"


def test_a_streamed_transcription_joins_to_the_whole_one(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    create = openai_client.audio.transcriptions.create
    whole = create(**HEARD)
    rehearsal.reset()

    *deltas, last = create(**HEARD, stream=True)

    assert "".join(each.delta for each in deltas) == last.text == whole.text
    assert last.usage.to_dict() == whole.usage.to_dict()


def test_what_is_heard_depends_on_the_recording(openai_client: Any) -> None:
    create = openai_client.audio.transcriptions.create

    assert create(**HEARD).text != create(**HEARD | {"file": ("speech.wav", b"other")}).text


def test_whisper_streams_to_nobody(openai_client: Any) -> None:
    create = openai_client.audio.transcriptions.with_raw_response.create

    answer = create(**HEARD | {"model": "whisper-1"}, stream=True)

    assert answer.headers["content-type"] == "application/json"


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's own business
@pytest.mark.parametrize(("form", "begins"), [("text", ""), ("srt", "1\n"), ("vtt", "WEBVTT\n")])
def test_a_text_comes_in_the_format_asked_for(openai_client: Any, form: str, begins: str) -> None:
    answer = openai_client.audio.translations.with_raw_response.create(
        model="whisper-1", file=SOUND, response_format=form
    )

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.http_response.text.startswith(begins)


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
        ("aac", "audio/aac", b"\xff"),
        ("flac", "audio/flac", b"fLaC"),
        ("wav", "audio/wav", b"RIFF"),
        ("pcm", "audio/pcm", b""),
    ],
)
def test_speech_is_a_file(openai_client: Any, form: str, kind: str, begins: bytes) -> None:
    answer = openai_client.audio.speech.create(**SAID, response_format=form)

    assert answer.response.headers["content-type"] == kind
    assert answer.content.startswith(begins)
    assert len(answer.content) > 60


def test_speech_in_events_is_the_same_file(rehearsal: Rehearsal, openai_client: Any) -> None:
    whole = openai_client.audio.speech.create(**SAID)
    rehearsal.reset()

    *deltas, last, _ = decode(
        openai_client.audio.speech.create(**SAID, stream_format="sse").content
    )

    told = [base64.b64decode(json.loads(each.data)["audio"]) for each in deltas]
    assert b"".join(told) == whole.content
    assert json.loads(last.data)["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("form", ["mp4", "diarized_json"])
def test_an_unknown_format_is_refused(openai_client: Any, form: str) -> None:
    with pytest.raises(openai.BadRequestError, match="response_format"):
        openai_client.audio.transcriptions.create(**HEARD, response_format=form)
    with pytest.raises(openai.BadRequestError, match="response_format"):
        openai_client.audio.speech.create(**SAID, response_format=form)


def test_a_file_that_lies_elsewhere_is_heard_too(openai_client: Any) -> None:
    body = {"model": "whisper-large-v3", "url": "https://a.test/x.wav"}

    assert openai_client.post("/audio/transcriptions", body=body, cast_to=object)["text"]
