from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

import local_app
from cachesaver.local.encoding import TextEncoder

TEXTS = [[5, 6, 7], [8], [9, 10, 11, 12, 13, 14]]


def alone(text: list[int]) -> Any:
    """Return the last hidden states of *text*, by the model itself, without padding."""
    with torch.inference_mode():
        return local_app.bert()(input_ids=torch.tensor([text])).last_hidden_state[0]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_changes_nothing(pooling: Any) -> None:
    vectors = TextEncoder(local_app.bert(), pooling=pooling, is_unit=False).embed(TEXTS)

    for text, vector in zip(TEXTS, vectors, strict=True):
        hidden = alone(text)
        expected = hidden.mean(dim=0) if pooling == "mean" else hidden[0]
        assert vector == pytest.approx(expected.tolist(), abs=1e-5)


def test_more_than_a_batch_keeps_its_order() -> None:
    encoder = TextEncoder(local_app.bert())
    texts = [[5 + at % 7] * (1 + at * 13 % 40) for at in range(70)]

    many = encoder.embed(texts)

    assert many[41] == pytest.approx(encoder.embed([texts[41]])[0], abs=1e-5)
    assert many[69] == pytest.approx(encoder.embed([texts[69]])[0], abs=1e-5)


def test_vectors_have_length_one() -> None:
    (vector,) = TextEncoder(local_app.bert()).embed(TEXTS[:1])

    assert sum(each * each for each in vector) == pytest.approx(1, abs=1e-5)


def test_what_the_tokenizer_says_fits_counts() -> None:
    assert TextEncoder(local_app.bert(), context=62).context == 62
    assert TextEncoder(local_app.bert(), context=10**30).context == 64


def test_a_text_is_no_longer_than_is_read_alike_beside_longer_ones() -> None:
    """Given positions that stretch as a batch's longest text grows, then none is so long."""
    rope = {"rope_type": "longrope", "original_max_position_embeddings": 32}
    sizes = {"max_position_embeddings": 64, "hidden_size": 16, "vocab_size": 9}
    model = SimpleNamespace(config=SimpleNamespace(rope_parameters=rope, **sizes))

    assert TextEncoder(model, context=64).context == 32
