"""A decoder knows what its model is called with, what it holds, and what it is not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForSeq2SeqLM, DynamicCache

import tiny
from cachesaver.local import UnsupportedModelError
from cachesaver.local.decoder import Decoder


def test_it_reads_sizes_and_end_tokens_from_the_model() -> None:
    decoder = Decoder(tiny.model())

    assert (decoder.vocabulary, decoder.context, decoder.ends) == (331, 512, frozenset({2}))
    assert Decoder(tiny.model(), context=99).context == 99
    assert Decoder(tiny.model("gpt2")).context == 512


@pytest.mark.parametrize(("ends", "expected"), [(None, set()), (7, {7}), ([7, 8], {7, 8})])
def test_end_tokens_come_in_three_forms(ends: Any, expected: set[int]) -> None:
    model = tiny.model()
    model.generation_config.eos_token_id = ends

    assert Decoder(model).ends == expected


def test_a_model_that_names_no_limit_has_a_large_one() -> None:
    model = tiny.model("bloom")
    del model.config.max_position_embeddings

    assert Decoder(model).context == 1 << 17


def test_it_gives_the_logits_after_the_last_token() -> None:
    model = tiny.model()
    decoder = Decoder(model)
    tokens = decoder.tensor([[5, 6, 7]])

    with torch.inference_mode():
        expected = model(input_ids=tokens).logits[:, -1]
        assert torch.allclose(decoder(tokens, DynamicCache()), expected, atol=1e-5)


def test_padding_of_the_output_layer_is_cut_off() -> None:
    model = tiny.model()
    decoder = Decoder(model)
    decoder.vocabulary = 300

    with torch.inference_mode():
        assert decoder(decoder.tensor([[5]]), DynamicCache()).shape == (1, 300)


@pytest.mark.parametrize("family", ["llama", "llama-eager"])
def test_a_mask_is_obeyed_in_either_form(family: str) -> None:
    """Given a mask that hides the first token, then the logits are those of a text without it."""
    decoder = Decoder(tiny.model(family))
    mask = torch.tensor([[True, False, False], [False, True, False], [False, True, True]])[
        None, None
    ]

    with torch.inference_mode():
        hidden = decoder(
            decoder.tensor([[9, 6, 7]]),
            DynamicCache(),
            positions=decoder.tensor([[5, 0, 1]]),
            mask=mask,
        )
        short = decoder(decoder.tensor([[6, 7]]), DynamicCache())

    assert torch.allclose(hidden, short, atol=1e-5)


def test_what_is_no_decoder_is_refused() -> None:
    sizes = {"d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 1, "num_heads": 2, "vocab_size": 20}
    both = AutoModelForSeq2SeqLM.from_config(AutoConfig.for_model("t5", **sizes))

    with pytest.raises(UnsupportedModelError, match="T5ForConditionalGeneration is not a decoder"):
        Decoder(both)
