"""Tiny models of many families with random weights, and a tokenizer: all made on the spot, no download."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

__all__ = ["FAMILIES", "GROUP_FAMILIES", "SLOT_FAMILIES", "VOCABULARY", "model", "tokenizer"]

VOCABULARY = 331

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,  # wide, so that what comes next depends on all that came before
    "tie_word_embeddings": False,  # or the last token would often be the likeliest next
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_EXPERTS = {
    "num_local_experts": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}
_MAMBA = {"mamba_d_state": 8, "mamba_d_conv": 4, "mamba_expand": 2}

SLOT_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama-eager": ("llama", {"attn_implementation": "eager"}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "mistral": ("mistral", {"sliding_window": None}),
    "gemma": ("gemma", {}),
    "gpt2": ("gpt2", {"n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 4}),
    "gpt_neox": ("gpt_neox", {}),
    "phi": ("phi", {"num_key_value_heads": 4}),
    "phi3": ("phi3", {"sliding_window": None}),
    "olmo2": ("olmo2", {}),
    "mixtral": ("mixtral", {**_EXPERTS, "sliding_window": None}),
    "qwen3_moe": ("qwen3_moe", {**_EXPERTS, "decoder_sparse_step": 1}),
    "roberta": ("roberta", {"is_decoder": True, "initializer_range": 0.5}),
}
"""Type and settings of models of which every layer keeps the whole text."""

GROUP_FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral-window": ("mistral", {"sliding_window": 7}),
    "gemma2": ("gemma2", {"sliding_window": 7, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", {"sliding_window": 7, "query_pre_attn_scalar": 8}),
    "lfm2": ("lfm2", {"layer_types": ["conv", "full_attention"], "block_ff_dim": 48}),
    "jamba": (
        "jamba",
        {
            **_EXPERTS,
            **_MAMBA,
            "mamba_dt_rank": 4,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
        },
    ),
    "qwen3_next": (
        "qwen3_next",
        {
            **_EXPERTS,
            "shared_expert_intermediate_size": 16,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
        },
    ),
    "bamba": (
        "bamba",
        {
            "attn_layer_indices": [1],
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_n_groups": 1,
            "mamba_expand": 2,
        },
    ),
    "bloom": ("bloom", {"n_head": 4, "n_layer": 2}),
}
"""The same of models with windows, recurrent layers or positions that a mask per row breaks."""

FAMILIES = {**SLOT_FAMILIES, **GROUP_FAMILIES}

_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]


def model(family: str = "llama", *, seed: int = 0, **settings: Any) -> Any:
    """Return a model of *family*, a key of `FAMILIES`; the same *seed* gives the same weights."""
    kind, own = FAMILIES[family]
    config = AutoConfig.for_model(kind, **{**_COMMON, **own, **settings})
    torch.manual_seed(seed)
    made = AutoModelForCausalLM.from_config(
        config, attn_implementation=own.get("attn_implementation")
    )
    return made.eval()


def tokenizer() -> Any:
    """Return a tokenizer of `VOCABULARY` tokens at most, any byte among them, with a chat template."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=_SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(["the quick brown fox jumps over the lazy dog"] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=_TEMPLATE,
    )
