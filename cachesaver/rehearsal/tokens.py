"""The tokenizer of the rehearsal: simple enough to be checked by hand.

A token is up to six word characters, or one other visible character, each with at most one white
space character before it; what white space is left over counts one token a character. The tokens
of a text joined are the text.
"""

from __future__ import annotations

import re

__all__ = ["count_tokens", "split_tokens"]

_TOKEN = re.compile(r"\s?\w{1,6}|\s?[^\w\s]|\s")


def split_tokens(text: str) -> tuple[str, ...]:
    """Return the tokens of *text*, in order; joined they are *text*."""
    return tuple(_TOKEN.findall(text))


def count_tokens(text: str) -> int:
    """Return how many tokens *text* has."""
    return sum(1 for _ in _TOKEN.finditer(text))
