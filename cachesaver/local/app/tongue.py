"""What is known of a model's language: its tokenizer and chat template. Used by any thread."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

from cachesaver.local.app.refusals import Refusal
from cachesaver.local.errors import UnsupportedModelError

__all__ = ["Tongue"]

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

Messages = Sequence[Mapping[str, Any]]


class Tongue:
    """A tokenizer of transformers, by its Rust half, which threads may share.

    Attributes:
        tokenizer: As it was given.
        hidden: Ids of special tokens: they are not part of a text.

    Raises:
        UnsupportedModelError: It is not one of the library `tokenizers`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._rust: Any = getattr(tokenizer, "backend_tokenizer", None)
        if self._rust is None:
            raise UnsupportedModelError(
                f"the tokenizer {type(tokenizer).__name__} is none of the library tokenizers: "
                "convert it to a tokenizer.json first"
            )
        # Some bring a length to cut at, or to fill up to: nothing is ever cut in silence.
        self._rust.no_truncation()
        self._rust.no_padding()
        added = self._rust.get_added_tokens_decoder()
        self.hidden = frozenset(at for at, token in added.items() if token.special)
        self._added: dict[int, str] = {at: token.content for at, token in added.items()}
        self._is_of_bytes = self._rust.decoder is not None and b"ByteLevel" in bytes(
            self._rust.decoder.__getstate__()
        )

    def encode(self, text: str, *, special: bool) -> Sequence[int]:
        """Return the token ids of *text*; *special*: with what the tokenizer puts around a text.

        Their number is known at once, and costs nothing: look at it before you look at them.
        """
        # `encode` would keep all threads waiting, for seconds where a text is long: it holds the GIL.
        (encoded,) = self._rust.encode_batch_fast([text], add_special_tokens=special)
        return _Ids(encoded)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of *ids*, special tokens included."""
        text: str = self._rust.decode(list(ids), skip_special_tokens=False)
        return text

    def spell(self, token: int) -> bytes:
        """Return the bytes that *token* stands for; empty where the tokenizer does not know it."""
        if token in self._added:
            return self._added[token].encode()
        written: str | None = self._rust.id_to_token(token)
        if written is None:
            return b""
        if self._is_of_bytes:
            return bytes(_BYTES.get(each, 0x3F) for each in written)
        if found := _BYTE.fullmatch(written):
            return bytes([int(found[1], 16)])
        return written.replace("\u2581", " ").encode()

    def id_of(self, text: str) -> int | None:
        """Return the id of the one token that is written so; `None` if there is none."""
        found: int | None = self._rust.token_to_id(text)
        return found

    @property
    def calls_like_hermes(self) -> bool:
        """Whether calls are JSON between `<tool_call>` and `</tool_call>`, as the template shows them."""
        template = str(self.tokenizer.chat_template)
        return "<tool_call>" in template and "<function=" not in template

    def render(self, messages: Messages, tools: Sequence[Any], extras: Mapping[str, Any]) -> str:
        """Return the prompt that the model's chat template makes of *messages*.

        Raises:
            Refusal: There is no template, or it does not take this.
        """
        prompt = self._apply(messages, tools, extras)
        if tools and prompt == self._apply(messages, (), extras):
            raise Refusal(400, "the chat template of this model does not take tools", param="tools")
        return prompt

    def _apply(self, messages: Messages, tools: Sequence[Any], extras: Mapping[str, Any]) -> str:
        if not self.tokenizer.chat_template:
            raise Refusal(
                400, "this model has no chat template: ask /v1/completions", param="messages"
            )
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    [dict(each) for each in messages],
                    tools=[*tools] or None,
                    tokenize=False,
                    add_generation_prompt=True,
                    **extras,
                )
            )
        except Exception as error:
            # A template is a program of the model's: it says in any way what it does not take.
            raise Refusal(
                400,
                f"the chat template of this model does not take these messages: {error}",
                param="messages",
            ) from error


class _Ids(Sequence[int]):
    """Token ids that are made when the first is asked for: to make millions keeps all threads waiting."""

    def __init__(self, encoded: Any) -> None:
        self._encoded = encoded

    def __len__(self) -> int:
        return len(self._encoded)

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> list[int]: ...
    def __getitem__(self, at: int | slice) -> int | list[int]:
        return self._made[at]

    def __iter__(self) -> Iterator[int]:
        return iter(self._made)

    @cached_property
    def _made(self) -> list[int]:
        ids: list[int] = self._encoded.ids
        return ids


def _bytes_of_characters() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for.

    As `bytes_to_unicode` of GPT-2 has it: printable Latin-1 stands for itself, the others follow from
    U+0100 on.
    """
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in own]
    named = {chr(byte): byte for byte in sorted(own)}
    return named | {chr(0x100 + at): byte for at, byte in enumerate(others)}


_BYTES = _bytes_of_characters()
