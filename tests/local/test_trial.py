"""A trial finds the model that ignores what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import tiny
from cachesaver.local.decoder import Decoder
from cachesaver.local.paged import PagedBatch
from cachesaver.local.trial import (
    batch_agrees,
    count_bytes,
    group_agrees,
    slots_agree,
    texts_agree,
    why_not_graphs,
)
from tape import TapeRecorder


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Deaf:
    """A model that leaves one argument out."""

    def __init__(self, argument: str) -> None:
        self.model = tiny.model()
        self.argument = argument

    def __call__(self, **given: Any) -> Any:
        given.pop(self.argument, None)
        return self.model(**given)


def deaf(argument: str) -> Decoder:
    decoder = Decoder(tiny.model())
    decoder.model = Deaf(argument)
    return decoder


def test_a_model_that_hears_passes_both() -> None:
    decoder = Decoder(tiny.model())

    assert slots_agree(decoder, layers=2)
    assert texts_agree(decoder)
    assert group_agrees(decoder)


@pytest.mark.parametrize("family", sorted(tiny.SLOT_FAMILIES))
def test_each_family_can_read_texts_together(family: str) -> None:
    assert texts_agree(Decoder(tiny.model(family)))


def test_a_model_that_tells_of_the_last_token_alone_fails_together() -> None:
    decoder = deaf("logits_to_keep")
    assert texts_agree(decoder) is False


@pytest.mark.parametrize("argument", ["position_ids", "attention_mask"])
def test_a_model_that_is_deaf_fails_in_slots(argument: str) -> None:
    assert not slots_agree(deaf(argument), layers=2)


def test_a_model_that_keeps_no_cache_fails_in_a_group() -> None:
    decoder = Decoder(tiny.model())

    class Forgetful:
        model = decoder.model

        def __call__(self, *, cache: Any = None, past_key_values: Any = None, **given: Any) -> Any:
            answer = self.model(**{**given, "use_cache": False})
            (cache or past_key_values).update(*torch.zeros(2, len(given["input_ids"]), 1, 1, 1), 0)
            return answer

    decoder.model = Forgetful()

    assert not group_agrees(decoder)


def test_half_precision_passes() -> None:
    decoder = Decoder(tiny.model().to(torch.bfloat16))

    assert slots_agree(decoder, layers=2)
    assert group_agrees(decoder)
    assert batch_agrees(decoder, open_batch=PagedBatch)


def test_a_batch_agrees_or_does_not() -> None:
    """Given a model whose layers a batch of transformers' runs otherwise, then it is found out."""
    assert batch_agrees(Decoder(tiny.model()), open_batch=PagedBatch)
    assert not batch_agrees(Decoder(tiny.model("gemma2")), open_batch=PagedBatch)


def test_a_batch_that_never_answers_fails() -> None:
    class Idle(PagedBatch):
        def step(self, model: Any) -> dict[str, int]:
            return {}

    with pytest.raises(IndexError):
        batch_agrees(Decoder(tiny.model()), open_batch=Idle)


def test_a_token_takes_keys_and_values_of_all_layers() -> None:
    assert count_bytes(Decoder(tiny.model())) == 2 * 2 * 2 * 8 * 4


def test_a_step_of_each_family_can_be_recorded() -> None:
    for family in sorted(tiny.SLOT_FAMILIES):
        recorder = TapeRecorder()

        assert why_not_graphs(Decoder(tiny.model(family)), recorder) is None, family
        assert recorder.replays == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_step_in_half_precision_can_be_recorded(dtype: torch.dtype) -> None:
    assert why_not_graphs(Decoder(tiny.model().to(dtype)), TapeRecorder()) is None


def test_a_model_that_asks_what_is_in_a_tensor_cannot_be_recorded() -> None:
    """Given experts picked one by one, or positions that stretch as texts grow, then the reason is told."""
    experts = tiny.model("mixtral")
    experts.set_experts_implementation("eager")
    stretched = tiny.model(
        "llama", rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0}
    )

    for each in (experts, stretched):
        recorder = TapeRecorder()
        reason = why_not_graphs(Decoder(each), recorder)

        assert not recorder.threads  # no recording was begun
        assert reason is not None
        assert reason.startswith("a step cannot be recorded: aten::")


def test_a_model_that_would_say_the_same_again_is_found_out() -> None:
    """Given one that reads its tokens behind torch's back, then a recording has them for good."""
    decoder = Decoder(tiny.model())
    real = decoder.model

    class Sly:
        config, dtype = real.config, real.dtype

        def __call__(self, **given: Any) -> Any:
            given["input_ids"] = torch.from_numpy(given["input_ids"].numpy().copy())
            return real(**given)

    decoder.model = Sly()

    assert slots_agree(decoder, layers=2)
    assert "other logits" in (why_not_graphs(decoder, TapeRecorder()) or "")
