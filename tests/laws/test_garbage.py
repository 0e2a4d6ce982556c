"""The garbage collector closes what was half read wherever it likes: nobody hangs, nothing is lost."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import cachesaver
from cachesaver.exchange import Reply, Request
from cachesaver.session import Session
from cachesaver.statistics import Statistics

SOURCE = str(Path(cachesaver.__file__).parent)
ASK: dict[str, Any] = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}


def request(**more: object) -> Request:
    return Request(
        method="POST",
        url="https://api.openai.com/v1/chat/completions",
        headers=(("content-type", "application/json"),),
        body=json.dumps(ASK | more).encode(),
    )


def said(index: int, text: str | None, reason: str | None) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def send(request: Request) -> Reply:
    """Answer like a provider, by a stream where one is asked for."""
    if json.loads(request.body)["stream"]:
        parts = [said(0, "Hel", None), said(0, "lo", None), said(0, None, "stop")]
        lines = [f"data: {json.dumps(part)}\n\n".encode() for part in parts]
        kind, chunks = "text/event-stream", (*lines, b"data: [DONE]\n\n")
    else:
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}
        kind, chunks = "application/json", (json.dumps(whole).encode(),)
    head = (("content-type", kind),)
    return Reply(status=200, headers=head, chunks=iter(chunks), close=lambda: None)


def read(reply: Reply) -> bytes:
    return b"".join(reply.chunks)


def at_line(number: int, act: Callable[[], None], work: Callable[[], object]) -> int:
    """Do *work* in a thread, and *act* between two of our lines, the *number*-th; count them all.

    Fails where *work* does not end, and where either of them fails.
    """
    lines, failures = 0, list[BaseException]()

    def noting(what: Callable[[], object]) -> None:
        try:
            what()
        except BaseException as failure:  # noqa: BLE001  # raised below
            failures.append(failure)

    def tracer(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if not frame.f_code.co_filename.startswith(SOURCE):
            return None
        if event == "line":
            lines += 1
            if lines == number:
                sys.settrace(None)
                noting(act)
                return None
        return tracer

    def traced() -> None:
        sys.settrace(tracer)
        noting(work)
        sys.settrace(None)

    thread = threading.Thread(target=traced, daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), f"it waits for itself at line {number}"
    if failures:
        raise failures[0]
    return lines


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does where this one held a lock."""
    deadline = time.monotonic() + 10
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.001)


@pytest.fixture(params=["memory", "files"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Session]:
    """Return what makes a session in a namespace of its own, all over one store; to be closed."""
    store = "memory://" if request.param == "memory" else str(tmp_path / "s")
    names = (f"ns{number}" for number in count())

    def make() -> Session:
        return Session.open(
            namespace=next(names), store=store, quiet=True, max_concurrency=4, strict=True
        )

    return make


def test_a_stream_may_be_closed_between_any_two_lines(made: Callable[[], Session]) -> None:
    def ask(session: Session, number: int) -> int:
        """Return how many lines it took, the stream being closed before the *number*-th."""
        left = session.answer(request(seed=number, stream=True), send)
        next(left.chunks)
        asked = request(seed=number, stream=False)
        return at_line(number, left.close, lambda: read(session.answer(asked, send)))

    def is_over(number: int) -> bool:
        with made() as session:
            if ask(session, number) < number:
                return True  # it was over before

            assert read(session.answer(request(seed=number, stream=True), send))
            until(lambda: session.stats().bypassed == 1)
            assert session.stats() == Statistics(requests=3, fetched=2, bypassed=1, calls=2)
            return False

    with made() as session:
        step = 1 if session.settings.store == "memory://" else 7
    lines = next(number for number in count(1, step) if is_over(number))

    assert lines > 200
