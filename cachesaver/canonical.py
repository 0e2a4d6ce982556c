"""A request body in one canonical spelling: JSON, form, multipart, or its raw bytes.

Pure, never raises for what a body is. JSON that our spelling could not carry without loss (numbers
beyond a double, duplicate keys, lone surrogates, NaN) keeps its raw bytes: it then differs from its
twin in another spelling, which costs a call, and never equals another question, which would cost
an experiment.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode

import orjson
import zstandard

from cachesaver.exchange import Request
from cachesaver.multipart import Part, read_parts
from cachesaver.values import value

__all__ = ["Body", "parse_body", "spell_parts"]

_EXACT = 2**53
"""Integers up to here are told apart by every JSON reader (RFC 8259, section 6)."""

_NOTHING: Mapping[str, object] = MappingProxyType({})


@value(frozen=True, slots=True, kw_only=True)
class Body:
    """A request body, read as far as its type allows.

    Attributes:
        is_json: It is a JSON object that our spelling carries without loss.
        members: The JSON object's members, also where `is_json` is False for a loss. The fields of
            a form of several parts: text, of files an object with `filename` and `size`, a list
            where a name comes several times. Else empty.
        canonical: The canonical spelling of the whole body.
        parts: Of a form of several parts; else empty.
    """

    is_json: bool
    canonical: bytes
    members: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    parts: tuple[Part, ...] = ()

    def spell(self, members: object) -> bytes:
        """Return the canonical spelling of *members*, some of this body's."""
        return _spell(members)


def parse_body(request: Request) -> Body:
    """Read the body of *request*: compressed ones are decompressed first."""
    content = _decoded(request)
    if content is None:
        return Body(is_json=False, canonical=_raw(request.body))
    if content[:1] == b"{":  # as nearly always
        return _json(content)
    kind = (request.header("content-type") or "").lower()
    if "json" in kind or not kind:
        return _json(content)
    if kind.startswith("application/x-www-form-urlencoded"):
        pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True)
        return Body(is_json=False, canonical=b"form\n" + urlencode(sorted(pairs)).encode())
    if kind.startswith("multipart/"):
        return _form(content, request.header("content-type") or "")
    return Body(is_json=False, canonical=_raw(content))


def _raw(content: bytes) -> bytes:
    return b"raw\n" + content


def _json(content: bytes) -> Body:
    try:
        value: object = orjson.loads(content)
        # What our writer gives back byte for byte has lost nothing: no duplicate keys, no odd
        # numbers. That is how httpx-based SDKs write, and it is all that a hit pays.
        lossless = orjson.dumps(value) == content
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return _careful(content)
    if not lossless:
        return _careful(content)
    return _lossless(value)


def _lossless(value: object) -> Body:
    if not isinstance(value, dict):
        return Body(is_json=False, canonical=b"json\n" + _spell(value))
    members = cast("dict[str, object]", value)
    return Body(is_json=True, members=members, canonical=b"")


def _careful(content: bytes) -> Body:
    """Read JSON with every loss noticed; slower, for other spellings and for odd bodies."""
    losses = list[str]()
    try:
        value = json.loads(
            content,
            object_pairs_hook=_unique(losses),
            parse_int=_exact_int(losses),
            parse_float=_exact_float(losses),
            parse_constant=_no_constant(losses),
        )
    except (ValueError, RecursionError):
        return Body(is_json=False, canonical=_raw(content))
    if losses or not _is_writable(value):
        members = cast("dict[str, object]", value) if isinstance(value, dict) else _NOTHING
        return Body(is_json=False, members=members, canonical=_raw(content))
    return _lossless(value)


def _is_writable(value: object) -> bool:
    """Not so with lone surrogates, integers beyond 64 bits, and more than 254 levels."""
    try:
        orjson.dumps(value)
    except (TypeError, RecursionError):
        return False
    return True


def _unique(losses: list[str]) -> Callable[[list[tuple[str, object]]], dict[str, object]]:
    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(pairs)
        if len(members) != len(pairs):
            losses.append("a key stands twice")
        return members

    return build


def _exact_int(losses: list[str]) -> Callable[[str], int]:
    def read(text: str) -> int:
        if len(text) > 20:  # noqa: PLR2004  # beyond 64 bits; int() itself refuses very long ones
            losses.append("an integer beyond 64 bits")
            return 0
        return int(text)

    return read


def _exact_float(losses: list[str]) -> Callable[[str], float]:
    def read(text: str) -> float:
        number = float(text)
        try:
            same = Decimal(text) == Decimal(repr(number))
        except InvalidOperation:
            same = False
        if not same or number in (float("inf"), float("-inf")):
            losses.append("a number beyond a double")
        return number

    return read


def _no_constant(losses: list[str]) -> Callable[[str], float]:
    def read(text: str) -> float:
        losses.append(f"{text} is not JSON")
        return 0.0

    return read


def _spell(value: object) -> bytes:
    spelt = _one_number(value) if _has_two_spellings(value) else value
    return orjson.dumps(spelt, option=orjson.OPT_SORT_KEYS)


def _has_two_spellings(value: object) -> bool:
    """Tell whether a float that is an integer stands anywhere in *value*."""
    left: list[Any] = [value]
    for each in left:
        kind = type(each)  # pyright: ignore[reportUnknownVariableType]  # any
        if kind is dict:
            left += each.values()
        elif kind is list:
            left += each
        elif kind is float and each.is_integer():
            return True
    return False


def _one_number(value: object) -> object:
    """Return *value* with floats that are integers as integers: 1, 1.0 and 1e0 are one number."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {
            name: _one_number(item) if type(item) in _DEEP else item
            for name, item in members.items()
        }
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_one_number(item) if type(item) in _DEEP else item for item in items]
    return value


_DEEP = frozenset({dict, list, float})


def _decoded(request: Request) -> bytes | None:
    """The body less its content encoding; None when that cannot be undone."""
    coding = (request.header("content-encoding") or "").strip().lower()
    if not coding:
        return request.body
    try:
        if coding == "gzip":
            return gzip.decompress(request.body)
        if coding == "deflate":
            return zlib.decompress(request.body)
        if coding == "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(request.body)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError):
        return None
    return request.body if coding == "identity" else None


def _form(content: bytes, kind: str) -> Body:
    parts = read_parts(content, kind)
    if parts is None:
        return Body(is_json=False, canonical=_raw(content))
    fields = dict[str, object]()
    for part in parts:
        value = _value(part)
        known = fields.get(part.name)
        if isinstance(known, list):
            cast("list[object]", known).append(value)
        else:
            fields[part.name] = value if part.name not in fields else [known, value]
    return Body(is_json=False, canonical=spell_parts(parts), members=fields, parts=parts)


def _value(part: Part) -> object:
    if part.is_file:
        return {"filename": part.filename, "size": len(part.content)}
    return part.content.decode("utf-8", "replace")


def spell_parts(parts: Sequence[Part]) -> bytes:
    """Return the canonical spelling of a form: each part by its headers and digest; no boundary."""
    return b"multipart\n" + b"\n".join(map(_spell_part, parts))


def _spell_part(part: Part) -> bytes:
    return orjson.dumps([sorted(part.lines), hashlib.sha256(part.content).hexdigest()])
