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
