"""Anthropic's text completions: https://docs.anthropic.com/en/api/complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.anthropic_messages import NOT_SHAPING, AnthropicApi
from cachesaver.rehearsal.openai_common import sse
from cachesaver.rehearsal.reading import integer, listed, number, required, without
from cachesaver.rehearsal.values import Ask, Finish, Frame, Message, Prompt, RejectedError, Take

__all__ = ["CompleteApi"]

_HUMAN = "\n\nHuman:"

_STOP_REASONS = MappingProxyType({Finish.LENGTH: "max_tokens"})
"""All others are a stop sequence; at a turn's end it is the human's."""


class CompleteApi(AnthropicApi):
    """`POST …/complete`: one completion a request."""

    def read(self, path: str, body: Mapping[str, Any]) -> Ask:
        """Return what is asked: the last human's turn of the prompt."""
        prompt = required(body, "prompt", str)
        limit = integer(body, "max_tokens_to_sample")
        if limit is None:
            raise RejectedError(400, "max_tokens_to_sample: Field required", "max_tokens_to_sample")
        said = prompt.rpartition(_HUMAN)[2].partition("\n\nAssistant:")[0].strip()
        return Ask(
            endpoint="anthropic.complete",
            model=required(body, "model", str),
            prompt=Prompt(
                messages=(Message(role="user", text=said),),
                temperature=number(body, "temperature", 1.0, 1.0),
            ),
            shape=without(body, NOT_SHAPING),
            stream=body.get("stream") is True,
            limit=limit,
            stops=tuple(s for s in listed(body.get("stop_sequences")) if isinstance(s, str) and s),
            body=body,
        )

    def whole(self, ask: Ask, takes: tuple[Take, ...]) -> Mapping[str, Any]:
        """Return a `completion`."""
        (take,) = takes
        return _completion(ask, take, f" {take.text}", ends=True)

    def stream(self, ask: Ask, takes: tuple[Take, ...]) -> Iterator[Frame]:
        """Iterate `completion` events, one `ping` among them; the last says why it ended."""
        (take,) = takes
        for step, piece in enumerate((" ", *take.pieces)):
            yield _frame(_completion(ask, take, piece, ends=False), step)
            if step == 1:
                yield Frame(body=sse({"type": "ping"}, name="ping"), step=step)
        yield _frame(_completion(ask, take, "", ends=True), take.tokens)


def _completion(ask: Ask, take: Take, said: str, *, ends: bool) -> dict[str, Any]:
    reason = _STOP_REASONS.get(take.finish, "stop_sequence") if ends else None
    stop = (take.stopped_by or _HUMAN) if reason == "stop_sequence" else None
    return {
        "type": "completion",
        "id": take.id("compl_"),
        "completion": said,
        "stop_reason": reason,
        "model": ask.model,
        "stop": stop,
        "log_id": take.id("compl_"),
    }


def _frame(event: dict[str, Any], step: int) -> Frame:
    return Frame(body=sse(event, name="completion"), step=step)
