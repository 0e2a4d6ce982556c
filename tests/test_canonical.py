"""A body has one spelling, and nothing that differs shares it."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from typing import Any, cast

import orjson
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.canonical import parse_body
from cachesaver.exchange import Request


def body(content: bytes, kind: str = "application/json", **headers: str) -> Any:
    said = (("content-type", kind), *((k.replace("_", "-"), v) for k, v in headers.items()))
    return parse_body(Request(method="POST", url="https://x.test/", headers=said, body=content))


def spelling(content: bytes, kind: str = "application/json") -> bytes:
    parsed = body(content, kind)
    return bytes(parsed.spell(parsed.members) if parsed.is_json else parsed.canonical)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
objects = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), values, max_size=5)


@given(objects, st.randoms())
def test_key_order_white_space_and_escapes_do_not_count(value: dict[str, Any], dice: Any) -> None:
    names = list(value)
    dice.shuffle(names)
    shuffled = {name: value[name] for name in names}

    spaced = json.dumps(shuffled, indent=2, ensure_ascii=True).encode()

    assert spelling(spaced) == spelling(orjson.dumps(value))


def same(one: object, other: object) -> bool:
    """JSON equality, written independently: numbers by value, booleans apart from numbers."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, dict) and isinstance(other, dict):
        mine, yours = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return mine.keys() == yours.keys() and all(same(mine[k], yours[k]) for k in mine)
    if isinstance(one, list) and isinstance(other, list):
        ones, others = cast("list[object]", one), cast("list[object]", other)
        return len(ones) == len(others) and all(map(same, ones, others))
    return len({type(each) for each in cast("list[object]", [one, other])}) == 1 and one == other


@given(objects, objects)
def test_one_spelling_means_equal_and_equal_means_one_spelling(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    spelled_alike = spelling(orjson.dumps(one)) == spelling(orjson.dumps(other))

    assert spelled_alike == same(one, other)


@pytest.mark.parametrize("spelled", [b"1", b"1.0", b"1e0", b"10e-1", b"1.000"])
def test_one_number_has_one_spelling(spelled: bytes) -> None:
    assert spelling(b'{"t":' + spelled + b"}") == spelling(b'{"t":1}')


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":18446744073709551616}', b'{"a":18446744073709551617}'),
        (b'{"a":9007199254740993.0}', b'{"a":9007199254740992.0}'),
        (b'{"a":0.1}', b'{"a":0.10000000000000000001}'),
        (b'{"a":1e400}', b'{"a":1e401}'),
        (b'{"a":NaN}', b'{"a":Infinity}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"a":1,"a":2}', b'{"a":2,"a":1}'),
        (rb'{"a":"\ud800"}', rb'{"a":"\ud801"}'),
        (rb'{"a":"\ud800"}', b'{"a":"?"}'),
        (b'{"a":true}', b'{"a":1}'),
        (b'{"a":"1"}', b'{"a":1}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":"e\xcc\x81"}', b'{"a":"\xc3\xa9"}'),
        (b'{"a":[]}', b'{"a":{}}'),
        (b'{"a":1', b'{"a":1}'),
        (b"\xff{}", b"{}"),
        (b'["a"]', b'{"a":[]}'),
    ],
)
def test_what_json_cannot_carry_never_collides(one: bytes, other: bytes) -> None:
    assert spelling(one) != spelling(other)


@pytest.mark.parametrize(
    "odd",
    [
        rb'"cut \ud83d"',
        b'"cut \xed\xa0\xbd"',
        b"18446744073709551616",
        b"[" * 300 + b"]" * 300,
        b"NaN",
    ],
)
def test_what_our_writer_cannot_carry_is_read_all_the_same(odd: bytes) -> None:
    """Given such a member, then the others are there to recognise the request by, and it counts raw."""
    content = b'{"model":"m","odd":' + odd + b"}"

    parsed = body(content)

    assert not parsed.is_json
    assert parsed.members["model"] == "m"
    assert parsed.canonical == b"raw\n" + content


@pytest.mark.parametrize("depth", [10, 500, 5_000, 200_000])
def test_no_depth_crashes(depth: int) -> None:
    nested = b'{"a":' + b"[" * depth + b"]" * depth + b"}"

    assert spelling(nested) != spelling(nested[:-1] + b" }x")


@given(
    st.binary(max_size=60),
    st.sampled_from(["application/json", "", "multipart/form-data; boundary=x"]),
)
def test_no_bytes_crash(content: bytes, kind: str) -> None:
    parsed = body(content, kind)

    assert parsed.is_json or parsed.canonical


@pytest.mark.parametrize("n", ["-0.0", "-0", "0"])
def test_zero_has_no_sign(n: str) -> None:
    assert spelling(f'{{"a":{n}}}'.encode()) == b'{"a":0}'


def test_infinities_from_overflow_are_not_numbers() -> None:
    assert not body(b'{"a":1e999}').is_json
    assert math.isinf(float("1e999"))


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
    ],
)
def test_a_compressed_body_is_the_body(coding: str, encode: Any) -> None:
    plain = body(b'{"a":1}')

    packed = body(encode(b'{"a":1}'), content_encoding=coding)

    assert packed.members == plain.members


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "br", "no-such"])
def test_a_body_that_is_not_in_its_coding_keeps_its_bytes(coding: str) -> None:
    parsed = body(b'{"a":1}', content_encoding=coding)

    assert not parsed.is_json
    assert parsed.canonical.endswith(b'{"a":1}')


def multipart(boundary: str, *contents: bytes) -> bytes:
    parts = (
        b'--%s\r\nContent-Disposition: form-data; name="f"\r\n\r\n%s\r\n'
        % (boundary.encode(), each)
        for each in contents
    )
    return b"".join(parts) + b"--" + boundary.encode() + b"--\r\n"


def test_a_multipart_boundary_does_not_count_and_the_order_of_parts_does() -> None:
    def spelled(boundary: str, *contents: bytes) -> bytes:
        return spelling(
            multipart(boundary, *contents), f'multipart/form-data; boundary="{boundary}"'
        )

    assert spelled("aaa", b"1", b"2") == spelled("b.b", b"1", b"2")
    assert spelled("aaa", b"1", b"2") != spelled("aaa", b"2", b"1")
    assert spelled("aaa", b"1", b"2") != spelled("aaa", b"1")
    assert spelled("aaa", b"1\r\n") != spelled("aaa", b"1")


def test_form_fields_are_sorted() -> None:
    kind = "application/x-www-form-urlencoded"

    assert spelling(b"b=2&a=1", kind) == spelling(b"a=1&b=2", kind)
    assert spelling(b"a=1&a=2", kind) != spelling(b"a=12", kind)
