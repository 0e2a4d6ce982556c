"""Fields of requests that are JSON here and a form of several parts there: read and written.

A form has only text, so a number or a truth is spelt.
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects.counting import asked_n
from cachesaver.exchange import Request
from cachesaver.multipart import Part, read_parts, write_parts

__all__ = ["asked_number", "is_true", "with_field"]


def is_true(value: object) -> bool:
    """Tell whether *value* is true, or the way a form says it."""
    return value is True or (isinstance(value, str) and value.lower() in ("true", "1"))


def asked_number(body: Mapping[str, object], name: str) -> int:
    """Return the positive whole number in the field *name*, 1 where it has none, 0 for all else."""
    value = body.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:10])
    return asked_n({"n": value}) or 0


def with_field(request: Request, name: str, text: str) -> Request:
    """Return *request*, a form, with *text* in the field *name*; all other parts stay as they are.

    Raises:
        ValueError: It is no form that can be read.
    """
    kind = request.header("content-type") or ""
    parts = read_parts(request.body, kind)
    if parts is None:
        raise ValueError("not a form")
    kept = [part for part in parts if part.name != name]
    said = Part(
        lines=(f'Content-Disposition: form-data; name="{name}"',), content=text.encode("latin-1")
    )
    return request.with_body(write_parts([*kept, said], kind))
