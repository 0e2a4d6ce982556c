"""`/v1/responses`: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from itertools import count
from types import MappingProxyType
from typing import Any

from cachesaver.local.app.chat_order import Manner
from cachesaver.local.app.jobs import Job, News
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.replies import dumps
from cachesaver.local.app.responses_ask import ResponsesAsk
from cachesaver.local.app.served import Served

__all__ = ["Responses"]

Event = dict[str, Any]

_ECHOED: Mapping[str, Any] = MappingProxyType(
    {
        # https://platform.openai.com/docs/api-reference/responses/object: what the answer repeats of
        # the request, with the value it shows when nothing was given.
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "store": False,  # nothing is kept that could be asked for again
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "user": None,
    }
)


class Responses:
    """Tells a response: see `replies.Teller`.

    It says in `seed` and `sample` what it was drawn from: see `chat.Chat`.
    """

    def __init__(self, served: Served, ask: ResponsesAsk, job: Job, manner: Manner) -> None:
        (stream,) = job.streams
        self._job = job
        self._speech = manner.speech(f"{stream.seed}/{stream.index}")
        self._items: list[Event] = []
        self._status = "in_progress"
        self._serials = count()
        given = ask.model_dump(by_alias=True, exclude_none=True)
        self._head = {
            "id": f"resp_{secrets.token_hex(16)}",
            "object": "response",
            "created_at": int(time.time()),
            "error": None,
            "model": served.name,
            "previous_response_id": None,
            **{name: given.get(name, shown) for name, shown in _ECHOED.items()},
            "seed": stream.seed,
            "sample": stream.index,
        }

    def opening(self) -> Iterator[Event]:
        """Iterate that it was created and is under way."""
        yield {"type": "response.created", "response": self._response()}
        yield {"type": "response.in_progress", "response": self._response()}

    def tell(self, news: News) -> Iterator[Event]:
        """Iterate the events of what there is to tell."""
        for delta in self._speech.feed(news.piece.text):
            yield from self._add(delta)
        if news.finish:
            for delta in self._speech.close():
                yield from self._add(delta)
            self._status = "incomplete" if news.finish == "length" else "completed"
            if not self._items:
                yield from self._open(_message())
            yield from self._close()

    def closing(self) -> Iterator[Event]:
        """Iterate the whole response."""
        yield {"type": f"response.{self._status}", "response": self.whole()}

    def whole(self) -> Event:
        """Return the response."""
        return self._response()

    def frame(self, event: Event) -> bytes:
        """Return *event* as it is sent: named and numbered."""
        numbered = {**event, "sequence_number": next(self._serials)}
        return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(numbered))

    def failure(self, refusal: Refusal) -> bytes:
        """Return the error as it is sent: SDKs raise it."""
        error = refusal.body["error"]
        return self.frame({"type": "error", **error, "code": error["code"] or error["type"]})

    def end(self) -> bytes:
        """Return nothing: this API knows the last event by its name."""
        return b""

    def _add(self, delta: Event) -> Iterator[Event]:
        if text := delta.get("content"):
            if not self._items or self._items[-1]["type"] != "message":
                yield from self._close()
                yield from self._open(_message())
            self._items[-1]["content"][0]["text"] += text
            event = {"type": "response.output_text.delta", "delta": text, "logprobs": []}
            yield {**event, **self._place(), "content_index": 0}
        for call in delta.get("tool_calls", ()):
            yield from self._add_call(call)

    def _add_call(self, call: Event) -> Iterator[Event]:
        if "id" in call:
            yield from self._close()
            yield from self._open(_function_call(call))
        said = call["function"]["arguments"]
        self._items[-1]["arguments"] += said
        yield {"type": "response.function_call_arguments.delta", "delta": said, **self._place()}

    def _open(self, item: Event) -> Iterator[Event]:
        self._items.append(item)
        place = self._place()
        at = place["output_index"]
        shown = {**item, "content": []} if item["type"] == "message" else {**item}
        yield {"type": "response.output_item.added", "output_index": at, "item": shown}
        if item["type"] == "message":
            part = _part("")
            yield {"type": "response.content_part.added", **place, "content_index": 0, "part": part}

    def _close(self) -> Iterator[Event]:
        """Iterate the end of the last item."""
        if not self._items:
            return
        item, place = self._items[-1], self._place()
        item["status"] = "completed" if self._status == "in_progress" else self._status
        if item["type"] == "message":
            part = item["content"][0]
            whole = {**place, "content_index": 0}
            said = {"text": part["text"], "logprobs": []}
            yield {"type": "response.output_text.done", **whole, **said}
            yield {"type": "response.content_part.done", **whole, "part": {**part}}
        else:
            said = {"name": item["name"], "arguments": item["arguments"]}
            yield {"type": "response.function_call_arguments.done", **place, **said}
        at = place["output_index"]
        yield {"type": "response.output_item.done", "output_index": at, "item": item}

    def _place(self) -> Event:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _response(self) -> Event:
        is_cut = self._status == "incomplete"
        is_over = self._status != "in_progress"
        return {
            **self._head,
            "status": self._status,
            "completed_at": int(time.time()) if self._status == "completed" else None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": [*self._items] if is_over else [],
            "usage": self._usage() if is_over else None,
        }

    def _usage(self) -> Event:
        used = self._job.usage
        return {
            "input_tokens": used.prompt,
            "input_tokens_details": {"cached_tokens": used.cached},
            "output_tokens": used.answer,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": used.prompt + used.answer,
        }


def _message() -> Event:
    return {
        "id": f"msg_{secrets.token_hex(16)}",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [_part("")],
    }


def _part(text: str) -> Event:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _function_call(call: Event) -> Event:
    return {
        "id": f"fc_{secrets.token_hex(16)}",
        "type": "function_call",
        "status": "in_progress",
        "arguments": "",
        "call_id": call["id"],
        "name": call["function"]["name"],
    }
