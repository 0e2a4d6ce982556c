"""Which dialect an answer is in, where no request says so: guessed from what it holds."""

from __future__ import annotations

import json

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.dialects.anthropic_messages import AnthropicMessages
from cachesaver.dialects.cohere_chat import CohereChat
from cachesaver.dialects.gemini import Gemini
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.openai_chat import CompatibleChat
from cachesaver.dialects.openai_responses import CompatibleResponses
from cachesaver.ports import Dialect
from recordings.values import Exchange

__all__ = ["first_object", "spoken"]


def spoken(exchange: Exchange, body: bytes) -> Dialect | None:
    """Return the dialect of *exchange*, whose answer is *body* without its coding.

    The one its request is in; where there is no request, or its URL was blanked, the one whose
    answers look so. None for a request that is known to be none, and for other answers.
    """
    request = exchange.request
    if request is None or request.url.startswith("https://redacted.invalid/"):
        return _looks(first_object(body))
    return dialects.recognise(request, parse_body(request).members)


def _looks(answer: dict[str, object]) -> Dialect | None:
    kind, made = str(answer.get("type")), str(answer.get("object"))
    if made in ("chat.completion", "chat.completion.chunk"):
        return CompatibleChat()
    if made == "response" or kind.startswith("response."):
        return CompatibleResponses()
    if kind == "message_start" or (kind == "message" and "stop_reason" in answer):
        return AnthropicMessages()
    if kind == "message-start" or (is_object(answer.get("message")) and "finish_reason" in answer):
        return CohereChat()
    return Gemini() if "candidates" in answer else None


def first_object(body: bytes) -> dict[str, object]:
    """Return the first JSON object of *body*: it, its first item, or its first event's data."""
    for text in (body, *(line[5:] for line in body.splitlines() if line.startswith(b"data:"))):
        try:
            value: object = json.loads(text)
        except ValueError:
            continue
        found = value[0] if is_list(value) and value else value
        if is_object(found) and found.get("type") != "ping":
            return found
    return {}
