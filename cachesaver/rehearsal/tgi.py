"""Hugging Face's text-generation-inference: POST /generate, /generate_stream, and / for either.

https://huggingface.co/docs/text-generation-inference/reference/api_reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import integer, listed, mapped, required, without
from cachesaver.rehearsal.values import (
    Ask,
    Finish,
    Frame,
    Message,
    Prompt,
    RejectedError,
    Take,
    digest,
)

__all__ = ["TgiApi", "TgiCompatibleApi"]

_FINISH_REASONS = MappingProxyType(
    {
        Finish.STOP: "eos_token",
        Finish.CALLS: "eos_token",
        Finish.SEQUENCE: "stop_sequence",
        Finish.LENGTH: "length",
    }
)

_ERROR_TYPES = MappingProxyType({422: "validation", 424: "generation", 429: "overloaded"})


class TgiApi:
    """`POST …/generate` and `POST …/generate_stream`."""

    content_type = "application/json"
    event_stream = "text/event-stream"
    pretty = False
    overloaded = 429

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked."""
        inputs, parameters = required(body, "inputs", str), mapped(body.get("parameters"))
        streams = self._streams(path, body)
        if streams and (parameters.get("best_of") or 1) > 1:
            raise RejectedError(422, "`best_of` != 1 is not supported when streaming tokens")
        return Ask(
            endpoint="tgi.generate",
            model="tgi",
            prompt=Prompt(messages=(Message(role="user", text=inputs),)),
            shape=without(body, ("stream", "parameters"))
            | without(parameters, ("details", "decoder_input_details", "top_n_tokens")),
            stream=streams,
            limit=integer(parameters, "max_new_tokens"),
            stops=tuple(s for s in listed(parameters.get("stop")) if isinstance(s, str) and s),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any] | bytes:
        """Return the text, and its tokens where they were asked for."""
        (take,) = takes
        answer: dict[str, Any] = {"generated_text": _text(ask, take)}
        if _wants(ask, "details"):
            told = {**_details(take), "prefill": [], "tokens": _tokens(take)}
            if count := mapped(ask.body.get("parameters")).get("top_n_tokens"):
                told["top_tokens"] = [_top(take, n, count) for n in range(len(told["tokens"]))]
            answer["details"] = told
        return answer

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate an event a token; the last has the text."""
        (take,) = takes
        tokens = _tokens(take)
        count = mapped(ask.body.get("parameters")).get("top_n_tokens")
        for index, token in enumerate(tokens, 1):
            ends = index == len(tokens)
            details = {**_details(take), "input_length": ask.prompt.tokens}
            event = {
                "index": index,
                "token": token,
                **({"top_tokens": _top(take, index - 1, count)} if count else {}),
                "generated_text": _text(ask, take) if ends else None,
                "details": details if ends and _wants(ask, "details") else None,
            }
            yield Frame(body=sse(event), step=index)

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return message and type."""
        kind = _ERROR_TYPES.get(error.status, "generation")
        return {"error": error.message, "error_type": kind}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an event that holds an error body."""
        return sse(self.error(error))

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what it sends beside the body, as far as that does not depend on the answer."""
        return {"x-compute-type": "cpu"}

    def _streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return path.endswith("_stream")


class TgiCompatibleApi(TgiApi):
    """`POST /`: `stream` in the body, and a list of one for an answer."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked; what has no `inputs` is addressed to nobody here."""
        if "inputs" not in body:
            raise RejectedError(404, "Not Found")
        return super().read(path, body)

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> bytes:
        """Return the text in a list."""
        return orjson.dumps([super().whole(ask, takes)])

    def _streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return body.get("stream") is True


def _wants(ask: Ask, name: str) -> bool:
    return mapped(ask.body.get("parameters")).get(name) is True


def _text(ask: Ask, take: Take) -> str:
    return (ask.prompt.text if _wants(ask, "return_full_text") else "") + take.text


def _details(take: Take) -> dict[str, Any]:
    count = len(_tokens(take))
    return {"finish_reason": _FINISH_REASONS[take.finish], "generated_tokens": count, "seed": None}


def _tokens(take: Take) -> list[dict[str, Any]]:
    """The tokens said; the one that ends a text is a token too."""
    said = [_token(take, n, piece) for n, piece in enumerate(take.pieces)]
    if take.finish in (Finish.LENGTH, Finish.SEQUENCE) and said:
        return said
    return [*said, {"id": 2, "text": "</s>", "logprob": 0.0, "special": True}]


def _token(take: Take, place: int, text: str) -> dict[str, Any]:
    noise = digest(take.question, take.ordinal, place, text)
    return {
        "id": 3 + int(digest(text)[:4], 16),
        "text": text,
        "logprob": -int(noise[:3], 16) / 1000,
        "special": False,
    }


def _top(take: Take, place: int, count: int) -> list[dict[str, Any]]:
    return [_token(take, place, f" word{n}") for n in range(count)]
