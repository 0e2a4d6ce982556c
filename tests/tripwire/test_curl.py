"""libcurl's handles, by fakes: what they were told is asked about as they perform."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from cachesaver.errors import EscapeError
from cachesaver.tripwire.curl import names_in
from cachesaver.tripwire.natives import hook_native
from cachesaver.tripwire.wire import Wire

Watching = Callable[..., Wire]

NUMBERS = {
    "URL": 10002,
    "CUSTOMREQUEST": 10036,
    "POST": 47,
    "HTTPGET": 80,
    "NOBODY": 44,
    "POSTFIELDS": 10015,
    "READFUNCTION": 20012,
    "UPLOAD": 46,
}
MODEL = "http://127.0.0.1:8000"
ASKING = b'{"model": "m", "input": "x", "messages": []}'


class Curl:
    def __init__(self) -> None:
        self.performed = 0

    def setopt(self, option: int, value: object) -> None:
        pass

    def unsetopt(self, option: int) -> None:
        pass

    def reset(self) -> None:
        pass

    def perform(self) -> None:
        self.performed += 1


class Multi:
    def add_handle(self, curl: Any) -> None:
        curl.performed += 1


def fake(name: str) -> Any:
    made: Any = ModuleType(name)
    made.Curl = type("Curl", (Curl,), dict(vars(Curl)))
    multi = type("Multi", (Multi,), dict(vars(Multi)))
    if name == "pycurl":
        made.__dict__.update(NUMBERS, CurlMulti=multi)
    else:
        made.__dict__.update(CurlOpt=type("CurlOpt", (), NUMBERS), AsyncCurl=multi)
    return made


REFUSED: dict[str, list[tuple[str, object]]] = {
    "body last": [("URL", f"{MODEL}/v1/responses"), ("POSTFIELDS", ASKING)],
    "URL last": [("POSTFIELDS", ASKING.decode()), ("URL", f"{MODEL}/api/chat".encode())],
    "by name": [
        ("URL", f"{MODEL}/v1/messages"),
        ("CUSTOMREQUEST", b"POST"),
        ("POSTFIELDS", ASKING),
    ],
    "path": [("POST", 1), ("URL", f"{MODEL}/chat/completions")],
    "from a function": [("URL", f"{MODEL}/v1/embeddings"), ("POST", 1), ("READFUNCTION", len)],
    "id": [("URL", f"{MODEL}/v1/responses/resp_1")],
}
PASSED: dict[str, list[tuple[str, object]]] = {
    "a page": [("URL", f"{MODEL}/docs/v1/images/generations")],
    "a survey": [("URL", f"{MODEL}/responses"), ("POSTFIELDS", b'{"answers": [{"model": 1}]}')],
    "got": [("URL", f"{MODEL}/v1/responses"), ("POSTFIELDS", ASKING), ("HTTPGET", 1)],
    "put": [("URL", f"{MODEL}/responses"), ("UPLOAD", 1), ("READFUNCTION", len)],
    "head": [("URL", f"{MODEL}/responses"), ("NOBODY", 1)],
    "no more": [("URL", f"{MODEL}/chat/completions"), ("POST", 1), ("POST", 0)],
    "no URL": [("URL", "http://[::1")],
}


@pytest.mark.parametrize("library", ["curl_cffi", "pycurl"])
class TestHandles:
    def handle(self, module: Any, options: list[tuple[str, object]]) -> Any:
        curl = module.Curl()
        for option, value in options:
            curl.setopt(NUMBERS[option], value)
        return curl

    def starts(self, module: Any, curl: Any) -> list[Callable[[], None]]:
        multi = module.CurlMulti() if module.__name__ == "pycurl" else module.AsyncCurl()
        return [curl.perform, lambda: multi.add_handle(curl)]

    @pytest.mark.parametrize("name", REFUSED)
    def test_what_asks_a_model_is_not_performed(
        self, watching: Watching, library: str, name: str
    ) -> None:
        watching(hook_native, module := fake(library))
        curl = self.handle(module, REFUSED[name])

        for start in self.starts(module, curl):
            with pytest.raises(EscapeError, match=f"by {library}"):
                start()
        assert curl.performed == 0

    @pytest.mark.parametrize("name", PASSED)
    def test_others_are(self, watching: Watching, library: str, name: str) -> None:
        watching(hook_native, module := fake(library))
        curl = self.handle(module, PASSED[name])

        for start in self.starts(module, curl):
            start()
        assert curl.performed == 2

    def test_a_handle_that_was_reset_is_another(self, watching: Watching, library: str) -> None:
        watching(hook_native, module := fake(library))
        curl = self.handle(module, REFUSED["path"])

        curl.reset()
        curl.perform()

        assert curl.performed == 1


def test_a_method_that_was_unset_hides_nothing(watching: Watching) -> None:
    """Given tornado, which uses a handle again and unsets the method, then a `POST` is one."""
    watching(hook_native, module := fake("pycurl"))
    curl = module.Curl()
    curl.setopt(NUMBERS["CUSTOMREQUEST"], "PATCH")
    curl.unsetopt(NUMBERS["CUSTOMREQUEST"])
    curl.setopt(NUMBERS["POST"], 1)
    curl.setopt(NUMBERS["URL"], f"{MODEL}/chat/completions")

    with pytest.raises(EscapeError):
        curl.perform()


def test_names_are_those_of_bytes_or_a_text() -> None:
    assert names_in('{"a": 1}') == names_in(b'{"a": 1}') == frozenset({"a"})
    assert names_in(iter([b"x"])) is None
