"""The tokenizer: nothing lost, and counts that can be checked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.rehearsal.tokens import count_tokens, split_tokens


@given(st.text())
def test_the_tokens_of_a_text_joined_are_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text
    assert count_tokens(text) == len(split_tokens(text))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ()),
        ("Hello, world!", ("Hello", ",", " world", "!")),
        ("possibilities", ("possib", "ilitie", "s")),
        ("a\n\nb", ("a", "\n", "\nb")),
        ("日本語 です", ("日本語", " です")),
    ],
)
def test_examples(text: str, tokens: tuple[str, ...]) -> None:
    assert split_tokens(text) == tokens
