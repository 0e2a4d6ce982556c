from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.jsontext import is_list, is_object, read_exactly, read_json, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_what_was_written_reads_back(value: object) -> None:
    assert read_json(write_json(value)) == value


@pytest.mark.parametrize(
    "text", [b'"\\ud83d"', b'["\\ud83d", 1.5, 123456789012345678901]', b"\xef\xbb\xbf{}"]
)
def test_what_only_lenient_readers_take_reads_back_too(text: bytes) -> None:
    value = read_json(text)

    assert json.dumps(read_json(write_json(value))) == json.dumps(value)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000 + b"x", b"[NaN]", b"[1e400]"],
)
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # messages of two parsers
        read_json(text)


def test_nesting_too_deep_to_write_is_a_value_error() -> None:
    value: list[object] = []
    for _ in range(5000):
        value = [value]

    with pytest.raises(ValueError, match="nested too deeply"):
        write_json(value)


def test_exact_reading_keeps_large_integers() -> None:
    assert read_exactly(b"[18446744073709551617]") == [18446744073709551617]


def test_the_kinds_are_told_apart() -> None:
    assert is_object({})
    assert is_list([])
    assert not is_object([])
    assert not is_list({})


@pytest.mark.parametrize(
    "text",
    [
        '{"id":123456789012345678901234}',
        "[-9999999999999999999]",
        '{"a":1e3,"b":[18446744073709551616]}',
    ],
)
def test_an_integer_beyond_64_bits_stays_one(text: str) -> None:
    assert read_json(text) == read_json(text.encode()) == json.loads(text)
    assert write_json(read_json(text)) == text.replace("1e3", "1000.0").encode()
