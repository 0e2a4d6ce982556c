"""The text of text-generation-inference and the events it is streamed as, each made of the other.

One event is one token; the last has the text, and what there is to say of it. As the server makes
both: https://github.com/huggingface/text-generation-inference/blob/main/router/src/server.rs and
lib.rs (`GenerateResponse`, `StreamResponse`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Response

__all__ = [
    "GENERATED_TOKENS",
    "PROMPT_TOKENS",
    "answer_of",
    "events_of",
    "is_answer",
    "is_complete",
    "prompt_tokens_in",
    "usage_of",
]

PROMPT_TOKENS = "x-prompt-tokens"
"""Header of a whole answer; a stream says it in the details of its last event."""

GENERATED_TOKENS = "x-generated-tokens"
"""Header of a whole answer, whether it has details or not."""

_EVENT = frozenset({"index", "token", "top_tokens", "generated_text", "details"})
_SHARED = ("finish_reason", "generated_tokens", "seed")
"""What the details of a whole answer and of a stream have in common."""

_OF_A_STREAM = frozenset({*_SHARED, "input_length"})
_OF_A_WHOLE = frozenset({*_SHARED, "prefill", "tokens", "top_tokens", "best_of_sequences"})


def is_answer(answer: Mapping[str, object]) -> bool:
    """Tell whether *answer* is a whole one."""
    return isinstance(answer.get("generated_text"), str) and not answer.get("error")


def is_complete(told: Sequence[Mapping[str, object]]) -> bool:
    """Tell whether *told* ends in the event with the text, and holds no error and no other text."""
    ends = [isinstance(event.get("generated_text"), str) for event in told]
    return ends.count(True) == 1 and ends[-1] and not any(event.get("error") for event in told)


def answer_of(told: Sequence[Mapping[str, object]], *, dialect: str) -> dict[str, object]:
    """Return the whole answer that the events *told* come to.

    Raises:
        DialectError: They break off, hold an error, or something that has no place in it.
    """
    if not is_complete(told):
        _refuse("the stream breaks off or holds an error", dialect)
    if any(not event.keys() <= _EVENT for event in told):
        _refuse("an event of the stream holds a field that is not known", dialect)
    answer: dict[str, object] = {"generated_text": told[-1]["generated_text"]}
    details = told[-1].get("details")
    if details is None:
        return answer
    if not is_object(details) or not details.keys() <= _OF_A_STREAM:
        _refuse("the details of the stream hold a field that is not known", dialect)
    shared: dict[str, object] = {name: details[name] for name in _SHARED if name in details}
    tokens = [event.get("token") for event in told]
    tops: list[object] = [event.get("top_tokens") or list[object]() for event in told]
    more = {"top_tokens": tops} if any(tops) else {}
    return {**answer, "details": {**shared, "prefill": [], "tokens": tokens, **more}}


def events_of(
    answer: Mapping[str, object], *, prompt_tokens: int | None, dialect: str
) -> Iterator[dict[str, object]]:
    """Iterate the events that tell *answer*; *prompt_tokens* are in no whole answer's body.

    Raises:
        DialectError: It has no tokens, or something that no event tells.
    """
    text, details = answer.get("generated_text"), answer.get("details")
    if not isinstance(text, str) or not is_object(details):
        _refuse("an answer without details has no tokens to be streamed", dialect)
    if not details.keys() <= _OF_A_WHOLE or details.get("prefill") or _picked(details):
        _refuse("the details of the answer hold what no stream tells", dialect)
    tokens, tops = details.get("tokens"), details.get("top_tokens") or list[object]()
    if not is_list(tokens) or not tokens or not is_list(tops) or len(tops) not in (0, len(tokens)):
        _refuse("the answer does not tell its tokens one by one", dialect)
    shared: dict[str, object] = {name: details[name] for name in _SHARED if name in details}
    length = {} if prompt_tokens is None else {"input_length": prompt_tokens}
    for index, token in enumerate(tokens, 1):
        top = {"top_tokens": tops[index - 1]} if tops and tops[index - 1] else {}
        ends = index == len(tokens)
        yield {
            "index": index,
            "token": token,
            **top,
            "generated_text": text if ends else None,
            "details": {**shared, **length} if ends else None,
        }


def prompt_tokens_in(told: Mapping[str, object], response: Response) -> int | None:
    """Return how long the prompt was: what *told*, a last event, or a header of *response* says."""
    details = told.get("details")
    length = details.get("input_length") if is_object(details) else None
    return length if isinstance(length, int) else _number(response, PROMPT_TOKENS)


def usage_of(told: Mapping[str, object], response: Response) -> dict[str, object]:
    """Return what *told*, a whole answer or a last event, and its headers say of tokens."""
    details = told.get("details")
    generated = details.get("generated_tokens") if is_object(details) else None
    if not isinstance(generated, int):
        generated = _number(response, GENERATED_TOKENS)
    counts = {"input_length": prompt_tokens_in(told, response), "generated_tokens": generated}
    return {name: count for name, count in counts.items() if count is not None}


def _picked(details: Mapping[str, object]) -> bool:
    return details.get("best_of_sequences") is not None


def _number(response: Response, name: str) -> int | None:
    value = response.header(name) or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else None  # noqa: PLR2004  # digits a count may have


def _refuse(why: str, dialect: str) -> NoReturn:
    raise DialectError(why, dialect=dialect)
