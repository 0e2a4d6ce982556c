"""The event stream encoding of AWS, `application/vnd.amazon.eventstream`: bytes to frames and back.

https://smithy.io/2.0/aws/amazon-eventstream.html: a frame is its length, the length of its headers,
a checksum of these two, headers, payload, and a checksum of all before it. What the payloads say
stays out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn
from zlib import crc32

from cachesaver.errors import DialectError

__all__ = ["MEDIA_TYPE", "Frame", "Header", "Kind", "decode", "encode", "event", "failure", "last"]

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct(">III")
_CHECKSUM = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CHECKSUM.size


class Kind:
    """What a header's value is: the byte that says so on the wire."""

    TRUE, FALSE, BYTE, SHORT, INTEGER, LONG, BYTES, TEXT, TIMESTAMP, UUID = range(10)


_NUMBERS = MappingProxyType(
    {
        Kind.BYTE: struct.Struct(">b"),
        Kind.SHORT: struct.Struct(">h"),
        Kind.INTEGER: struct.Struct(">i"),
        Kind.LONG: struct.Struct(">q"),
        Kind.TIMESTAMP: struct.Struct(">q"),  # milliseconds since 1970
    }
)
_UUID_SIZE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One header. *value*: a bool, int, str or bytes (16 of a UUID), as its *kind* says."""

    name: str
    kind: int
    value: bool | int | str | bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message of a stream, headers in the order they stand on the wire."""

    headers: tuple[Header, ...] = ()
    payload: bytes = b""

    def text(self, name: str) -> str:
        """Return the header *name*; empty where it is no text or not there."""
        values = (header.value for header in self.headers if header.name == name)
        value = next(values, "")
        return value if isinstance(value, str) else ""

    @property
    def is_event(self) -> bool:
        """Whether it is an event: it may be an exception or an error too."""
        return self.text(":message-type") == "event"


def event(name: str, payload: bytes) -> Frame:
    """Return the event *name* with JSON as its *payload*, in the form Bedrock sends it."""
    return _json_frame("event", ":event-type", name, payload)


def failure(name: str, payload: bytes) -> Frame:
    """Return the exception *name*, such as `throttlingException`, with JSON as its *payload*."""
    return _json_frame("exception", ":exception-type", name, payload)


def decode(body: bytes) -> Iterator[Frame]:
    """Iterate the frames of a whole stream.

    Raises:
        DialectError: It breaks off, or a checksum or a length does not fit.
    """
    start = 0
    while start < len(body):
        length = _length(body, start)
        yield _frame(body[start : start + length])
        start += length


def last(tail: bytes) -> Frame | None:
    """Return the frame that a stream with these last bytes ended with; None where none ends there."""
    start = tail.find(b"\0\0")  # no frame of what may be a tail has a length above 16 bits
    while start >= 0:
        try:
            if _length(tail, start) == len(tail) - start:
                return _frame(tail[start:])
        except DialectError:
            pass
        start = tail.find(b"\0\0", start + 1)
    return None


def encode(frame: Frame) -> bytes:
    """Return *frame* as it goes over the wire.

    Raises:
        DialectError: A header is too long, or a number too large.
    """
    try:
        headers = b"".join(map(_header_bytes, frame.headers))
    except (struct.error, UnicodeEncodeError) as error:
        raise DialectError("a header cannot be written", dialect=MEDIA_TYPE) from error
    sizes = struct.pack(">II", _OVERHEAD + len(headers) + len(frame.payload), len(headers))
    written = b"".join((sizes, _CHECKSUM.pack(crc32(sizes)), headers, frame.payload))
    return written + _CHECKSUM.pack(crc32(written))


def _json_frame(message: str, says: str, name: str, payload: bytes) -> Frame:
    told = ((says, name), (":content-type", "application/json"), (":message-type", message))
    headers = tuple(Header(name=field, kind=Kind.TEXT, value=value) for field, value in told)
    return Frame(headers=headers, payload=payload)


def _length(body: bytes, start: int) -> int:
    """The length of the frame that begins at *start*, once its checksum was seen to fit."""
    if len(body) - start < _OVERHEAD:
        _refuse("breaks off")
    length, headers, checksum = _PRELUDE.unpack_from(body, start)
    if checksum != crc32(body[start : start + 8]):
        _refuse("has lengths that do not fit their checksum")
    if length < _OVERHEAD + headers:
        _refuse("is shorter than its headers")
    if length > len(body) - start:
        _refuse("breaks off")
    return int(length)


def _frame(whole: bytes) -> Frame:
    """The frame that is *whole*, whose lengths are right."""
    (checksum,) = _CHECKSUM.unpack_from(whole, len(whole) - _CHECKSUM.size)
    if checksum != crc32(whole[: -_CHECKSUM.size]):
        _refuse("does not fit its checksum")
    end = _PRELUDE.size + _PRELUDE.unpack_from(whole)[1]
    try:
        headers = tuple(_headers(whole[_PRELUDE.size : end]))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise DialectError(
            "a frame of the stream has headers that cannot be read", dialect=MEDIA_TYPE
        ) from error
    if len({header.name for header in headers}) < len(headers):
        _refuse("has a header twice")
    return Frame(headers=headers, payload=whole[end : -_CHECKSUM.size])


def _headers(block: bytes) -> Iterator[Header]:
    at = 0
    while at < len(block):
        name, at = _cut(block, at + 1, block[at])
        kind = block[at]
        value, at = _value(block, at + 1, kind)
        yield Header(name=name.decode(), kind=kind, value=value)


def _value(block: bytes, at: int, kind: int) -> tuple[bool | int | str | bytes, int]:
    """The value of *kind* that begins at *at*, and where it ends."""
    if kind in (Kind.TRUE, Kind.FALSE):
        return kind == Kind.TRUE, at
    if kind in _NUMBERS:
        number = _NUMBERS[kind]
        return int(number.unpack_from(block, at)[0]), at + number.size
    if kind == Kind.UUID:
        return _cut(block, at, _UUID_SIZE)
    if kind not in (Kind.BYTES, Kind.TEXT):
        _refuse("has a header of an unknown kind")
    (size,) = _LENGTH.unpack_from(block, at)
    value, end = _cut(block, at + _LENGTH.size, size)
    return (value.decode() if kind == Kind.TEXT else value), end


def _cut(block: bytes, start: int, size: int) -> tuple[bytes, int]:
    if start + size > len(block):
        _refuse("has a header that breaks off")
    return block[start : start + size], start + size


def _header_bytes(header: Header) -> bytes:
    name, value, kind = header.name.encode(), header.value, header.kind
    head = struct.pack(">B", len(name)) + name + struct.pack(">B", kind)
    if isinstance(value, bool):
        return head
    if isinstance(value, int):
        return head + _NUMBERS[kind].pack(value)
    content = value.encode() if isinstance(value, str) else value
    return head + (b"" if kind == Kind.UUID else _LENGTH.pack(len(content))) + content


def _refuse(why: str) -> NoReturn:
    raise DialectError(f"a frame of the stream {why}", dialect=MEDIA_TYPE)
