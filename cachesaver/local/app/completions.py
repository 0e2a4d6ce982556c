"""`/v1/completions`: https://platform.openai.com/docs/api-reference/completions."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

from cachesaver.local.app.chat import usage_block
from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.narrating import Piece
from cachesaver.local.app.ordering import Order, params_of, place
from cachesaver.local.app.other_asks import CompletionAsk
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.replies import dumps
from cachesaver.local.app.reports import legacy_report, merged
from cachesaver.local.app.served import Served

__all__ = ["MOST_SAMPLES", "Completions", "ids_of", "order_completions"]

MOST_SAMPLES = 1024
"""Prompts times n that one request may ask for."""

Event = dict[str, Any]

_DEFAULT_TOKENS = 16
"""https://platform.openai.com/docs/api-reference/completions/create#max_tokens."""


def order_completions(
    served: Served, ask: CompletionAsk, first_index: int, pool: Executor
) -> tuple[Job, list[str]]:
    """Have *ask* drawn; return also what each answer begins with: its prompt, if it is to be echoed.

    Raises:
        Refusal: The model cannot, or the endpoint.
    """
    served.writer  # noqa: B018  # or refuses
    n = ask.n or 1
    _check_number(len(ask.prompts), n)
    prompts = [ids_of(served, each) for each in ask.prompts]
    params = params_of(
        ask,
        max_tokens=ask.max_tokens or _DEFAULT_TOKENS,
        logprobs=ask.logprobs,
    )
    order = Order(
        prompts=prompts,
        n=n,
        params=params,
        param="prompt",
        stops=ask.stops,
        first_index=first_index,
        continues=True,
    )
    echoed = [_text(served, each) if ask.echo else "" for each in ask.prompts]
    return place(served, order, pool), [each for each in echoed for _ in range(n)]


def _check_number(prompts: int, n: int) -> None:
    if prompts * n > MOST_SAMPLES:
        message = (
            f"{prompts} prompts with n {n} are {prompts * n} samples, and a request has at most "
            f"{MOST_SAMPLES}: ask with fewer prompts, or with a smaller n"
        )
        raise Refusal(400, message, param="prompt", code="too_many_samples")


def ids_of(served: Served, given: str | list[int]) -> Sequence[int]:
    """Return the token ids of a text, with what belongs around it; ids as they are."""
    return served.tongue.encode(given, special=True) if isinstance(given, str) else given


def _text(served: Served, given: str | list[int]) -> str:
    return given if isinstance(given, str) else served.tongue.decode(given)


class Completions:
    """Tells completions: see `replies.Teller`; and `chat.Chat` about seeds."""

    def __init__(self, served: Served, ask: CompletionAsk, job: Job, echoes: Sequence[str]) -> None:
        self._tongue = served.tongue
        self._job = job
        self._echoes = tuple(echoes)
        self._is_reported = ask.logprobs is not None
        self._adds_usage = bool(ask.stream_options and ask.stream_options.include_usage)
        self._pieces: list[list[Piece]] = [[] for _ in job.streams]
        self._finishes: list[str | None] = [None for _ in job.streams]
        self._head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": served.name,
            "system_fingerprint": served.fingerprint,
        }

    def opening(self) -> Iterator[Event]:
        """Iterate the prompts that are echoed."""
        for at, echo in enumerate(self._echoes):
            if echo:
                yield self._chunk(at, Piece(echo, ()))

    def tell(self, news: News) -> Iterator[Event]:
        """Iterate a chunk for what there is to tell."""
        at, piece, finish = news
        self._pieces[at].append(piece)
        self._finishes[at] = finish
        if finish or piece.text or (piece.tokens and self._is_reported):
            yield self._chunk(at, piece, finish)

    def closing(self) -> Iterator[Event]:
        """Iterate the chunk with the usage, if it was asked for."""
        if self._adds_usage:
            yield {**self._head, "choices": [], "usage": usage_block(self._job)}

    def whole(self) -> Event:
        """Return the completion."""
        choices: list[Event] = []
        for at, pieces in enumerate(self._pieces):
            text = self._echoes[at] + "".join(piece.text for piece in pieces)
            report = merged(map(self._report, pieces)) if self._is_reported else None
            choices.append(self._choice(at, text, report, self._finishes[at]))
        return {**self._head, "choices": choices, "usage": usage_block(self._job)}

    def frame(self, event: Event) -> bytes:
        """Return *event* as it is sent."""
        return b"data: %b\n\n" % dumps(event)

    def failure(self, refusal: Refusal) -> bytes:
        """Return the error as it is sent: SDKs raise it."""
        return self.frame(refusal.body)

    def end(self) -> bytes:
        """Return what OpenAI ends with."""
        return b"data: [DONE]\n\n"

    def _chunk(self, at: int, piece: Piece, finish: str | None = None) -> Event:
        report = self._report(piece) if self._is_reported and piece.tokens else None
        usage = {"usage": None} if self._adds_usage else {}
        return {**self._head, "choices": [self._choice(at, piece.text, report, finish)], **usage}

    def _choice(self, at: int, text: str, report: Event | None, finish: str | None) -> Event:
        stream = self._job.streams[at]
        origin = {"seed": stream.seed, "sample": stream.index} if finish else {}
        return {"index": at, "text": text, "logprobs": report, "finish_reason": finish, **origin}

    def _report(self, piece: Piece) -> dict[str, list[Any]]:
        return legacy_report(self._tongue, piece.tokens)
