"""A prompt read in pieces, or from another's beginning, is as if read at once; few are kept."""

from __future__ import annotations

import pytest
import torch

import tiny
from cachesaver.local.decoder import Decoder
from cachesaver.local.prefill import Prefill, Prefixes
from engines import prompt


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(tiny.model())


def read(prefill: Prefill, decoder: Decoder, chunk: int = 100) -> Prefill:
    with torch.inference_mode():
        while prefill.logits is None:
            prefill.advance(decoder, chunk)
    return prefill


def assert_alike(one: Prefill, other: Prefill) -> None:
    assert one.logits is not None
    assert other.logits is not None
    assert torch.allclose(one.logits, other.logits, atol=1e-4)
    for ours, theirs in zip(one.states, other.states, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.shape == b.shape
            assert torch.allclose(a, b, atol=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 22, 23])
def test_pieces_make_the_whole(decoder: Decoder, chunk: int) -> None:
    tokens = tuple(prompt())

    assert_alike(read(Prefill(tokens), decoder, chunk), read(Prefill(tokens), decoder))


@pytest.mark.parametrize("cached", [1, 11, 22])
def test_a_beginning_makes_the_whole_and_is_left_as_it_was(decoder: Decoder, cached: int) -> None:
    tokens = tuple(prompt())
    other = read(Prefill(tokens[:cached] + tuple(prompt(9, 5))), decoder)
    before = other.states[0][0].clone()

    begun = read(Prefill(tokens, begun=other.states, cached=cached), decoder)

    assert_alike(begun, read(Prefill(tokens), decoder))
    assert torch.equal(other.states[0][0], before)


def kept(decoder: Decoder, room: int, *prompts: tuple[int, ...]) -> Prefixes:
    prefixes = Prefixes(room)
    for tokens in prompts:
        prefixes.keep(read(Prefill(tokens), decoder))
    return prefixes


def test_the_longest_beginning_is_taken(decoder: Decoder) -> None:
    prefixes = kept(decoder, 99, (5, 6, 9), (5, 6, 7, 8, 9), (8, 8))

    assert prefixes.open((5, 6, 7, 8, 3)).cached == 4
    assert prefixes.open((5, 6, 3)).cached == 2
    assert prefixes.open((3, 5)).cached == 0
    assert Prefixes(9).open((3, 5)).cached == 0


def test_the_last_token_is_read_unless_all_was(decoder: Decoder) -> None:
    prefixes = kept(decoder, 99, (5, 6, 7))

    shorter, equal = prefixes.open((5, 6)), prefixes.open((5, 6, 7))

    assert (shorter.cached, shorter.logits) == (1, None)
    assert equal.cached == 3
    assert equal.logits is not None


def test_the_oldest_use_is_forgotten_first(decoder: Decoder) -> None:
    prefixes = kept(decoder, 6, (5, 6), (7, 8), (9, 9))
    prefixes.open((5, 6))
    prefixes.open((9, 1))

    prefixes.keep(read(Prefill((3, 3)), decoder))

    assert prefixes.size == 6
    assert [prefixes.open((first, 0)).cached for first in (5, 7, 9, 3)] == [1, 0, 1, 1]


def test_a_beginning_that_was_of_use_is_kept_longer(decoder: Decoder) -> None:
    prefixes = kept(decoder, 4, (5, 6), (7, 8))
    prefixes.open((5, 1))

    prefixes.keep(read(Prefill((3, 3)), decoder))

    assert [prefixes.open((first, 0)).cached for first in (5, 7)] == [1, 0]


def test_what_is_longer_than_all_room_is_not_kept(decoder: Decoder) -> None:
    prefixes = kept(decoder, 2, (5, 6), (7, 8, 9))

    assert prefixes.size == 2
    assert prefixes.open((5, 1)).cached == 1
