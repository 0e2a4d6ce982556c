"""JSON text as providers send it: lenient to read, exact to write back.

Models stream lone surrogates, which orjson refuses and the standard library takes. Numbers that are
none (`NaN`, `1e400`) are refused by both. Whatever a body is, reading and writing end in a value or
in `ValueError`.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import TypeGuard

import orjson

__all__ = ["is_list", "is_object", "read_exactly", "read_json", "write_json"]


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Tell whether *value*, which came out of JSON, is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether *value*, which came out of JSON, is an array."""
    return isinstance(value, list)


def read_json(text: bytes | str) -> object:
    """Return the JSON value *text* holds; raises ValueError for anything else, however deep."""
    if (_LONG_TEXT if isinstance(text, str) else _LONG_BYTES).search(text):  # type: ignore[arg-type]
        return read_exactly(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return read_exactly(text)


_LONG_TEXT = re.compile(r"(?<![\d.])\d{19}")
"""An integer of so many digits may be beyond 64 bits, of which orjson makes a float."""
_LONG_BYTES = re.compile(rb"(?<![\d.])\d{19}")


def read_exactly(text: bytes | str) -> object:
    """Do the same and keep integers of any size (orjson makes floats of those beyond 64 bits)."""
    try:
        value: object = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def _refuse(text: str) -> float:  # noqa: ARG001  # the parser hands it over
    raise ValueError("not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _refuse(text)


def write_json(value: object) -> bytes:
    """Return *value*, something `read_json` gave, as compact JSON; raises ValueError if too deep."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # lone surrogates, more than 254 levels, beyond 64 bits
        return _write_all(value)


def _write_all(value: object) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
