from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    CLIPConfig,
    CLIPModel,
    T5Config,
    T5EncoderModel,
    ViTConfig,
    ViTModel,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

import local_app
import tiny
from cachesaver.errors import ConfigurationError
from cachesaver.local import Params, UnsupportedModelError
from cachesaver.local.loading import load


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "little"
    local_app.save(tiny.model("llama"), folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "little-bert"
    local_app.save(local_app.bert(), folder)
    return folder


def test_a_folder_is_served_under_its_name(writer: Path) -> None:
    served = load(str(writer), device="cpu", kind="slot")

    assert served.name == "little"
    assert served.ends == {2}
    assert served.tongue.render([{"role": "user", "content": "a"}], [], {}) == (
        "<|user|>a</s><|assistant|>"
    )
    (stream,) = served.writer.submit([5], 1, Params(max_tokens=2, ignore_end=True))
    assert len([*stream]) == 2
    assert served.writer.stats().engine == "slot"
    served.writer.close()


def test_an_encoder_is_known_by_its_kind(encoder: Path) -> None:
    served = load(str(encoder), name="other")

    assert (served.name, served.engine) == ("other", None)
    assert served.encoder is not None
    assert len(served.encoder.embed([[5]])[0]) == 16


def test_the_dtype_can_be_chosen(writer: Path) -> None:
    served = load(str(writer), dtype="bfloat16", device="cpu")

    assert served.writer.decoder.model.dtype is torch.bfloat16  # type: ignore[attr-defined]
    served.writer.close()


@pytest.mark.parametrize("dtype", ["float33", "nn"])
def test_a_dtype_that_is_none_is_refused(writer: Path, dtype: str) -> None:
    with pytest.raises(ConfigurationError, match="is no dtype"):
        load(str(writer), dtype=dtype)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        load(str(tmp_path))


def test_a_device_that_is_not_there(writer: Path) -> None:
    with pytest.raises(ConfigurationError, match="device"):
        load(str(writer), device="toaster")


@pytest.mark.skipif(
    importlib.util.find_spec("llguidance") is None, reason="needs cachesaver[structured]"
)
def test_what_grammars_need_is_made_when_a_model_is_loaded(
    writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a loaded model, when grammars are asked for, then no tokenizer is made: it takes seconds."""
    import llguidance.hf

    served = load(str(writer), device="cpu")

    def again(*_: Any, **__: Any) -> None:
        raise AssertionError("it was not there")

    monkeypatch.setattr(llguidance.hf, "from_tokenizer", again)
    served.grammars.guide({"type": "object"}, "response_format")(0)
    served.writer.close()


TINY = {
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "hidden_size": 16,
    "intermediate_size": 16,
}
PICTURES = {**TINY, "image_size": 8, "patch_size": 4}
BOTH = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "vocab_size": tiny.VOCABULARY,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "bart": (lambda: BartForConditionalGeneration(BartConfig(**BOTH)), "an encoder and a decoder"),
    "whisper": (
        lambda: WhisperForConditionalGeneration(WhisperConfig(**BOTH)),
        "an encoder and a decoder",
    ),
    "t5-encoder": (lambda: T5EncoderModel(T5Config(**T5)), "neither continues"),
    "vit": (lambda: ViTModel(ViTConfig(**PICTURES)), "neither continues"),
    "clip": (
        lambda: CLIPModel(CLIPConfig(text_config=TINY, vision_config=PICTURES)),
        "neither continues",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_neither_continues_nor_reads_texts_is_refused(tmp_path: Path, name: str) -> None:
    make, why = REFUSED[name]
    made = make()
    local_app.save(made, tmp_path)

    with pytest.raises(UnsupportedModelError, match=rf"{type(made).__name__}\) cannot .*{why}"):
        load(str(tmp_path))


@pytest.mark.parametrize("family", ["llama", "bert"])
def test_weights_that_are_missing_are_named(tmp_path: Path, family: str) -> None:
    """Given a model of which a file lacks one layer, then it is not made up."""
    made = local_app.bert() if family == "bert" else tiny.model(family)
    kept = {name: each for name, each in made.state_dict().items() if "layer" not in name}
    made.save_pretrained(tmp_path, state_dict=kept)
    local_app.tokenizer().save_pretrained(tmp_path)

    with pytest.raises(
        ConfigurationError, match=r"of its weights .* would be random: .*layer.*\.\.\."
    ):
        load(str(tmp_path))


def test_weights_that_are_tied_are_not_missing(tmp_path: Path) -> None:
    local_app.save(tiny.model("llama", tie_word_embeddings=True), tmp_path)

    load(str(tmp_path)).writer.close()


def test_an_encoder_may_lack_what_is_not_used(tmp_path: Path) -> None:
    """Given a BERT without a pooler, as one for filling gaps, then it is served."""
    BertForMaskedLM(BertConfig(vocab_size=tiny.VOCABULARY, **TINY)).save_pretrained(tmp_path)
    local_app.tokenizer().save_pretrained(tmp_path)

    assert load(str(tmp_path)).encoder is not None
