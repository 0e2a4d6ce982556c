"""The types of compatible providers' own SDKs, as judges of what we make of recorded answers.

An answer that the provider sent in one form, and that its SDK takes, must be one that its SDK takes
in the other form too. (Some recordings are older than the SDKs, which do not take them at all.)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import groq.types.chat as groq
import together.types.chat as together
from cerebras.cloud.sdk.types.chat import chat_completion as cerebras
from mistralai.client import models as mistral
from openrouter import components as openrouter
from pydantic import ValidationError

from cachesaver.canonical import parse_body
from cachesaver.dialects import recognise
from cachesaver.dialects.events import data_objects
from cachesaver.exchange import Response, without_headers
from cachesaver.ports import Dialect
from recordings import Exchange
from recordings.provider import plain

TYPES: Mapping[str, tuple[Any, Any]] = {
    # provider: the type of a whole answer, and of a chunk
    "cerebras": (cerebras.ChatCompletionResponse, cerebras.ChatChunkResponse),
    "groq": (groq.ChatCompletion, groq.ChatCompletionChunk),
    "mistral": (mistral.ChatCompletionResponse, mistral.CompletionChunk),
    "openrouter": (openrouter.ChatResult, openrouter.ChatStreamChunk),
    "together": (together.ChatCompletion, together.ChatCompletionChunk),
}


def takes(kind: Any, told: object) -> str:
    """Return what is wrong with *told* for the type *kind*; empty if nothing is."""
    try:
        kind.model_validate(told)
    except ValidationError as error:
        return str(error)
    return ""


def faults(dialect: Dialect, response: Response, kinds: tuple[Any, Any]) -> list[str]:
    whole, chunk = kinds
    if not dialect.streamed(response):
        return list(filter(None, [takes(whole, json.loads(response.body))]))
    told = data_objects(response, dialect="test")
    return list(filter(None, (takes(chunk, each) for each in told)))


def test_either_form_of_a_recorded_answer_is_one_that_the_providers_sdk_takes(
    exchanges: tuple[Exchange, ...],
) -> None:
    judged = Counter[tuple[str, bool]]()
    for exchange in exchanges:
        request, kinds = exchange.request, TYPES.get(exchange.provider)
        if kinds is None or request is None or exchange.status != 200:
            continue
        body = parse_body(request).members
        dialect = recognise(request, body)
        if dialect is None or dialect.name != "openai.chat":
            continue
        headers = without_headers(exchange.response.headers, ["content-encoding"])
        theirs = Response(status=200, headers=headers, chunks=(plain(exchange.response),))
        if not dialect.sound(theirs) or faults(dialect, theirs, kinds):
            continue
        if dialect.streamed(theirs):
            ours = dialect.whole(theirs)
        else:
            ours = dialect.stream(theirs, request, {**body, "stream": True})
        assert faults(dialect, ours, kinds) == [], exchange.name
        judged[exchange.provider, dialect.streamed(theirs)] += 1

    assert judged == {
        # provider, and whether the provider sent a stream
        ("cerebras", False): 7,
        ("groq", False): 19,
        ("groq", True): 12,
        ("mistral", False): 30,
        ("mistral", True): 24,
        ("openrouter", False): 39,
        ("openrouter", True): 29,
        ("together", False): 4,
        ("together", True): 2,
    }
