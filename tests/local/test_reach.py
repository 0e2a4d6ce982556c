"""A model is served with the context in which what it answers hangs on nothing else."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from cachesaver.errors import ConfigurationError
from cachesaver.local import Params, Sizes, open_engine
from cachesaver.local.reach import find_context, find_reach

SHORT = 64
"""Tokens that are not stretched."""

THETA = {"rope_theta": 10_000.0}
LONGROPE = {
    "rope_type": "longrope",
    "short_factor": [1.0] * 4,
    "long_factor": [4.0, 8.0, 16.0, 32.0],
    "original_max_position_embeddings": SHORT,
    **THETA,
}
DYNAMIC = {"rope_type": "dynamic", "factor": 8.0, **THETA}
STRETCHED: dict[str, tuple[str, dict[str, Any]]] = {
    "longrope": (
        "phi3",
        {"original_max_position_embeddings": SHORT, "rope_parameters": LONGROPE},
    ),
    "dynamic": ("llama", {"max_position_embeddings": SHORT, "rope_parameters": DYNAMIC}),
}
KINDS = ["slot", "group", "cb"]
SAMPLED = Params(seed=5, max_tokens=20, temperature=0.9, ignore_end=True)


def made(name: str) -> Any:
    family, settings = STRETCHED[name]
    return tiny.model(family, **settings)


@contextmanager
def opened(name: str, kind: Any, **sizes: Any) -> Generator[Any]:
    engine = open_engine(made(name), kind=kind, sizes=Sizes(chunk=16, **sizes))
    try:
        yield engine
    finally:
        engine.close()


def prompt(length: int, seed: int) -> list[int]:
    dice = torch.Generator().manual_seed(seed)
    return [*map(int, torch.randint(3, tiny.VOCABULARY, (length,), generator=dice))]


def ids(stream: Any) -> list[int]:
    return [token.id for token in stream]


def generated(name: str, text: list[int], count: int) -> list[int]:
    tokens = torch.tensor([text])
    answer = made(name).generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return [*map(int, answer[0, len(text) :])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(STRETCHED))
def test_a_sample_is_the_same_alone_and_among_the_longest(name: str, kind: str) -> None:
    with opened(name, kind) as engine:
        room = engine.context
        (alone,) = map(ids, engine.submit(prompt(20, 1), 1, SAMPLED))
        others = [
            engine.submit(
                prompt(room - 2 * at, at), 1, Params(max_tokens=2 * at, ignore_end=True, seed=at)
            )[0]
            for at in range(1, 16)
        ]
        (among,) = map(ids, engine.submit(prompt(20, 1), 1, SAMPLED))
        finished = [each.finish for each in others if ids(each)]

    assert room == SHORT
    assert finished == ["length"] * 15
    assert among == alone


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(STRETCHED))
def test_it_answers_as_generate_does_up_to_the_bound(name: str, kind: str) -> None:
    """Given prompts that begin alike, of which one ends at the bound, then all are as by themselves."""
    texts = [(prompt(20, 1), 20), (prompt(54, 2), 10), (prompt(54, 2)[:40] + prompt(23, 3), 1)]
    with opened(name, kind) as engine:
        found = [
            ids(stream)
            for text, count in texts
            for stream in engine.submit(
                text, 1, Params(temperature=0, max_tokens=count, ignore_end=True)
            )
        ]

    assert found == [generated(name, text, count) for text, count in texts]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(STRETCHED))
def test_more_than_is_not_stretched_is_refused(name: str, kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"65 tokens .* is 64: .*\({name}\)"):
        open_engine(made(name), kind=kind, sizes=Sizes(context=SHORT + 1))


def test_more_than_was_learned_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"4096 tokens .* is 512: it has learned no more"):
        open_engine(tiny.model("gpt2"), sizes=Sizes(context=4096))


@pytest.mark.parametrize(
    ("settings", "wanted", "expected"),
    [
        ({"max_position_embeddings": 512}, None, 512),
        ({"max_position_embeddings": 512}, 99, 99),
        ({"max_position_embeddings": 512, "rope_parameters": {"rope_type": "yarn"}}, 600, 600),
        ({"max_seq_len": 256}, None, 256),
        ({"max_position_embeddings": -1}, None, 1 << 17),
        ({}, None, 1 << 17),
        ({}, 1 << 20, 1 << 20),
    ],
)
def test_what_is_asked_for_and_what_the_model_says(
    settings: dict[str, Any], wanted: int | None, expected: int
) -> None:
    assert find_context(SimpleNamespace(**settings), wanted) == expected


def test_one_type_of_layers_may_be_stretched() -> None:
    """Given rotary positions for each type of layer, then the one that is stretched counts."""
    layers = {"sliding_attention": {"rope_type": "default"}, "full_attention": LONGROPE}

    config = SimpleNamespace(max_position_embeddings=512, rope_parameters=layers)

    assert find_reach(config) == SHORT
