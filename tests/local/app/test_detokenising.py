from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

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


def of_parts(parts: Sequence[bytes]) -> Callable[[Sequence[int]], str]:
    """Return the decoder of a vocabulary that is *parts*."""
    return lambda ids: b"".join(parts[each] for each in ids).decode(errors="replace")


def in_words(ids: Sequence[int]) -> str:
    return str(FALLING_BACK.decode(list(ids), skip_special_tokens=False))


FALLING_BACK = falling_back()
PARTS = st.one_of(
    st.tuples(st.text(max_size=60), st.lists(st.integers(1, 5), min_size=1)).map(
        lambda each: cut(each[0].encode(), each[1])
    ),
    st.lists(st.binary(min_size=1, max_size=5), max_size=40),
    st.lists(st.sampled_from([b"a", "é".encode(), b"\xe2", b"\x82\xac", b"\xac\xe2\x82"])),
)
SIZES = st.lists(st.integers(1, 90), min_size=1)


def cut(text: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Return *text* in parts of *sizes*, over and over."""
    parts: list[bytes] = []
    for size in itertools.cycle(sizes):
        if not text:
            return parts
        parts, text = [*parts, text[:size]], text[size:]
    raise AssertionError


def check(decode: Callable[[Sequence[int]], str], ids: list[int], sizes: Sequence[int]) -> None:
    """Let what is added at once give what is added one by one, up to each place between two."""
    one, many = Detokeniser(decode), Detokeniser(decode)
    for size in itertools.cycle(sizes):
        if not ids:
            break
        assert many.add_all(ids[:size]) == "".join(map(one.add, ids[:size]))
        ids = ids[size:]
    assert many.rest() == one.rest()


@given(PARTS, SIZES)
def test_many_at_once_give_what_each_would(parts: list[bytes], sizes: list[int]) -> None:
    check(of_parts(parts), [*range(len(parts))], sizes)


@given(st.lists(st.sampled_from([256, 257, 258, 259, 0x41, 0xC3, 0xA9, 0xE2, 0x82, 0xAC])), SIZES)
def test_so_they_do_where_words_fall_back_to_bytes(ids: list[int], sizes: list[int]) -> None:
    check(in_words, ids, sizes)


@given(st.text(max_size=200), SIZES)
def test_text_is_whole_however_its_bytes_are_cut(text: str, sizes: list[int]) -> None:
    parts = cut(text.encode(), [min(each, 5) for each in sizes])

    assert "".join(pieces(Detokeniser(of_parts(parts)), range(len(parts)))) == text


def test_characters_that_no_token_ends_with_are_waited_for() -> None:
    """Given tokens of the end of a character and the beginning of the next, then none is broken."""
    text = "é" * 20
    parts = [text.encode()[:1], *cut(text.encode()[1:], [2])]

    assert pieces(Detokeniser(of_parts(parts)), range(len(parts)))[-2:] == [text, ""]


def test_many_tokens_are_few_looks() -> None:
    """Given a thousand tokens, of which one begins no character, then they are not read one by one."""
    looks: list[int] = []

    def decode(ids: Sequence[int]) -> str:
        looks.append(len(ids))
        return of_bytes(ids)

    ids = [*b"x" * 500, 0xFF, *b"y" * 500]

    assert Detokeniser(decode).add_all(ids) == of_bytes(ids)
    assert len(looks) < len(ids) / 10
