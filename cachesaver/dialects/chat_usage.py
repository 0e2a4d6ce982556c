"""Where a stream of chat completions tells what it cost, if not in a chunk of its own.

OpenAI tells it only who asks, in a last chunk without choices. Groq tells everybody in `x_groq` of
the last chunk, and some tell everybody in the last chunk itself (recorded exchanges; `chat_hosts`).
A whole answer has its usage where everybody has it, and Groq's an `x_groq` without.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cachesaver.dialects.jsontext import is_object

__all__ = ["told_last", "usage_in_last", "usage_taken_out"]

Object = dict[str, object]

_GROQ = "x_groq"
"""https://console.groq.com/docs/api-reference#chat-create"""

_COSTS = ("usage", "usage_breakdown")
"""What Groq tells in there; the second, of the models that a compound one asked."""


def usage_taken_out(chunk: Object) -> Object:
    """Return *chunk* with what its `x_groq` tells of costs as its own; itself where that is nothing."""
    groq = chunk.get(_GROQ)
    if not is_object(groq) or not is_object(groq.get("usage")):
        return chunk
    costs = {name: groq[name] for name in _COSTS if name in groq and not chunk.get(name)}
    rest = {name: value for name, value in groq.items() if name not in _COSTS}
    others = {name: value for name, value in chunk.items() if name != _GROQ}
    return {**others, **({_GROQ: rest} if rest else {}), **costs}


def usage_in_last(answer: Mapping[str, object], *, unasked: bool) -> Object:
    """Return what the last chunk of the whole *answer* tells of its usage, besides all else.

    Args:
        answer: Whose usage it is.
        unasked: Whether it is told in the chunk itself, whether anybody asked or not.
    """
    usage, groq = answer.get("usage"), answer.get(_GROQ)
    if not is_object(usage):
        return {}
    told: Object = {_GROQ: {**groq, "usage": usage}} if is_object(groq) else {}
    return {**told, "usage": usage} if unasked else told


def told_last(chunks: Iterator[Object], members: Mapping[str, object]) -> Iterator[Object]:
    """Iterate *chunks*, the last one with *members*."""
    last = next(chunks, None)
    if last is None:
        return
    for chunk in chunks:
        yield last
        last = chunk
    yield {**last, **members}
