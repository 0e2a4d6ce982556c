from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

import local_app
import tiny
from cachesaver.errors import ConfigurationError
from cachesaver.local import Params
from cachesaver.local.loading import load


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "little"
    tiny.model("llama").save_pretrained(folder)
    local_app.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "little-bert"
    local_app.bert().save_pretrained(folder)
    local_app.tokenizer().save_pretrained(folder)
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
