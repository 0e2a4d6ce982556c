"""Put the pieces of a streamed answer together, or refuse where that would be a guess.

The rule of the official SDKs (text is appended, indexed lists go by index, objects recurse), less
their corruptions: a field that names something is not appended to itself, two tool calls under one
index are not made one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeGuard

from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError

__all__ = ["as_list", "as_object", "extend", "is_index", "latest", "merge"]

CONSTANT: Mapping[str, str] = MappingProxyType(
    {
        "role": "Mistral, DeepSeek and vLLM repeat it in every chunk",
        "type": "names the variant of a union",
        "id": "names a tool call or an item; Gemini's compatible API sends several under one index",
        "name": "of a function, sent whole; appending a repeated one would name another function",
        "format": "of OpenRouter's reasoning_details, repeated in every chunk",
    }
)
"""String fields that are stated, not appended to; stated differently, they are refused."""

LATEST: Mapping[str, str] = MappingProxyType(
    {"channel": "of gpt-oss models, repeated in every chunk; the last one is the answer's"}
)
"""String fields of which the last statement counts."""

APPENDED: Mapping[str, str] = MappingProxyType(
    {
        "annotations": "web search sources, one or more a chunk",
        "citations": "the same, of other providers",
        "token_ids": "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    }
)
"""Lists whose items are whole and follow each other, whatever an `index` in them may mean."""

CONTINUED: Mapping[str, str] = MappingProxyType(
    {
        "reasoning_details": "OpenRouter, before its pieces had an index (recorded exchanges): all "
        "that is said of a text but the text is the same in each of its pieces",
    }
)
"""Lists whose items without an index are pieces of one text."""

_MOST = 4096
"""Places in an indexed list. No answer has more; a hostile body could ask for any."""


def merge(into: dict[str, object], delta: Mapping[str, object], *, dialect: str) -> None:
    """Add *delta* to *into*, which is changed.

    Raises:
        DialectError: It has a form that cannot be added without guessing.
    """
    for key, new in delta.items():
        old = into.get(key)
        if old is None:
            into[key] = _fresh(key, new, dialect)
        elif new is not None:
            into[key] = _joined(key, old, new, dialect)


def extend(into: dict[str, object], piece: Mapping[str, object], *, dialect: str) -> None:
    """Add *piece*, an object of lists such as `logprobs`, to *into*: every list grows."""
    for key, new in piece.items():
        old = into.get(key)
        if old is None:
            into[key] = list(new) if is_list(new) else new
        elif is_list(old) and is_list(new):
            old.extend(new)
        elif new is not None and new != old:
            raise DialectError("a list of the stream turns into something else", dialect=dialect)


def latest(old: object, new: object) -> object:
    """Return what stands after *new* is stated where *old* was: objects grow, null takes nothing back."""
    if is_object(old) and is_object(new):
        return {**old, **new}
    return old if new is None else new


def as_object(value: object, what: str, *, dialect: str) -> dict[str, object]:
    """Return *value* as the JSON object that *what* has to be."""
    if not is_object(value):
        raise DialectError(f"{what} is not an object", dialect=dialect)
    return value


def as_list(value: object, what: str, *, dialect: str) -> list[object]:
    """Return *value* as the JSON array that *what* has to be."""
    if not is_list(value):
        raise DialectError(f"{what} is not a list", dialect=dialect)
    return value


def is_index(value: object) -> TypeGuard[int]:
    """Tell whether *value* is the place of something in a list of sane length."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _fresh(key: str, value: object, dialect: str) -> object:
    """A copy of *value* that later pieces may be added to."""
    if is_object(value):
        copy: dict[str, object] = {}
        merge(copy, value, dialect=dialect)
        return copy
    if is_list(value):
        items: list[object] = []
        _add_items(key, items, value, dialect)
        return items
    return value


def _joined(key: str, old: object, new: object, dialect: str) -> object:
    if isinstance(old, str) and isinstance(new, str):
        return _text(key, old, new, dialect)
    if is_object(old) and is_object(new):
        merge(old, new, dialect=dialect)
        return old
    if is_list(old) and is_list(new):
        # A list that comes again as it was says nothing new, unless its items say that they are pieces.
        if new != old or key in APPENDED or key in CONTINUED or any(map(_is_indexed, new)):
            _add_items(key, old, new, dialect)
        return old
    if isinstance(old, bool | int | float) and isinstance(new, bool | int | float):
        return new
    raise DialectError("a field of the stream changes its type", dialect=dialect)


def _is_indexed(item: object) -> bool:
    return is_object(item) and item.get("index") is not None


def _text(key: str, old: str, new: str, dialect: str) -> str:
    if key in LATEST:
        return new or old
    if key not in CONSTANT:
        return old + new
    if old and new and old != new:
        raise DialectError(f"the stream states {key} twice, differently", dialect=dialect)
    return old or new


def _add_items(key: str, old: list[object], new: list[object], dialect: str) -> None:
    may_follow = not old or key in APPENDED
    may_continue = key in CONTINUED and bool(old)
    for place, item in enumerate(new):
        if is_object(item) and _is_indexed(item) and key not in APPENDED:
            _add_indexed(key, old, item, dialect)
        elif may_continue and not place and (longer := _continued(old[-1], item)) is not None:
            old[-1] = longer
        elif may_follow or not is_object(item) or _is_another_call(key, old, item):
            old.append(_fresh("", item, dialect) if is_object(item) else item)
        else:
            raise DialectError(
                "a list of the stream grows, and nothing says whether its items are pieces",
                dialect=dialect,
            )


def _add_indexed(key: str, old: list[object], item: Mapping[str, object], dialect: str) -> None:
    index = item["index"]
    if not is_index(index):
        raise DialectError(f"an index in {key!r} is not one", dialect=dialect)
    for known in reversed(old):
        if is_object(known) and known.get("index") == index and _may_be_one(known, item):
            merge(known, item, dialect=dialect)
            return
    old.append(_fresh("", item, dialect))


def _may_be_one(known: Mapping[str, object], item: Mapping[str, object]) -> bool:
    """OpenRouter's reasoning_details have two items of one index: a summary and its encryption."""
    one, other = known.get("type"), item.get("type")
    return one is None or other is None or one == other


def _continued(last: object, item: object) -> dict[str, object] | None:
    """*last* with the text of *item* added to its own, where all else they say is the same."""
    if not is_object(last) or not is_object(item):
        return None
    text, more = last.get("text"), item.get("text")
    if {**last, "text": more} != item or not isinstance(text, str) or not isinstance(more, str):
        return None
    return {**last, "text": text + more}


def _is_another_call(key: str, old: list[object], item: Mapping[str, object]) -> bool:
    """Mistral and Ollama send whole tool calls without an index, one after the other."""
    ids = [known.get("id") for known in old if is_object(known)]
    name = item.get("id")
    return key == "tool_calls" and isinstance(name, str) and bool(name) and name not in ids
