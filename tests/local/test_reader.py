"""Short prompts are read together, and none is the worse for it: each gets what it gets alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from torch import Tensor

import tiny
from cachesaver.local import EngineFailedError, Params, Sizes, open_engine
from cachesaver.local.decoder import Decoder
from engines import LONG, by_hand, generated, ids, model, prompt, tick

LIKELIEST = Params(temperature=0, max_tokens=12, ignore_end=True)
ONE = Params(temperature=0, max_tokens=1, ignore_end=True)


def slots(family: str = "llama", **settings: Any) -> Any:
    return by_hand(open_engine(model(family), kind="slot", sizes=Sizes(**settings)))


Call: TypeAlias = Callable[..., Tensor]


def changed(monkeypatch: pytest.MonkeyPatch, change: Callable[[Call, Tensor], Tensor]) -> None:
    """Let what is read, but for steps of the batch, be read by *change*: of the model and tokens."""
    real = Decoder.__call__

    def call(self: Decoder, tokens: Tensor, *rest: Any, **named: Any) -> Tensor:
        def read(tokens: Tensor) -> Tensor:
            return real(self, tokens, *rest, **named)

        return read(tokens) if tokens.shape[1] == 1 else change(read, tokens)

    monkeypatch.setattr(Decoder, "__call__", call)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return the shapes of what models are asked to read, steps of the batch left out."""
    seen: list[tuple[int, ...]] = []

    def note(read: Call, tokens: Tensor) -> Tensor:
        seen.append(tuple(tokens.shape))
        return read(tokens)

    changed(monkeypatch, note)
    return seen


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_each_family_says_what_generate_says(family: str) -> None:
    """Given prompts of many lengths that are there at once, then each is continued as if it were alone."""
    engine = slots(family)
    texts = [prompt(length, length) for length in (20, 13, 24, 12, 7, 5)]
    streams = [each for text in texts for each in engine.submit(text, 2, LIKELIEST)]

    tick(engine, 14)

    wanted = [generated(family, text, 12) for text in texts for _ in range(2)]
    assert [ids(each) for each in streams] == wanted
    assert engine.stats().prompt_tokens == sum(map(len, texts))


def test_short_ones_are_read_at_once_and_longer_ones_apart(reads: list[tuple[int, ...]]) -> None:
    """Given more than a chunk in all, and one twice as long as another, then there are several reads."""
    engine = slots(chunk=100, rows=20)
    reads.clear()
    for at, length in enumerate((20, 25, 22, 24, 23, 60, 90, 130)):
        engine.submit(prompt(length, at), 1, LIKELIEST)

    tick(engine, 12)

    assert reads == [(4, 25), (1, 23), (1, 60), (1, 90), (1, 100), (1, 30)]


def test_they_are_read_ahead_of_their_places(reads: list[tuple[int, ...]]) -> None:
    engine = slots(rows=4)
    reads.clear()
    for at in range(4):
        engine.submit(prompt(20, at), 2, LIKELIEST)

    tick(engine)

    assert reads == [(4, 20)]
    assert (engine.stats().running, engine.stats().waiting) == (4, 4)


def test_of_one_beginning_the_first_is_read_and_the_others_go_on(
    reads: list[tuple[int, ...]],
) -> None:
    """Given prompts of which half is the same, then that half is read once, and the rest of each alone."""
    engine = slots()
    reads.clear()
    texts = [[*prompt(20), *prompt(20, at)] for at in range(2, 5)]
    streams = [engine.submit(text, 1, LIKELIEST)[0] for text in texts]

    tick(engine, 14)

    assert reads == [(1, 40), (1, 20), (1, 20)]
    assert [stream.cached for stream in streams] == [0, 20, 20]
    assert [ids(each) for each in streams] == [generated("llama", text, 12) for text in texts]


def test_many_of_a_known_beginning_join_at_once(reads: list[tuple[int, ...]]) -> None:
    """Given a beginning that was read, then as many rests are read as a chunk has room for."""
    engine = slots(chunk=50, rows=16)
    beginning = prompt(45)
    engine.submit([*beginning, 7], 1, ONE)
    tick(engine)
    reads.clear()
    for at in range(12):
        engine.submit([*beginning, *prompt(5, at + 3)], 1, LIKELIEST)

    tick(engine)
    assert reads == [(1, 5)] * 10

    tick(engine)
    assert reads == [(1, 5)] * 12
    assert engine.stats().running == 12


