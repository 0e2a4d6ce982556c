"""Gemini's response and the chunks it is streamed as, each made of the other.

A chunk has the form of a response and says what is new: https://ai.google.dev/api/generate-content
and the types of the google-genai package have the fields. What several chunks say differently is
merged only where it is known how; the rest is refused: a guess would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

from cachesaver.dialects.forms import is_list, is_object
from cachesaver.dialects.gemini_calls import NAME, with_whole_calls
from cachesaver.errors import DialectError

__all__ = ["NAME", "candidates_of", "chunks_of", "is_complete", "response_of"]

_LAST_COUNTS = frozenset({"usageMetadata"})
"""What each chunk tells anew, for all of the response so far."""

_LAST_COUNTS_IN_CANDIDATE = frozenset(
    {"finishReason", "finishMessage", "safetyRatings", "tokenCount"}
)
"""The same in a candidate. What is in neither has to be the same wherever it is said."""

_EVERYWHERE = ("modelVersion", "createTime", "responseId")
"""What every chunk repeats."""

_FIRST = ("promptFeedback",)
"""What only the first chunk has: https://ai.google.dev/api/generate-content#PromptFeedback"""


def response_of(chunks: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the response that *chunks* tell.

    Raises:
        DialectError: They break off, hold an error, or something that cannot be merged for sure.
    """
    if not is_complete(chunks):
        _refuse("the stream breaks off or holds an error")
    response: dict[str, object] = {}
    candidates = dict[int, dict[str, object]]()
    for chunk in chunks:
        for candidate in candidates_of(chunk):
            merged = candidates.setdefault(_index(candidate), {})
            _merge(merged, candidate, last=_LAST_COUNTS_IN_CANDIDATE, into="content")
        beside = {name: value for name, value in chunk.items() if name != "candidates"}
        if candidates and "candidates" not in response:
            response["candidates"] = []
        _merge(response, beside, last=_LAST_COUNTS)
    if candidates:
        response["candidates"] = [_finished(candidates[index]) for index in sorted(candidates)]
    return response


def chunks_of(response: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Iterate chunks that tell *response*: a part each, and with the last what was left to say.

    Raises:
        DialectError: It is not a complete response.
    """
    if not is_complete([response]):
        _refuse("the response is not complete")
    everywhere = {name: response[name] for name in _EVERYWHERE if name in response}
    first = {name: response[name] for name in _FIRST if name in response}
    beside = {name: value for name, value in response.items() if name != "candidates"}
    last = {name: value for name, value in beside.items() if name not in first}
    told = [
        piece
        for place, candidate in enumerate(candidates_of(response))
        for piece in _pieces(candidate, place)
    ]
    if not told:
        yield dict(response)
    for place, piece in enumerate(told):
        yield {
            "candidates": [piece],
            **(first if place == 0 else {}),
            **(last if place == len(told) - 1 else everywhere),
        }


def is_complete(chunks: Sequence[Mapping[str, object]]) -> bool:
    """Tell whether every candidate of *chunks* has finished, or the prompt was refused."""
    reasons, blocked = dict[int, object](), False
    for chunk in chunks:
        if "error" in chunk:
            return False
        feedback = chunk.get("promptFeedback")
        blocked = blocked or (is_object(feedback) and bool(feedback.get("blockReason")))
        try:
            candidates = candidates_of(chunk)
            for candidate in candidates:
                index = _index(candidate)
                reasons[index] = candidate.get("finishReason") or reasons.get(index)
        except DialectError:
            return False
    return all(reasons.values()) if reasons else blocked


def candidates_of(response: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the candidates of *response*; none where it has none.

    Raises:
        DialectError: They are not a list of objects.
    """
    found = response.get("candidates")
    if found is None:
        return []
    candidates = [each for each in found if is_object(each)] if is_list(found) else []
    if not is_list(found) or len(candidates) != len(found):
        _refuse("the candidates are not a list of objects")
    return candidates


def _index(candidate: Mapping[str, object]) -> int:
    index = candidate.get("index", 0)  # ProtoJSON leaves out a zero
    if not isinstance(index, int):
        _refuse("the index of a candidate is not a number")
    return index


def _merge(
    told: dict[str, object], more: Mapping[str, object], *, last: frozenset[str], into: str = ""
) -> None:
    for name, value in more.items():
        if value is None:
            continue
        if name == into:
            told[name] = _longer(told.get(name), value)
        elif name in last or name not in told:
            told[name] = value
        elif not _same(told[name], value):
            _refuse("two chunks differ in a field that is not known to be told anew in each")


def _same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:  # nested as deep as it could just be read
        return False


def _longer(content: object, more: object) -> dict[str, object]:
    """Return *content* with the parts of *more* after its own."""
    longer, rest = content if is_object(content) else {}, more if is_object(more) else None
    if rest is None:
        _refuse("the content of a candidate is not an object")
    before, parts = longer.get("parts", []), rest.get("parts", [])
    if not is_list(before) or not is_list(parts):
        _refuse("the parts of a candidate are not a list")
    longer = dict(longer)
    _merge(longer, {k: v for k, v in rest.items() if k != "parts"}, last=frozenset())
    if "parts" in rest or "parts" in longer:
        longer["parts"] = [*before, *parts]
    return longer


def _finished(candidate: dict[str, object]) -> dict[str, object]:
    content = candidate.get("content")
    if not is_object(content) or not is_list(parts := content.get("parts")):
        return candidate
    return {**candidate, "content": {**content, "parts": _joined(with_whole_calls(parts))}}


def _joined(parts: Iterable[object]) -> list[object]:
    """Return *parts* as they stand unstreamed: text run together, all else kept apart.

    A thought signature stays on the part that brought it ("don't merge one part with a signature
    with another part without": https://ai.google.dev/gemini-api/docs/thought-signatures).
    """
    joined, empty = list[dict[str, object]](), list[dict[str, object]]()
    for part in parts:
        if not is_object(part):
            _refuse("a part is not an object")
        before = joined[-1] if joined else {}
        text = _plain_text(part)
        if text == "":
            empty.append(part)
        elif (
            text is not None
            and (start := _plain_text(before)) is not None
            and (before.get("thought") == part.get("thought"))
        ):
            joined[-1] = {**before, "text": start + text}
        elif _is_sound(part) and _is_sound(before):
            _refuse("sound is told in pieces")
        else:
            joined.append(part)
    return [*(joined or empty[:1])]


def _plain_text(part: Mapping[str, object]) -> str | None:
    """Return the text of a part that is nothing else, neither signed nor annotated."""
    text = part.get("text")
    return text if isinstance(text, str) and part.keys() <= {"text", "thought"} else None


def _is_sound(part: Mapping[str, object]) -> bool:
    blob = part.get("inlineData")
    kind = blob.get("mimeType") if is_object(blob) else None
    return isinstance(kind, str) and kind.startswith("audio/")


def _pieces(candidate: Mapping[str, object], place: int) -> Iterator[dict[str, object]]:
    """Iterate *candidate*, the one at *place*, part by part."""
    index = {"index": place} if place or "index" in candidate else {}
    content = candidate.get("content")
    parts = content.get("parts") if is_object(content) else None
    if not is_object(content) or not is_list(parts) or not parts:
        yield {**candidate, **index}
        return
    for part in parts[:-1]:
        yield {"content": {**content, "parts": [part]}, **index}
    yield {**candidate, "content": {**content, "parts": parts[-1:]}, **index}


def _refuse(why: str) -> NoReturn:
    raise DialectError(why, dialect=NAME)
