"""Mocks, each made to answer what is asked of a model and to let other calls through."""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Enter",
    "Mock",
    "aioresponses_enters",
    "httpretty_enters",
    "mocket_enters",
    "pook_enters",
    "responses_enters",
    "respx_enters",
    "vcr_enters",
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


def httpretty_enters(url: str, stack: ExitStack) -> None:
    httpretty: Any = importlib.import_module("httpretty")
    httpretty.enable(allow_net_connect=True)
    stack.callback(httpretty.reset)
    stack.callback(httpretty.disable)
    httpretty.register_uri("POST", url + ASKED, body=json.dumps(ANSWER))


def mocket_enters(url: str, stack: ExitStack) -> None:
    mocket: Any = importlib.import_module("mocket")
    entries: Any = importlib.import_module("mocket.mocks.mockhttp")
    stack.enter_context(mocket.Mocketizer(strict_mode=False))
    entries.Entry.single_register("POST", url + ASKED, body=json.dumps(ANSWER))


def vcr_enters(url: str, stack: ExitStack) -> None:
    vcr: Any = importlib.import_module("vcr")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    said: dict[str, Any] = {
        "request": {"method": "POST", "uri": url + ASKED, "body": "", "headers": {}},
        "response": {
            "status": {"code": 200, "message": "OK"},
            "headers": {"content-type": ["application/json"]},
            "body": {"string": json.dumps(ANSWER)},
        },
    }
    tape = folder / "tape.json"
    tape.write_text(json.dumps({"version": 1, "interactions": [said]}))

    def shown(request: Any) -> Any:
        return request if request.path.endswith(ASKED) else None

    player = vcr.VCR(
        serializer="json",
        record_mode="none",
        match_on=["method", "path"],
        allow_playback_repeats=True,
        before_record_request=shown,
    )
    stack.enter_context(player.use_cassette(str(tape)))
