"""The names of a body's own members, wherever its bytes are cut."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cachesaver.topnames import NOTHING, read

TEXTS = st.text('ab"\\{}[]:, \u00e9\n', max_size=12)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PLACES = st.lists(st.integers(0, 120), max_size=6)


def names(data: bytes, places: list[int]) -> frozenset[str]:
    reading = NOTHING
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    for start, end in pairwise(ends):
        reading = read(reading, data[start:end])
    return reading.names


@given(st.dictionaries(st.text("abc_ {}[]:", max_size=12), VALUES, max_size=4), PLACES)
def test_exactly_the_outermost_members_are_found(
    body: dict[str, object], places: list[int]
) -> None:
    assert names(json.dumps(body).encode(), places) == set(body)
    assert names(json.dumps(body, ensure_ascii=False).encode(), places) == set(body)


@given(VALUES, PLACES)
def test_a_list_or_a_text_has_none(value: object, places: list[int]) -> None:
    assert names(json.dumps([value]).encode(), places) == frozenset()


@given(st.binary(max_size=200), PLACES)
def test_what_is_no_json_is_never_a_fault(noise: bytes, places: list[int]) -> None:
    names(noise, places)


@given(PLACES)
def test_a_forms_fields_are_found(places: list[int]) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--'
    )

    assert names(form, places) == {"model", "file"}


def test_chunk_framing_does_not_disturb() -> None:
    chunks = (b'{"in', b'put": "a", "mo', b'del": {"x": 1}}', b"")
    framed = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)

    assert names(framed, []) == {"input", "model"}


def test_however_much_comes_little_is_kept() -> None:
    reading = read(NOTHING, b'{"' + b"k" * 10**6)

    assert len(reading.text or b"") <= 64
    assert len(reading.tail) <= 64
