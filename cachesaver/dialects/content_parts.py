"""The content of a message that is a list of parts, put together from a stream (Mistral).

https://docs.mistral.ai/capabilities/reasoning: a stream first thinks, in parts that each hold a
piece of the thought, then answers in parts or in plain text; references stand between pieces of
text (https://docs.mistral.ai/capabilities/citations). The first part of a chunk may go on with the
last of the chunk before; what is no text is a part of its own.
"""

from __future__ import annotations

from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError

__all__ = ["joined"]

Part = dict[str, object]


def joined(old: object, new: object, *, dialect: str) -> list[object]:
    """Return the parts of a message whose content was *old* when the piece *new* came.

    Args:
        old: A text, parts, or None.
        new: The same. Neither is changed.
        dialect: Whose message it is.

    Raises:
        DialectError: One is something else.
    """
    parts, more = [dict(part) for part in _parts(old, dialect)], _parts(new, dialect)
    if parts and more and _continues(parts[-1], more[0]):
        parts[-1] = _grown(parts[-1], more[0], dialect)
        more = more[1:]
    return [*parts, *more]


def _parts(content: object, dialect: str) -> list[Part]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = [part for part in content if is_object(part)] if is_list(content) else []
    if not is_list(content) or len(parts) < len(content):
        raise DialectError("the content of a message is neither text nor parts", dialect=dialect)
    return parts


def _grown(last: Part, piece: Part, dialect: str) -> Part:
    kind = str(piece["type"])
    if kind == "text":
        return {**last, "text": f"{last['text']}{piece['text']}"}
    return {**last, **piece, kind: joined(last.get(kind), piece.get(kind), dialect=dialect)}


def _continues(last: Part, part: Part) -> bool:
    """Whether *part*, which came after *last*, goes on with it."""
    kind = part.get("type")
    if kind != last.get("type"):
        return False
    if kind == "text":  # anything else that is said is said of this piece alone
        return all(each.keys() == _TEXT and isinstance(each["text"], str) for each in (last, part))
    return kind == "thinking" and last.get("closed") is not True


_TEXT = {"type", "text"}
