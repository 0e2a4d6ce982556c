from __future__ import annotations

import math
import random
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.exchange import Response, Sample
from cachesaver.stores import records
from cachesaver.stores.records import decode, encode, seal, unseal

texts = st.text(st.characters())  # surrogates included
numbers = st.floats(allow_nan=False)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)
responses = st.builds(
    Response,
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(texts, texts)).map(tuple),
    chunks=st.lists(st.binary()).map(tuple),
    offsets=st.lists(numbers).map(tuple),
    reason=texts,
)
samples = st.builds(
    Sample,
    response=responses,
    draw=texts,
    usage=st.dictionaries(texts, json),
    model=texts,
    created=numbers,
    latency=numbers,
    first_byte=numbers,
    user_agent=texts,
)

KEY = b"key"


@given(samples)
def test_a_sample_comes_back_as_it_was(sample: Sample) -> None:
    assert decode(encode(sample)) == sample


def test_what_is_no_number_comes_back_as_none() -> None:
    response = Response(status=200, offsets=(math.nan,))
    sample = Sample(response=response, draw="d", usage={"x": math.nan}, created=math.inf)

    again = decode(encode(sample))

    assert math.isnan(again.response.offsets[0])
    assert math.isnan(again.usage["x"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert again.created == math.inf


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="a sample cannot keep a set"):
        encode(Sample(response=Response(status=200), draw="d", usage={"x": {1}}))


@given(st.binary(), st.binary())
def test_a_record_gives_back_its_payload(key: bytes, payload: bytes) -> None:
    assert unseal(key, seal(key, payload)) == payload


@pytest.mark.parametrize("length", [0, 1999, 2000, 2001, 100_000])
def test_a_payload_of_any_length_comes_back(length: int) -> None:
    assert unseal(KEY, seal(KEY, b"x" * length)) == b"x" * length


def test_a_long_payload_is_compressed() -> None:
    assert len(seal(KEY, b"answer " * 1000)) < 100


def test_what_does_not_compress_stays_as_it_is() -> None:
    packed = random.Random(1).randbytes(5000)  # noqa: S311  (noise, no secret)

    assert packed in seal(KEY, packed)


@given(st.binary(max_size=40), st.data())
def test_no_flipped_bit_goes_unnoticed(payload: bytes, data: st.DataObject) -> None:
    record = bytearray(seal(KEY, payload))
    record[data.draw(st.integers(0, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(ValueError, match=r"^it"):
        unseal(KEY, bytes(record))


@given(st.integers(0, 200))
def test_no_cut_goes_unnoticed(length: int) -> None:
    with pytest.raises(ValueError, match=r"cut off|checksum"):
        unseal(KEY, seal(KEY, b"\0" * 200)[:length])


def test_a_record_in_anothers_place_is_noticed() -> None:
    with pytest.raises(ValueError, match="checksum"):
        unseal(b"other", seal(KEY, b"payload"))


def test_a_record_of_another_version_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="version 2, not 1"):
        unseal(KEY, b"\x02" + seal(KEY, b"payload")[1:])


@pytest.mark.parametrize("length", [10, 1 << 31])
def test_a_forged_length_asks_for_no_memory(length: int) -> None:
    frame = zstandard.compress(b"x" * 5000)
    checksum = records._checksum(KEY, struct.pack("<BBI", 1, 1, length), frame)  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(ValueError, match="its length is not"):
        unseal(KEY, struct.pack("<BBII", 1, 1, length, checksum) + frame)


def test_a_frame_that_does_not_decompress_is_damaged() -> None:
    frame = zstandard.compress(b"abcdefgh" * 500)
    frame = frame[:-3] + b"\xff\xff\xff"
    checksum = records._checksum(KEY, struct.pack("<BBI", 1, 1, 4000), frame)  # pyright: ignore[reportPrivateUsage]

    with pytest.raises(ValueError, match="does not decompress"):
        unseal(KEY, struct.pack("<BBII", 1, 1, 4000, checksum) + frame)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_sample_are_not_taken_for_one(payload: bytes) -> None:
    with pytest.raises(ValueError, match="it is not a sample"):
        decode(payload)


def test_a_sample_with_a_byte_too_many_is_none() -> None:
    with pytest.raises(ValueError, match="it is not a sample"):
        decode(encode(Sample(response=Response(status=200), draw="d")) + b"x")


def test_a_record_of_this_version_is_what_it_was() -> None:
    """A change here makes every store unreadable: raise `records.VERSION` and keep reading this."""
    sample = Sample(response=Response(status=200, chunks=(b"ab", b"c")), draw="d", created=1.0)

    assert seal(KEY, encode(sample)).hex() == (
        "01004500000063ded01f"  # head
        "c800140000000200000000000000"  # status, lengths
        "000000000000f03f00000000000000000000000000000000"  # times
        "5b2264222c22222c22222c22222c5b5d2c7b7d5d"  # ["d","","","",[],{}]
        "0200000001000000616263"  # chunks
    )
