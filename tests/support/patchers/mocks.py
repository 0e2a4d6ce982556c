"""Mocks, each made to answer what is asked of a model and to let other calls through."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Enter",
    "Mock",
    "aioresponses_enters",
    "pook_enters",
    "responses_enters",
    "respx_enters",
]

ANSWER: Any = {
    "id": "mocked",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-5-mini",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "m"}}
    ],
}
ASKED = "/v1/chat/completions"
PLAIN = "/orders"

Enter = Callable[[str, ExitStack], None]
"""Puts a mock of the provider at an address there, until the stack is closed."""


@dataclass(slots=True)
class Mock:
    """A mock that answers what is asked of a model, and lets other calls through.

    Attributes:
        enter: Puts it there, until the stack is closed.
    """

    url: str
    enter: Enter
    _stack: ExitStack = field(default_factory=ExitStack)

    def come(self) -> None:
        self.enter(self.url, self._stack)

    def leave(self) -> None:
        self._stack.close()

    @contextmanager
    def watch(self) -> Generator[list[str]]:
        yield []


def respx_enters(url: str, stack: ExitStack) -> None:
    import respx

    router: Any = stack.enter_context(respx.mock(assert_all_called=False))
    router.post(url + ASKED).respond(json=ANSWER)
    router.route().pass_through()


def responses_enters(url: str, stack: ExitStack) -> None:
    import responses

    mocked: Any = stack.enter_context(responses.RequestsMock(assert_all_requests_are_fired=False))
    mocked.post(url + ASKED, json=ANSWER)
    mocked.add_passthru(url + PLAIN)
    mocked.add_passthru(url + "/model")


def aioresponses_enters(url: str, stack: ExitStack) -> None:
    import aioresponses

    mocked: Any = stack.enter_context(aioresponses.aioresponses(passthrough=[url + PLAIN]))
    mocked.add(url + ASKED, "POST", exception=ZeroDivisionError("mocked"), repeat=True)


def pook_enters(url: str, stack: ExitStack) -> None:
    pook: Any = importlib.import_module("pook")
    stack.enter_context(pook.use(network=True))
    pook.post(url + ASKED).persist().reply(200).json(ANSWER)
    # What it lets through is its own all the same: we step aside for who has the network.
    pook.post(re.compile(re.escape(f"{url}/model/") + ".*")).persist().reply(200).json(ANSWER)
