"""Reading request bodies whose form nobody guarantees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from cachesaver.rehearsal.values import Message, RejectedError

__all__ = ["integer", "listed", "mapped", "number", "pick", "required", "texts", "without"]


def mapped(value: object) -> dict[str, Any]:
    """Return *value* if it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return *value* if it is a JSON array, else an empty one."""
    items: list[Any] = cast("Any", value) if isinstance(value, list) else []
    return items


def without(body: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return *body* less the fields *names* and those that are null."""
    dropped = frozenset(names)
    return {name: v for name, v in body.items() if v is not None and name not in dropped}


def pick(body: Mapping[str, Any], *names: str) -> Any:
    """Return the first of the fields *names* that is there and not null, or None."""
    return next((body[name] for name in names if body.get(name) is not None), None)


def required(body: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return the field *name*, which must be a non-empty *kind*.

    Raises:
        RejectedError: It is not.
    """
    value = body.get(name)
    if value is None:
        raise RejectedError(400, f"you must provide a {name} parameter", name, "missing_parameter")
    if not isinstance(value, kind) or not value:
        raise RejectedError(
            400, f"'{name}' must be a non-empty {kind.__name__}", name, "invalid_type"
        )
    return value


def number(body: Mapping[str, Any], name: str, default: float, most: float) -> float:
    """Return the field *name*, a number from 0 to *most*; *default* when it is not there.

    Raises:
        RejectedError: It is something else.
    """
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise RejectedError(
            400, f"'{name}' must be a number from 0 to {most:g}", name, "invalid_value"
        )
    return float(value)


def integer(body: Mapping[str, Any], name: str, least: int = 1, most: int = 2**31) -> int | None:
    """Return the field *name*, a whole number from *least* to *most*; None when it is not there.

    Raises:
        RejectedError: It is something else.
    """
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RejectedError(
            400, f"'{name}' must be an integer from {least} to {most}", name, "invalid_value"
        )
    return value


def texts(role: str, content: object) -> Message:
    """Return a message of *role*: its text parts joined, everything else counted."""
    if isinstance(content, str):
        return Message(role=role, text=content)
    parts = [(part, _text_of(part)) for part in listed(content)]
    return Message(
        role=role,
        text="\n".join(text for _, text in parts if text is not None),
        attachments=sum(1 for _, text in parts if text is None),
    )


def _text_of(part: object) -> str | None:
    if isinstance(part, str):
        return part
    text = mapped(part).get("text")
    return text if isinstance(text, str) else None
