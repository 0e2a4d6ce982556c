from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from cachesaver.local.app.detokenising import Detokeniser


def of_bytes(ids: Sequence[int]) -> str:
    """Decode as byte-level tokenizers do."""
    return bytes(ids).decode(errors="replace")


def falling_back() -> Tokenizer:
    """Return a tokenizer of the kind of Llama 2: words with blanks, and bytes for the rest."""
    words = ["\u2581the", "\u2581fox", "es", "\u2581"]
    vocabulary = {f"<0x{at:02X}>": at for at in range(256)}
    vocabulary |= {word: 256 + at for at, word in enumerate(words)}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<0x00>"))
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return made


def pieces(words: Detokeniser, ids: Sequence[int]) -> list[str]:
    return [*map(words.add, ids), words.rest()]


def test_a_character_comes_when_its_last_byte_does() -> None:
    euro = [*"€".encode()]

    assert pieces(Detokeniser(of_bytes), [97, *euro, 98]) == ["a", "", "", "€", "b", ""]


@given(st.text(max_size=40))
def test_the_pieces_are_the_text(text: str) -> None:
    assert "".join(pieces(Detokeniser(of_bytes), [*text.encode()])) == text


@given(st.lists(st.integers(0, 255), max_size=30))
def test_any_bytes_come_out_as_their_decoder_has_them(ids: list[int]) -> None:
    """Given bytes that are no text, then whatever is replaced, nothing comes twice or is left out."""
    said = "".join(pieces(Detokeniser(of_bytes), ids))

    assert said.replace("\ufffd", "") == of_bytes(ids).replace("\ufffd", "")


def test_what_is_never_finished_comes_at_the_end() -> None:
    assert pieces(Detokeniser(of_bytes), [97, 0xE2, 0x82]) == ["a", "", "", "\ufffd"]


def test_rubbish_is_not_waited_for_for_ever() -> None:
    said = pieces(Detokeniser(of_bytes), [0xFF] * 20)

    assert said[7] == "\ufffd" * 8


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([256, 257, 258], ["the", " fox", "es", ""]),
        ([257, *"é".encode(), 257], ["fox", "", "é", " fox", ""]),
        ([259, *"€é".encode()], ["", "", "", "€", "", "é", ""]),
        ([256, 0xE2, 257], ["the", "", "\ufffd fox", ""]),
    ],
)
def test_bytes_that_words_fall_back_to(ids: list[int], expected: list[str]) -> None:
    made = falling_back()

    def decode(some: Sequence[int]) -> str:
        return str(made.decode(list(some), skip_special_tokens=False))

    assert pieces(Detokeniser(decode), ids) == expected


def test_what_continues_a_text_keeps_its_blank() -> None:
    """Given a decoder that drops the first blank, when the token continues a prompt, it is kept."""
    made = falling_back()

    def decode(some: Sequence[int]) -> str:
        return str(made.decode(list(some), skip_special_tokens=False))

    assert Detokeniser(decode, before=[256]).add(257) == " fox"
    assert Detokeniser(decode).add(257) == "fox"
