"""The local endpoint over tiny models of random weights, on a socket, and clients of it."""

# pyright: reportMissingImports=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false, reportUnknownVariableType=false, reportUntypedBaseClass=false
# Where torch is not installed its types are unknown.

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, BertConfig

import tiny
from cachesaver.local import Params, Sizes
from cachesaver.local.app.served import Served
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.encoding import TextEncoder
from cachesaver.local.loading import serve
from cachesaver.local.server import Server

__all__ = [
    "FOREVER",
    "TEMPLATE",
    "bert",
    "save",
    "served_encoder",
    "served_writer",
    "start",
    "tokenizer",
]

FOREVER = Params(max_tokens=500, ignore_end=True, seed=1)

TEMPLATE = (
    "{% if tools %}<|system|>tools:{% for tool in tools %}{{ tool.function.name }} {% endfor %}</s>"
    "{% endif %}"
    "{% for message in messages %}{% if message['role'] == 'alien' %}{{ raise_exception('no aliens') }}"
    "{% endif %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% for call in message.tool_calls or [] %}<tool_call>{{ call.function.name }}"
    "{{ call.function.arguments | tojson }}</tool_call>{% endfor %}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{{ opening or '' }}{% endif %}"
)
"""It takes tools, calls, and a variable."""


def tokenizer(template: str | None = TEMPLATE) -> Any:
    made = tiny.tokenizer()
    made.chat_template = template
    return made


def served_writer(
    name: str = "tiny", *, family: str = "llama", template: str | None = TEMPLATE, **sizes: Any
) -> Served:
    return serve(tiny.model(family), tokenizer(template), name=name, sizes=Sizes(**sizes))


@functools.cache
def bert() -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    return AutoModel.from_config(config).eval()


def served_encoder(name: str = "tiny-bert") -> Served:
    return Served(name=name, tongue=Tongue(tokenizer()), encoder=TextEncoder(bert()))


def save(model: Any, folder: Path) -> None:
    """Put *model* into *folder* with the tokenizer, as `load` and the command line take it."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def start(**options: Any) -> Server:
    """Return a running server of both."""
    return Server([served_writer(), served_encoder()], **options).start()