def test_what_was_read_together_is_there_for_later_prompts(reads: list[tuple[int, ...]]) -> None:
    """Given prompts that were read together, when others begin like them, then only the rest is read."""
    engine = slots()
    texts = [prompt(length, length) for length in (20, 24, 30)]
    for text in texts:
        engine.submit(text, 1, ONE)
    tick(engine)
    reads.clear()

    longer = [[*text, *prompt(5, 9)] for text in texts]
    streams = [engine.submit(text, 1, LIKELIEST)[0] for text in longer]
    again = engine.submit(texts[1], 1, LIKELIEST)[0]
    tick(engine, 20)

    assert reads == [(1, 5)] * 3
    assert [ids(each) for each in streams] == [generated("llama", text, 12) for text in longer]
    assert ids(again) == generated("llama", texts[1], 12)
    assert [each.cached for each in (*streams, again)] == [20, 24, 30, 24]


@pytest.mark.parametrize("worst", range(4))
def test_a_prompt_under_which_the_model_raises_ends_alone(
    worst: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given one of four prompts that the model cannot read, then the other three are answered."""
    engine = slots()
    texts = [prompt(20, at) for at in range(4)]
    bad = texts[worst][7]

    def fail(read: Call, tokens: Tensor) -> Tensor:
        if (tokens == bad).any():
            raise ZeroDivisionError("unreadable")
        return read(tokens)

    texts = [
        [each if at == worst or each != bad else 3 for each in text]
        for at, text in enumerate(texts)
    ]
    changed(monkeypatch, fail)
    streams = [engine.submit(text, 1, LIKELIEST)[0] for text in texts]
    tick(engine, 20)

    with pytest.raises(EngineFailedError, match="ZeroDivisionError"):
        ids(streams[worst])
    whole = [at for at in range(4) if at != worst]
    wanted = [generated("llama", texts[at], 12) for at in whole]
    assert [ids(streams[at]) for at in whole] == wanted
    assert (engine.stats().failed, engine.stats().running) == (1, 0)


def test_who_leaves_while_others_are_read_or_wait_is_let_go() -> None:
    engine = slots(rows=2)
    first, second, third = (engine.submit(prompt(20, at), 1, LONG)[0] for at in range(3))
    engine.cancel([second])
    tick(engine, 2)
    assert engine.stats().running == 2
    fourth, fifth = (engine.submit(prompt(20, at), 1, LONG)[0] for at in (3, 4))
    tick(engine, 2)
    engine.cancel([fourth])
    engine.cancel([first])

    tick(engine, 3)

    assert [row.stream for row in engine.running] == [third, fifth]
    assert engine.stats().waiting == 0


def test_what_was_read_for_a_prompt_itself_was_not_known_before() -> None:
    """Given prompts that were put back for one that lost its place, then nothing of them was reused."""
    engine = slots(cells=150, rows=3, kept=1000)
    wanted = Params(seed=3, max_tokens=100, ignore_end=True)
    streams = [engine.submit(prompt(15, at), 1, wanted)[0] for at in range(6)]

    tick(engine, 600)
    (again,) = engine.submit(prompt(15, 5), 1, ONE)
    tick(engine)

    assert engine.stats().set_back > 0
    assert [each.cached for each in streams] == [0] * 6
    assert again.cached == 15


def test_a_model_that_reads_texts_otherwise_together_reads_each_alone(
    monkeypatch: pytest.MonkeyPatch, reads: list[tuple[int, ...]]
) -> None:
    """Given a model that mixes what is side by side, when it is opened, then that is seen."""
    changed(monkeypatch, lambda read, tokens: read(tokens).roll(int(len(tokens) > 1), 0))
    engine = slots()
    reads.clear()
    for at in range(3):
        engine.submit(prompt(20, at), 1, LIKELIEST)

    tick(engine, 2)

    assert reads == [(1, 20)] * 3


def test_pieces_of_one_are_bounded_while_others_wait(reads: list[tuple[int, ...]]) -> None:
    """Given prompts of just a chunk together, then no turn reads more than a chunk."""
    engine = slots(chunk=50)
    engine.submit(prompt(9), 1, LONG)
    tick(engine)
    reads.clear()
    for at in range(2, 8):
        engine.submit(prompt(25, at), 1, LIKELIEST)

    for turn in range(1, 4):
        tick(engine)
        assert reads == [(2, 25)] * turn


def test_what_shorter_ones_are_filled_up_with_counts(reads: list[tuple[int, ...]]) -> None:
    """Given prompts of two lengths that fill a chunk together, then no other is read in that turn."""
    engine = slots(chunk=100, rows=16)
    reads.clear()
    texts = [prompt(length, at) for at, length in enumerate((25, 13, 13, 13, 12, 12, 12))]
    for text in texts:
        engine.submit(text, 1, LONG)

    tick(engine)
    assert reads == [(4, 25)]
    assert engine.stats().prompt_tokens == 25 + 3 * 13

    tick(engine)
    assert reads == [(4, 25), (3, 12)]
