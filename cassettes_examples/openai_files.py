"""What OpenAI answers that is no text: embeddings, a verdict, a picture, and speech."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from openai import OpenAI


def embeddings() -> Any:
    with OpenAI() as client:
        told = client.embeddings.create(
            model="text-embedding-3-small", input=["one", "two", "one"], dimensions=8
        )
    return [each.embedding for each in told.data]


def moderation() -> Any:
    with OpenAI() as client:
        return client.moderations.create(input="All is well.").results[0].flagged


def image() -> Any:
    with OpenAI() as client:
        told: Any = client.images.generate(model="gpt-image-1", prompt="a red square")
    return _digest(told.data[0].b64_json.encode())


def speech() -> Any:
    with OpenAI() as client:
        told = client.audio.speech.create(model="tts-1", voice="alloy", input="Good morning.")
    return _digest(told.read())


def transcription() -> Any:
    sound = io.BytesIO(b"RIFF, as far as this example goes")
    with OpenAI() as client:
        return client.audio.transcriptions.create(model="whisper-1", file=("a.wav", sound)).text


def _digest(content: bytes) -> Any:
    return [len(content), hashlib.sha256(content).hexdigest()[:16]]
