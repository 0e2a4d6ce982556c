"""Models from a folder or a hub, as an application serves them. Needs torch and transformers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

from cachesaver.errors import ConfigurationError
from cachesaver.local.app.served import Served
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.encoding import TextEncoder
from cachesaver.local.engine import GraphsChoice, Kind, Sizes
from cachesaver.local.errors import UnsupportedModelError
from cachesaver.local.opening import open_engine
from cachesaver.local.pooling import read_habits

__all__ = ["load", "serve"]

_ENCODERS_HAVE = ("vocab_size", "hidden_size", "max_position_embeddings")
"""In their settings: what `TextEncoder` needs."""

_UNUSED = "pooler."
"""Of a BERT, after the last hidden states: models trained without it come without it."""

_SHOWN = 4
"""Names of weights in a message."""


def load(  # noqa: PLR0913  # what it is, where and how, each by name
    model: str,
    *,
    name: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    kind: Kind = "auto",
    sizes: Sizes | None = None,
    graphs: GraphsChoice = "auto",
) -> Served:
    """Load *model* for serving.

    Args:
        model: A folder, or the id of a model on the hub, such as `Qwen/Qwen3-0.6B`.
        name: That requests say; by default the id, or the folder's name.
        device: As torch has it, such as `cuda:1`; "auto": a GPU where there is one.
        dtype: As torch has it, such as `bfloat16`; "auto": as the model was saved.
        kind: Of the engine.
        sizes: Of the engine.
        graphs: Whether steps are graphs of CUDA, where they can be.

    Raises:
        ConfigurationError: There is no such model, device or dtype, or it has not all of its weights.
        UnsupportedModelError: No engine can run it, and it does not read texts into vectors.
    """
    kind_of_numbers = _dtype(dtype)
    try:
        where = torch.device(_device() if device == "auto" else device)
        config = AutoConfig.from_pretrained(model)
        _check_kind(config, model)
        tokenizer = AutoTokenizer.from_pretrained(model)
        maker = AutoModelForCausalLM if _writes(config) else AutoModel
        found, report = maker.from_pretrained(
            model, dtype=kind_of_numbers, output_loading_info=True
        )
        made = found.to(where).eval()
    except (OSError, ValueError, RuntimeError) as error:  # torch's own is the last
        raise ConfigurationError(f"the model {model!r} cannot be loaded: {error}") from error
    _check_weights(report["missing_keys"], model)
    called = name or (Path(model).name if Path(model).exists() else model)
    if not _writes(config):
        habits = read_habits(model)
        # Models such as RoBERTa count positions from 2: their tokenizers say what fits.
        room = min(tokenizer.model_max_length, habits.room or tokenizer.model_max_length)
        encoder = TextEncoder(
            made,
            pooling=habits.pooling,
            is_unit=habits.is_unit,
            context=room,
            lowers=habits.lowers,
        )
        return Served(name=called, tongue=Tongue(tokenizer), encoder=encoder)
    return serve(made, tokenizer, name=called, kind=kind, sizes=sizes, graphs=graphs)


def serve(
    model: Any,
    tokenizer: Any,
    *,
    name: str,
    kind: Kind = "auto",
    sizes: Sizes | None = None,
    graphs: GraphsChoice = "auto",
) -> Served:
    """Return *model*, which writes text, and its *tokenizer*, both of transformers, for serving.

    Raises:
        UnsupportedModelError: No engine can run it.
    """
    engine = open_engine(model, kind=kind, sizes=sizes or Sizes(), graphs=graphs)
    served = Served(name=name, tongue=Tongue(tokenizer), engine=engine, ends=_ends(model))
    served.grammars.prepare()
    return served


def _check_kind(config: Any, model: str) -> None:
    """Refuse what neither continues a text nor reads one into a vector, before its weights are loaded."""
    kind = ", ".join(getattr(config, "architectures", None) or [config.model_type])
    if config.is_encoder_decoder:  # loaded as a decoder alone, it says so no longer
        why = "it answers one text with another, by an encoder and a decoder"
    elif not _writes(config) and not all(hasattr(config, each) for each in _ENCODERS_HAVE):
        why = "it neither continues a text nor reads one into a vector as a BERT does"
    else:
        return
    raise UnsupportedModelError(f"the model {model!r} ({kind}) cannot be served: {why}")


def _check_weights(missing: Iterable[str], model: str) -> None:
    """Refuse a model of which weights are missing: transformers has made them up."""
    unknown = sorted(each for each in missing if not each.startswith(_UNUSED))
    if unknown:
        shown = ", ".join(unknown[:_SHOWN]) + (", ..." if len(unknown) > _SHOWN else "")
        raise ConfigurationError(
            f"the model {model!r} cannot be loaded: {len(unknown)} of its weights are in none of its "
            f"files, and would be random: {shown}"
        )


def _ends(model: Any) -> frozenset[int]:
    ends = model.generation_config.eos_token_id
    if ends is None:
        ends = model.config.eos_token_id
    given: Sequence[int] = [ends] if isinstance(ends, int) else (ends or ())
    return frozenset(given)


def _writes(config: Any) -> bool:
    architectures = getattr(config, "architectures", None) or ()
    return any(
        each.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration"))
        for each in architectures
    )


def _dtype(name: str) -> Any:
    if name == "auto":
        return name
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ConfigurationError(f"{name!r} is no dtype: say float32, bfloat16 or float16")
    return dtype


def _device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
