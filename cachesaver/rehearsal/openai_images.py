"""OpenAI images: https://platform.openai.com/docs/api-reference/images and …/images-streaming.

An image is a picture of one dot, with the name of its sample written into it.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from cachesaver.rehearsal.openai_common import EPOCH, OpenAIApi, sse
from cachesaver.rehearsal.reading import integer, required, without
from cachesaver.rehearsal.values import Ask, Frame, Message, Prompt, RejectedError, Take

__all__ = ["ImageEditsApi", "ImageVariationsApi", "ImagesApi"]

NOT_SHAPING = frozenset({"n", "safety_identifier", "stream", "user"})

_TOKENS = 272
"""Of an image of low quality, as recorded."""


class ImagesApi(OpenAIApi):
    """`POST …/images/generations`."""

    endpoint = "openai.images"
    event = "image_generation"

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked, of JSON or of a form."""
        fields = {name: _value(name, value) for name, value in body.items()}
        deployment = path.partition("/deployments/")[2].partition("/")[0]
        model = str(fields.get("model") or deployment or "gpt-image-1")
        most = 1 if model == "dall-e-3" else 10
        return Ask(
            endpoint=self.endpoint,
            model=model,
            prompt=Prompt(messages=(Message(role="user", text=self.prompt(fields)),)),
            shape=without(fields, NOT_SHAPING),
            count=integer(fields, "n", 1, most) or 1,
            stream=fields.get("stream") is True,
            limit=0,
            body=fields,
        )

    def prompt(self, body: Mapping[str, Any]) -> str:
        """Return the words of the prompt; refuse what lacks something."""
        return str(required(body, "prompt", str))

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return all images."""
        pictures = [_picture(take, "") for take in takes]
        if ask.body.get("response_format") == "url":
            data = [{"url": f"https://images.test/{take.id('img-')}.png"} for take in takes]
        else:
            data = [{"b64_json": picture} for picture in pictures]
        return {
            "created": EPOCH + takes[0].ordinal,
            "data": data,
            **_about(ask),
            "usage": {
                **_usage(ask, len(takes)),
                "output_tokens_details": {"image_tokens": _TOKENS * len(takes), "text_tokens": 0},
            },
        }

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate the partial images that are asked for, and the image."""
        (take,) = takes
        common = {"created_at": EPOCH + take.ordinal, **_about(ask)}
        for place in range(integer(ask.body, "partial_images", 0, 3) or 0):
            kind = f"{self.event}.partial_image"
            picture = _picture(take, f"partial {place}")
            event = {"type": kind, "b64_json": picture, **common, "partial_image_index": place}
            yield Frame(body=sse(event, name=kind), step=place)
        kind = f"{self.event}.completed"
        last = {"type": kind, "b64_json": _picture(take, ""), **common, "usage": _usage(ask, 1)}
        yield Frame(body=sse(last, name=kind), step=4)


class ImageEditsApi(ImagesApi):
    """`POST …/images/edits`: a form, or JSON."""

    endpoint = "openai.images.edits"
    event = "image_edit"

    def prompt(self, body: Mapping[str, Any]) -> str:
        """Refuse what shows no image, too."""
        if not any(body.get(name) for name in ("image", "image[]", "images")):
            raise RejectedError(400, "you must provide an image", "image")
        return super().prompt(body)


class ImageVariationsApi(ImagesApi):
    """`POST …/images/variations`: a form without a prompt."""

    endpoint = "openai.images.variations"

    def prompt(self, body: Mapping[str, Any]) -> str:
        """Return that there is none."""
        required(body, "image", str)
        return ""


def _value(name: str, value: object) -> object:
    """A field's value, which a form spells as text."""
    if name in ("n", "partial_images", "output_compression") and isinstance(value, str):
        return int(value) if value.isdecimal() else value
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _about(ask: Ask) -> dict[str, Any]:
    told = {"background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024"}
    shown = {name: ask.body.get(name) for name in told}
    return {name: v if (v := shown[name]) not in (None, "auto") else told[name] for name in told}


def _usage(ask: Ask, count: int) -> dict[str, Any]:
    prompt = ask.prompt.tokens
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": prompt},
        "output_tokens": _TOKENS * count,
        "total_tokens": prompt + _TOKENS * count,
    }


def _picture(take: Take, note: str) -> str:
    """A PNG of one grey dot in base64 (https://www.w3.org/TR/png/)."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    said = b"Comment\0" + f"{take.question}#{take.ordinal} {note}".encode()
    dot = zlib.compress(bytes((0, int(take.question[:2], 16))))
    chunks = ((b"IHDR", header), (b"tEXt", said), (b"IDAT", dot), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    return base64.b64encode(png).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
