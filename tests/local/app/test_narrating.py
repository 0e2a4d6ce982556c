from __future__ import annotations

import pytest

import local_words
from cachesaver.local.app.narrating import Narrator, Piece
from cachesaver.local.streams import Token

TONGUE = local_words.tongue()


def tokens(text: str) -> list[Token]:
    return [Token(byte) for byte in text.encode()]


def told(narrator: Narrator, batches: list[list[Token]]) -> list[Piece]:
    return [*map(narrator.tell, batches), narrator.close()]


def spelt(pieces: list[Piece]) -> tuple[str, list[tuple[str, int]]]:
    reports = [(chr(token.id), start) for piece in pieces for token, start in piece.tokens]
    return "".join(piece.text for piece in pieces), reports


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("stops", [[], ["END"], ["zz", "D."]])
def test_the_answer_does_not_depend_on_how_tokens_come_in(size: int, stops: list[str]) -> None:
    said = tokens("one € two END. three")
    at_once = spelt(told(Narrator(TONGUE, stops=stops), [said]))

    batches = [said[at : at + size] for at in range(0, len(said), size)]

    assert spelt(told(Narrator(TONGUE, stops=stops), batches)) == at_once


def test_tokens_behind_a_stop_are_neither_told_nor_counted() -> None:
    narrator = Narrator(TONGUE, stops=["cd"])

    text, reports = spelt(told(narrator, [tokens("abcdef")]))

    assert text == "ab"
    assert reports == [("a", 0), ("b", 1)]
    assert narrator.is_stopped
    assert narrator.count == 4


def test_a_token_is_told_with_the_text_that_it_begins() -> None:
    """Given text that is held back, then so are its tokens, and each is told once."""
    narrator = Narrator(TONGUE, stops=["bX"])

    first, second, last = told(narrator, [tokens("ab"), tokens("c")])

    assert (first.text, [chr(token.id) for token, _ in first.tokens]) == ("a", ["a"])
    assert (second.text, [chr(token.id) for token, _ in second.tokens]) == ("bc", ["b", "c"])
    assert last == Piece("", ())


def test_end_tokens_are_counted_and_not_told() -> None:
    narrator = Narrator(TONGUE)

    text, reports = spelt(told(narrator, [[*tokens("a"), Token(local_words.END)]]))

    assert (text, reports, narrator.count) == ("a", [("a", 0)], 2)


def test_a_special_token_can_be_shown() -> None:
    call = [Token(local_words.MARK), *tokens("f{}")]

    hidden, _ = spelt(told(Narrator(TONGUE), [call]))
    shown, _ = spelt(told(Narrator(TONGUE, shown=frozenset({local_words.MARK})), [call]))

    assert (hidden, shown) == ("f{}", "[TOOL_CALLS]f{}")


def test_half_a_character_is_told_at_the_end() -> None:
    pieces = told(Narrator(TONGUE), [[Token(0x61), Token(0xE2)]])

    assert [piece.text for piece in pieces] == ["a", "\ufffd"]
    assert [len(piece.tokens) for piece in pieces] == [1, 1]


def test_a_stop_that_only_the_end_completes() -> None:
    narrator = Narrator(TONGUE, stops=["\ufffd"])

    pieces = told(narrator, [[Token(0x61), Token(0xE2)]])

    assert "".join(piece.text for piece in pieces) == "a"
    assert narrator.is_stopped


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("stops", [[], ["END"], ["wo E"]])
def test_without_reports_the_text_and_the_count_are_the_same(size: int, stops: list[str]) -> None:
    said = [*tokens("one € two END. thr€€"), Token(local_words.END), Token(0xE2)]
    with_reports, without = (
        Narrator(TONGUE, stops=stops, reports=reports) for reports in (True, False)
    )
    batches = [said[at : at + size] for at in range(0, len(said), size)]

    text, _ = spelt(told(with_reports, batches))
    pieces = told(without, batches)

    assert spelt(pieces) == (text, [])
    assert without.count == with_reports.count
    assert without.is_stopped == with_reports.is_stopped


def test_it_watches_for_stop_strings_where_there_are_any() -> None:
    assert Narrator(local_words.tongue(), stops=["x"]).watches
    assert not Narrator(local_words.tongue()).watches
