"""`/v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cachesaver.local.app.chat_ask import ChatAsk
from cachesaver.local.app.chat_order import Manner
from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.replies import dumps
from cachesaver.local.app.reports import chat_report
from cachesaver.local.app.served import Served

__all__ = ["Chat", "usage_block"]

Event = dict[str, Any]


@dataclass(slots=True)
class _Choice:
    """An answer as far as it was told."""

    text: list[str] = field(default_factory=list[str])
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    report: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    finish: str | None = None

    def add(self, delta: Event) -> None:
        self.text.append(delta.get("content") or "")
        for part in delta.get("tool_calls", ()):
            if "id" in part:
                call = {key: part[key] for key in ("id", "type")}
                self.calls.append({**call, "function": dict(part["function"])})
            else:
                self.calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]

    @property
    def message(self) -> Event:
        text = "".join(self.text)
        message: Event = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        if self.calls:
            message |= {"content": text or None, "tool_calls": self.calls}
        return message


class Chat:
    """Tells chat completions: see `replies.Teller`.

    Each choice says in `seed` and `sample` what it was drawn from: asked for again with that seed, and
    that number as first index, it comes out the same.
    """

    def __init__(self, served: Served, ask: ChatAsk, job: Job, manner: Manner) -> None:
        self._tongue = served.tongue
        self._job = job
        self._is_reported = bool(ask.logprobs)
        self._adds_usage = bool(ask.stream_options and ask.stream_options.include_usage)
        self._speeches = [manner.speech(f"{each.seed}/{each.index}") for each in job.streams]
        self._choices = [_Choice() for _ in job.streams]
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": served.name,
            "system_fingerprint": served.fingerprint,
        }
        self._chunk_head = self._of("chat.completion.chunk")

    def opening(self) -> Iterator[Event]:
        """Iterate a chunk with the role, for each choice."""
        for at in range(len(self._choices)):
            yield self._chunk(at, {"role": "assistant", "content": "", "refusal": None})

    def tell(self, news: News) -> Iterator[Event]:
        """Iterate a chunk for each delta; what is reported of tokens stands in the first of them."""
        at, piece, finish = news
        speech, choice = self._speeches[at], self._choices[at]
        deltas = speech.feed(piece.text) + (speech.close() if finish else [])
        report = chat_report(self._tongue, piece.tokens) if self._is_reported else []
        choice.report += report
        for delta in deltas or ([{}] if report else []):
            choice.add(delta)
            yield self._chunk(at, delta, report=report)
            report = []
        if finish:
            choice.finish = "tool_calls" if speech.calls and finish == "stop" else finish
            yield self._chunk(at, {}, choice.finish)

    def closing(self) -> Iterator[Event]:
        """Iterate the chunk with the usage, if it was asked for."""
        if self._adds_usage:
            yield {**self._chunk_head, "choices": [], "usage": self._usage()}

    def whole(self) -> Event:
        """Return the completion."""
        choices = [
            {
                "index": at,
                "message": choice.message,
                "logprobs": self._logprobs(choice.report),
                "finish_reason": choice.finish,
                **self._origin(at),
            }
            for at, choice in enumerate(self._choices)
        ]
        return {**self._of("chat.completion"), "choices": choices, "usage": self._usage()}

    def frame(self, event: Event) -> bytes:
        """Return *event* as it is sent."""
        return b"data: %b\n\n" % dumps(event)

    def failure(self, refusal: Refusal) -> bytes:
        """Return the error as it is sent: SDKs raise it."""
        return self.frame(refusal.body)

    def end(self) -> bytes:
        """Return what OpenAI ends with."""
        return b"data: [DONE]\n\n"

    def _of(self, kind: str) -> Event:
        return {**self._head, "object": kind}

    def _chunk(
        self, at: int, delta: Event, finish: str | None = None, report: list[Event] | None = None
    ) -> Event:
        choice = {
            "index": at,
            "delta": delta,
            "logprobs": self._logprobs(report) if report else None,
            "finish_reason": finish,
            **(self._origin(at) if finish else {}),
        }
        usage = {"usage": None} if self._adds_usage else {}
        return {**self._chunk_head, "choices": [choice], **usage}

    def _origin(self, at: int) -> Event:
        stream = self._job.streams[at]
        return {"seed": stream.seed, "sample": stream.index}

    def _logprobs(self, report: list[Event]) -> Event | None:
        return {"content": report, "refusal": None} if self._is_reported else None

    def _usage(self) -> Event:
        return usage_block(self._job)


def usage_block(job: Job) -> Event:
    """Return the `usage` of a completion."""
    used = job.usage
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.answer,
        "total_tokens": used.prompt + used.answer,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
