"""Two tests never share a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.cassettes.names import file_name


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("test_a", "test_a.cassette"),
        ("TestChat.test_a[gpt-5, x=1]", "TestChat.test_a[gpt-5, x=1].cassette"),
        ("test_a[a/b]", "test_a[a%2Fb].cassette"),
        ("test_a[a:b]", "test_a[a%3Ab].cassette"),
        ("test_a[a%2Fb]", "test_a[a%252Fb].cassette"),
        ("test_a[é]", "test_a[%C3%A9].cassette"),
        ("../x", "%2E.%2Fx.cassette"),
    ],
)
def test_a_name_can_be_read_and_is_a_file_anywhere(test: str, name: str) -> None:
    assert file_name(test) == name


@given(st.text(max_size=400), st.text(max_size=400))
def test_no_two_tests_have_one_name(one: str, other: str) -> None:
    one, other = (text.encode("utf-8", "replace").decode() for text in (one, other))

    assert (file_name(one) == file_name(other)) == (one == other)
    assert len(file_name(one)) < 255
    assert not set(file_name(one)) & set('/\\:*?"<>|\0')


def test_long_names_differ_though_they_begin_alike() -> None:
    assert file_name("a" * 300 + "b") != file_name("a" * 300 + "c")
