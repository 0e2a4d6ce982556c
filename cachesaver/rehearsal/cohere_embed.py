"""Cohere's embeddings (both versions) and tokenizer.

https://docs.cohere.com/reference/embed, …/v1/reference/embed, …/reference/tokenize.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.cohere import CohereApi
from cachesaver.rehearsal.reading import integer, listed, required, without
from cachesaver.rehearsal.tokens import count_tokens, split_tokens
from cachesaver.rehearsal.values import (
    Ask,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
    dumps,
)

__all__ = ["DetokenizeApi", "EmbedApi", "TokenizeApi"]

_DIMENSIONS = 16
"""Of an embedding, when none are asked for: enough to tell texts apart."""

_MOST = 96
"""Inputs in one request."""

_IMAGE_TOKENS = 1000


class _FixedApi(CohereApi):
    """An endpoint that gives no samples and no stream."""

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate nothing."""
        return iter(())


class EmbedApi(_FixedApi):
    """`POST …/embed`: the same input has the same vector, always."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be embedded: one message an input."""
        given = {n: listed(body[n]) for n in ("texts", "images", "inputs") if body.get(n)}
        if len(given) != 1:
            raise RejectedError(400, "invalid request: exactly one of texts, images, inputs")
        ((kind, items),) = given.items()
        if len(items) > _MOST:
            raise RejectedError(400, f"invalid request: at most {_MOST} {kind} are allowed")
        return Ask(
            endpoint="cohere.embed",
            model=required(body, "model", str),
            prompt=Prompt(messages=tuple(_message(kind, item) for item in items)),
            shape=without(body, ("priority",)),
            count=0,
            billed=sum(_tokens(kind, item) for item in items),
            body={**body, "_path": path},
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return vectors of length 1: by type, or in version 1 a list where no type is asked for."""
        size = integer(ask.body, "output_dimension") or _DIMENSIONS
        vectors = [_vector(ask.model, m.text, size) for m in ask.prompt.messages]
        version = "1" if "/v1/" in ask.body["_path"] else "2"
        kinds = [str(kind) for kind in listed(ask.body.get("embedding_types"))]
        if version == "2":
            kinds = kinds or ["float"]
        unknown = [kind for kind in kinds if kind not in _FORMS]
        if unknown:
            raise RejectedError(400, "invalid request: unknown embedding type")
        by_type = {kind: [_FORMS[kind](vector) for vector in vectors] for kind in kinds}
        return {
            "id": digest("embed", ask.question)[:32],
            "texts": listed(ask.body.get("texts")),
            "embeddings": by_type or vectors,
            **({"images": list(map(_image, images))} if (images := ask.body.get("images")) else {}),
            "meta": {"api_version": {"version": version}, "billed_units": _billed(ask)},
            "response_type": "embeddings_by_type" if by_type else "embeddings_floats",
        }


class TokenizeApi(_FixedApi):
    """`POST …/tokenize`: a token is a number made of its text."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be cut."""
        text, model = required(body, "text", str), required(body, "model", str)
        return _fixed("cohere.tokenize", model, text, body)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the tokens."""
        pieces = split_tokens(ask.prompt.text)
        return {
            "tokens": [int(piece.encode().hex(), 16) for piece in pieces],
            "token_strings": list(pieces),
            "meta": {"api_version": {"version": "1"}},
        }


class DetokenizeApi(_FixedApi):
    """`POST …/detokenize`: undoes that."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is to be put together."""
        tokens, model = required(body, "tokens", list), required(body, "model", str)
        text = "".join(bytes.fromhex(f"{t:x}".zfill(2)).decode("utf-8", "replace") for t in tokens)
        return _fixed("cohere.detokenize", model, text, body)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return the text."""
        return {"text": ask.prompt.text, "meta": {"api_version": {"version": "1"}}}


def _fixed(endpoint: str, model: str, text: str, body: Mapping[str, Any]) -> Ask:
    prompt = Prompt(messages=(Message(role="user", text=text),))
    return Ask(
        endpoint=endpoint, model=model, prompt=prompt, shape=body, count=0, billed=0, body=body
    )


def _message(kind: str, item: object) -> Message:
    return Message(role="user", text=item if isinstance(item, str) else dumps([kind, item]))


def _tokens(kind: str, item: object) -> int:
    if kind == "images":
        return _IMAGE_TOKENS
    return count_tokens(item if isinstance(item, str) else dumps(item))


def _billed(ask: Ask) -> dict[str, int]:
    if images := listed(ask.body.get("images")):
        return {"images": len(images)}
    return {"input_tokens": ask.prompt_tokens, "image_tokens": 0}


def _image(uri: object) -> dict[str, Any]:
    kind = str(uri).removeprefix("data:").partition(";")[0]
    return {"width": 2, "height": 2, "format": kind, "bit_depth": 24}


def _vector(model: str, text: str, size: int) -> list[float]:
    rng = Random(digest(model, text))  # noqa: S311  # reproducible on purpose
    raw = [rng.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(x * x for x in raw))
    return [struct.unpack("<f", struct.pack("<f", x / length))[0] for x in raw]


def _bits(vector: list[float]) -> list[int]:
    bits = "".join("1" if x > 0 else "0" for x in vector)
    return [int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8)]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _bytes(vector: list[float]) -> list[int]:
    return [round(x * 127) for x in vector]


def _signed(unsigned: list[int]) -> list[int]:
    return [byte - 128 for byte in unsigned]


_FORMS: Mapping[str, Callable[[list[float]], object]] = MappingProxyType(
    {
        "float": list,
        "int8": _bytes,
        "uint8": lambda vector: [byte + 128 for byte in _bytes(vector)],
        "binary": lambda vector: _signed(_bits(vector)),
        "ubinary": _bits,
        "base64": _packed,
    }
)
