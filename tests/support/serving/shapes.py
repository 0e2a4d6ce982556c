"""Models of random weights in the shapes of real ones, with a tokenizer whose words are known."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

__all__ = ["SHAPES", "build", "save", "save_encoder", "tokenizer"]

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "vocab_size": 331,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 2048,
        "initializer_range": 0.3,
    },
    "94M": {
        "vocab_size": 32_000,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "max_position_embeddings": 4096,
    },
    # https://huggingface.co/meta-llama/Llama-3.2-1B/blob/main/config.json
    "1B": {
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "max_position_embeddings": 8192,
        "tie_word_embeddings": True,
    },
    # https://huggingface.co/meta-llama/Llama-3.1-8B/blob/main/config.json
    "8B": {
        "vocab_size": 128_256,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
    },
}
"""Settings of a Llama, by what it is called here."""

_SPECIAL = ("<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")
_TEMPLATE = (
    "{% if tools %}<|system|>{% for tool in tools %}{{ tool.function | tojson }}{% endfor %}</s>{% endif %}"
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>"
    "{% endfor %}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""As those of Hermes and Qwen write tools and calls."""


def build(shape: str, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """Return a model of *shape*, a key of `SHAPES`, that never ends a text by itself."""
    config = LlamaConfig(**SHAPES[shape], bos_token_id=1, eos_token_id=None, pad_token_id=0)
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    made.generation_config.eos_token_id = None
    made.generation_config.do_sample = True
    made.generation_config.top_k = 0
    return made.eval()


def save(
    shape: str, folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> None:
    """Write a model of *shape* and its tokenizer to *folder*, as `from_pretrained` reads them."""
    build(shape, device=device, dtype=dtype).save_pretrained(folder)
    tokenizer(SHAPES[shape]["vocab_size"]).save_pretrained(folder)


def save_encoder(folder: Path) -> None:
    """Write a model for embeddings of 16 numbers, and its tokenizer, to *folder*."""
    config = BertConfig(
        vocab_size=331,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer(331).save_pretrained(folder)


def tokenizer(vocabulary: int) -> Any:
    """Return a tokenizer of exactly *vocabulary* tokens: bytes, and words of letters.

    Words come in the order `" a"` to `" z"`, `" aa"`, `" ab"` and so on; each is one token.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = vocabulary - len(_SPECIAL) - len(alphabet)
    words = [*itertools.islice(_words(), room)]
    known = {token: at for at, token in enumerate((*_SPECIAL, *alphabet, *words))}
    merges = [(word[:-1], word[-1]) for word in words]
    raw = Tokenizer(models.BPE(vocab=known, merges=merges))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(list(_SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=_TEMPLATE,
    )


def _words() -> Iterator[str]:
    """Yield words as the vocabulary spells them, a blank before each; a shorter one before a longer."""
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_lowercase, repeat=length):
            yield "\u0120" + "".join(letters)
