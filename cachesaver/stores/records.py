"""How values become bytes in a store, and back. No pickle: a stranger's file is safe to open.

A record is a head and a payload::

    version u8 | flags u8 | length u32 | CRC-32 u32 | payload        (little-endian)

The checksum covers the record's key, what stands before it in the head, and the payload: a record
found in another's place is noticed.
"""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any, cast

import orjson
import zstandard

from cachesaver.exchange import Response, Sample

__all__ = ["decode", "encode", "seal", "unseal"]

VERSION = 1

_FRONT = struct.Struct("<BBI")

_HEAD = struct.Struct("<BBII")

_ZSTD = 1
"""Flag: the payload is a zstd frame; `length` is what it was before."""

_COMPRESS_FROM = 2000
"""Bytes. LMDB keeps what is longer on pages of its own, and a page is 4096 bytes."""

_COMPRESS_TO = 1 << 28
"""Bytes. Longer payloads stay as they are, so that a forged length cannot ask for more memory."""

_SAMPLE = struct.Struct("<HIIIddd")
"""Status; lengths of the texts, chunks and offsets; created, latency, first_byte."""


def seal(key: bytes, payload: bytes) -> bytes:
    """Return the record that holds *payload* under *key*.

    Raises:
        OverflowError: The payload is 4 GiB or longer.
    """
    flags, length = 0, len(payload)
    if length >= 1 << 32:
        raise OverflowError(f"a record holds less than 4 GiB, this one has {length} bytes")
    if _COMPRESS_FROM < length <= _COMPRESS_TO:
        smaller = _zstd.compressor.compress(payload)
        if len(smaller) < length:
            flags, payload = _ZSTD, smaller
    front = _FRONT.pack(VERSION, flags, length)
    return front + _checksum(key, front, payload).to_bytes(4, "little") + payload


def unseal(key: bytes, record: bytes) -> bytes:
    """Return the payload of *record*, which was found under *key*.

    Raises:
        ValueError: It is not what was written; the message is a clause that says in what way.
    """
    if len(record) < _HEAD.size:
        raise ValueError("it is cut off")
    version, flags, length, checksum = _HEAD.unpack_from(record)
    if version != VERSION:
        raise ValueError(f"it has the record version {version}, not {VERSION}")
    payload = record[_HEAD.size :]
    if checksum != _checksum(key, record[: _FRONT.size], payload):
        raise ValueError("its checksum does not fit")
    return _decompressed(payload, length) if flags & _ZSTD else payload


def encode(sample: Sample) -> bytes:
    """Return *sample* as a payload.

    Raises:
        TypeError: `usage` holds something JSON does not know.
    """
    response = sample.response
    texts = _dumps(
        [
            sample.draw,
            sample.model,
            sample.user_agent,
            response.reason,
            response.headers,
            sample.usage,
        ]
    )
    chunks, offsets = response.chunks, response.offsets
    return b"".join(
        (
            _SAMPLE.pack(
                response.status,
                len(texts),
                len(chunks),
                len(offsets),
                sample.created,
                sample.latency,
                sample.first_byte,
            ),
            texts,
            struct.pack(f"<{len(chunks)}I", *map(len, chunks)),
            struct.pack(f"<{len(offsets)}d", *offsets),
            *chunks,
        )
    )


def decode(payload: bytes) -> Sample:
    """Return the sample of *payload*.

    Raises:
        ValueError: It is no sample; the message is a clause that says so.
    """
    try:
        return _decode(payload)
    except (struct.error, TypeError, ValueError) as error:
        raise ValueError("it is not a sample") from error


def _decode(payload: bytes) -> Sample:
    status, texts, chunks, offsets, created, latency, first = _SAMPLE.unpack_from(payload)
    at = _SAMPLE.size
    draw, model, agent, reason, headers, usage = _loads(payload[at : at + texts])
    at += texts
    lengths: tuple[int, ...] = struct.unpack_from(f"<{chunks}I", payload, at)
    at += 4 * chunks
    times: tuple[float, ...] = ()
    if offsets:
        times = struct.unpack_from(f"<{offsets}d", payload, at)
        at += 8 * offsets
    if at + sum(lengths) != len(payload):
        raise ValueError("its parts do not add up")
    response = Response(
        status=status,
        headers=tuple(map(tuple, headers)),
        chunks=_cut(payload, at, lengths),
        offsets=times,
        reason=reason,
    )
    return Sample(
        response=response,
        draw=draw,
        usage=MappingProxyType(usage),
        model=model,
        created=created,
        latency=latency,
        first_byte=first,
        user_agent=agent,
    )


def _cut(payload: bytes, at: int, lengths: tuple[int, ...]) -> tuple[bytes, ...]:
    if len(lengths) == 1:
        return (payload[at:],)
    return tuple([payload[a:b] for a, b in pairwise(accumulate(lengths, initial=at))])


def _dumps(value: list[object]) -> bytes:
    """Return *value* as JSON: by orjson where that gives it back, else marked, by the slower json."""
    try:
        fast = orjson.dumps(value, default=_plain)
        if orjson.loads(fast) == _listed(value):
            return fast
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        pass  # integers over 64 bits, lone surrogates
    return _EXACT + json.dumps(value, default=_plain).encode("ascii")


_EXACT = b" "
"""Marks what orjson would read without complaint, and otherwise: it makes floats of large integers."""


def _listed(value: object) -> object:
    """Return *value* with tuples as lists and mappings as dicts, as JSON gives them back."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {key: _listed(item) for key, item in mapping.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(item) for item in cast("Sequence[object]", value)]
    return value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise TypeError(f"a sample cannot keep a {type(value).__name__}")


def _loads(text: bytes) -> Any:
    if text.startswith(_EXACT):
        return json.loads(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(
            text
        )  # records of before there was a mark: what orjson does not know: NaN, lone surrogates


def _checksum(key: bytes, front: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(key + front))


class _Zstd(threading.local):
    """zstandard's objects, one each per thread: they are not for several at once."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=3)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


def _decompressed(payload: bytes, length: int) -> bytes:
    if length > _COMPRESS_TO or zstandard.frame_content_size(payload) != length:
        raise ValueError("its length is not the one it was written with")
    try:
        return _zstd.decompressor.decompress(payload)
    except zstandard.ZstdError as error:
        raise ValueError("it does not decompress") from error
