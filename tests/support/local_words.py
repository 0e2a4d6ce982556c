"""A language and an engine made by hand: what the application does with tokens, without a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cachesaver.local.app.tongue import Tongue
from cachesaver.local.engine import Stats
from cachesaver.local.guides import Guide
from cachesaver.local.params import Params
from cachesaver.local.streams import Finish, Stream, Token

__all__ = ["END", "MARK", "ByteTokenizer", "Script", "say", "tongue"]

END = 256
MARK = 257


class _Added:
    def __init__(self, content: str, *, special: bool) -> None:
        self.content = content
        self.special = special


class _Decoder:
    def __getstate__(self) -> bytes:
        return b'{"type":"ByteLevel"}'


class _Rust:
    """The half of a tokenizer that is Rust elsewhere; a token is a byte."""

    decoder = _Decoder()

    def no_truncation(self) -> None:
        """Cut nothing."""

    def no_padding(self) -> None:
        """Fill up nothing."""

    def get_added_tokens_decoder(self) -> dict[int, _Added]:
        return {END: _Added("</s>", special=True), MARK: _Added("[TOOL_CALLS]", special=True)}

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        added = {
            at: token.content.encode() for at, token in self.get_added_tokens_decoder().items()
        }
        return b"".join(added.get(each) or bytes([each]) for each in ids).decode(errors="replace")

    def id_to_token(self, token: int) -> str | None:
        return chr(token) if 0x21 <= token < 0x7F else "Ġ" if token == 32 else None

    def token_to_id(self, text: str) -> int | None:
        return MARK if text == "[TOOL_CALLS]" else None


class ByteTokenizer:
    """A tokenizer, as far as the application knows it."""

    backend_tokenizer = _Rust()
    chat_template = ""


def tongue() -> Tongue:
    return Tongue(ByteTokenizer())


class Script:
    """An engine that says what it is told to, when it is told to."""

    def __init__(self) -> None:
        self.context = 64
        self.vocabulary = 258
        self.cancelled: list[Stream] = []

    def submit(
        self,
        token_ids: Sequence[int],
        n: int,
        params: Params,
        *,
        first_index: int = 0,
        guide: Callable[[int], Guide] | None = None,
        more: bool = False,
    ) -> tuple[Stream, ...]:
        return tuple(Stream(index=first_index + at, seed=params.seed or 0) for at in range(n))

    def cancel(self, streams: Sequence[Stream]) -> None:
        self.cancelled += streams

    def stats(self) -> Stats:
        counts: dict[str, Any] = dict.fromkeys(Stats.__dataclass_fields__, 0)
        counts["engine"] = "script"
        return Stats(**counts)

    def close(self) -> None:
        """Nothing runs."""


def say(stream: Stream, text: str, finish: Finish | None = None) -> None:
    """Let *stream* say *text*, a token a byte."""
    for byte in text.encode():
        stream.put(Token(byte))
    if finish:
        stream.end(finish)
