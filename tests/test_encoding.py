"""Content codings come off, piece by piece."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.encoding import decoded
from cachesaver.exchange import Response

CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZIP": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "": bytes,
}


def response(coding: str, *chunks: bytes) -> Response:
    headers = (("Content-Encoding", coding), ("Content-Length", "9"), ("x-a", "b"))
    offsets = tuple(float(place) for place in range(len(chunks)))
    return Response(status=200, headers=headers, chunks=chunks, offsets=offsets)


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=200), st.integers(1, 9))
def test_a_coding_comes_off_whatever_the_seams(coding: str, body: bytes, size: int) -> None:
    packed = CODINGS[coding](body)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]

    plain = decoded(response(coding, *chunks))

    assert plain is not None
    assert plain.body == body
    assert plain.headers == (("x-a", "b"),)
    assert len(plain.offsets) == len(plain.chunks)


def test_raw_deflate_is_deflate_too() -> None:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(b"abc" * 50) + packer.flush()

    plain = decoded(response("deflate", packed[:1], packed[1:]))

    assert plain is not None
    assert plain.body == b"abc" * 50


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "no-such", "gzip, br"])
def test_a_body_that_is_not_in_its_coding_is_not_decoded(coding: str) -> None:
    assert decoded(response(coding, b"plain text, not packed")) is None


def test_pieces_that_decode_to_nothing_leave_no_seam() -> None:
    packed = gzip.compress(b"x" * 10)

    plain = decoded(response("gzip", packed[:3], packed[3:]))

    assert plain is not None
    assert plain.chunks == (b"x" * 10,)
    assert plain.offsets == (1.0,)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_several_members_is_all_of_them(coding: str, size: int) -> None:
    """Given a server that ends a member with each event, then no event is lost."""
    compress = gzip.compress if coding == "gzip" else zstandard.ZstdCompressor().compress
    body = b"".join(compress(b"data: %d\n\n" % number) for number in range(3))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]

    plain = decoded(response(coding, *chunks))

    assert plain is not None
    assert plain.body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


@given(
    st.sampled_from(["gzip", "zstd"]),
    st.sampled_from([b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x08", b"\x00", b"\x28\xb5\x2f\xfd", b"\x50"]),
    st.binary(max_size=20),
    st.integers(1, 9),
)
def test_what_follows_a_member_is_read_alike_whatever_the_seams(
    coding: str, start: bytes, rest: bytes, size: int
) -> None:
    """Found by fuzzing: zlib refuses a member's start only with its second byte."""
    packed = CODINGS[coding](b"body") + start + rest
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]

    whole, plain = decoded(response(coding, packed)), decoded(response(coding, *chunks))

    assert (None if plain is None else plain.body) == (None if whole is None else whole.body)


def test_padding_after_the_last_member_says_nothing_and_damage_in_it_does() -> None:
    one, other = gzip.compress(b"one"), gzip.compress(b"other")

    padded = decoded(response("gzip", one, b"\0" * 9, b"\0"))

    assert padded is not None
    assert padded.body == b"one"
    assert decoded(response("gzip", one + other[:-8], b"\0" * 8)) is None
