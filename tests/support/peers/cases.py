"""What a tool is put through: `python -m peers.cases TOOL FOLDER [CASE]`, in the tool's own environment.

A case returns nothing where the tool does as one expects, else what it does; `None`: it has no such
part. Where a case was recorded by others to fail is written in docs/reference/cassettes-compared.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from peers.provider import Provider
from peers.tools import TOOLS

__all__ = ["CASES", "main"]

SECRETS = MappingProxyType(
    {
        "authorization": "Bearer sk-proj-0123456789abcdefghijABCDEFGHIJ",
        "x-api-key": "sk-ant-api03-0123456789abcdefghijABCDEFGHIJ",
        "cookie": "session=3f786850e387550fdab836ed7e6dc881de23001b",
    }
)
KEY = "AIzaSyA0123456789abcdefghijklmnopqrstuv"


class Stage:
    """Where a case is played: the tool named *name*, files in *folder*, and a provider."""

    def __init__(self, name: str, folder: Path, provider: Provider) -> None:
        self.name, self.tool, self.folder, self.provider = name, TOOLS[name], folder, provider

    def block(self, mode: str, name: str = "a") -> Any:
        return self.tool.entered(self.folder / f"{name}{self.tool.ending}", mode)

    def ask(self, content: str, **more: Any) -> str:
        with httpx.Client(trust_env=False) as client:
            answer = client.post(self.provider.url, json=about(content), timeout=20, **more)
        return said(answer)

    def record(self, contents: Iterable[str]) -> None:
        with self.block("once"):
            for each in contents:
                self.ask(each)

    def missed(self, act: Callable[[], object]) -> BaseException | None:
        """Return what *act*, of which nothing is recorded, raises; None: nothing."""
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # some think that no program may swallow it
            return error
        return None


def about(content: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def said(answer: httpx.Response) -> str:
    return str(answer.raise_for_status().json()["choices"][0]["message"]["content"])


# --- cases


def order(stage: Stage) -> str | None:
    """Questions that are asked at once, in another order than they were recorded."""
    contents = [f"question {n}" for n in range(8)]
    stage.record(contents)

    async def every() -> list[str]:
        async with httpx.AsyncClient(trust_env=False) as client:
            asked = [client.post(stage.provider.url, json=about(c)) for c in contents[::-1]]
            return [said(answer) for answer in await asyncio.gather(*asked)]

    with stage.block("none"):
        answers = asyncio.run(every())
    swapped = sum(a != f"answer to {c}" for a, c in zip(answers, contents[::-1], strict=True))
    return f"{swapped} of 8 got another's answer" if swapped else ""


def altered(stage: Stage) -> str | None:
    """A prompt that was changed since it was recorded."""
    stage.record(["Greet Ada."])
    before = len(stage.provider.asked)
    with stage.block("none"):
        error = stage.missed(lambda: stage.ask("Insult Ada."))
    if len(stage.provider.asked) > before:
        return "went out live"
    return "" if error else "got the answer to the old one"


def told(stage: Stage) -> str | None:
    """What is said of a question that is not recorded: what differs?"""
    stage.record(["Greet Ada."])
    with stage.block("none"):
        error = stage.missed(lambda: stage.ask("Greet Bob."))
    if error is None:
        return "nothing was raised"
    return "" if "Ada" in str(error) and "Bob" in str(error) else "no word of what differs"


def first(stage: Stage) -> str | None:
    """The first word of a stream, while it is recorded."""
    with stage.block("once"), httpx.Client(trust_env=False) as client:
        began = time.perf_counter()
        streaming = {**about("stream"), "stream": True}
        with client.stream("POST", stage.provider.url, json=streaming) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            took = time.perf_counter() - began
            for _ in pieces:
                pass
    return "" if took < stage.provider.pause else f"after {took:.1f} s, with the last"


def killed(stage: Stage) -> str | None:
    """What was answered before a hard kill."""
    _apart("_record_and_die", stage)
    before = len(stage.provider.asked)
    with stage.block("none"):
        error = stage.missed(lambda: stage.ask("Greet Ada."))
    return "" if error is None and len(stage.provider.asked) == before else "nothing of it is left"


def shared(stage: Stage) -> str | None:
    """Two processes that record into one file at the same time, twelve questions each."""
    running = [_started(f"_record {n}", stage) for n in (0, 12)]
    for each in running:
        each.wait(120)
    before, kept = len(stage.provider.asked), 0

    def ask(number: int) -> None:
        answer = stage.ask(f"question {number}")
        if answer != f"answer to question {number}":
            raise LookupError(answer)

    for number in range(24):
        with stage.block("none"):
            kept += stage.missed(partial(ask, number)) is None
    kept -= len(stage.provider.asked) - before
    return "" if kept == 24 else f"{kept} of 24 are kept"


def secret(stage: Stage) -> str | None:
    """Keys in headers, in the address and in the body."""
    url = stage.provider.url
    body = {**about("Hi"), "api_key": KEY}
    with stage.block("once"), httpx.Client(trust_env=False) as client:
        client.post(f"{url}?key={KEY}", json=body, headers=dict(SECRETS))
    text = "".join(path.read_text() for path in stage.folder.rglob("*") if path.is_file())
    values = {name: value.split()[-1].split("=")[-1] for name, value in SECRETS.items()}
    found = [name for name, value in {**values, "key": KEY}.items() if value in text]
    return f"stored: {', '.join(found)}" if found else ""


def thread(stage: Stage) -> str | None:
    """A thread, started within a block that lets nothing out."""
    stage.record(["Greet Ada."])
    before = len(stage.provider.asked)
    with stage.block("none"):
        asking = threading.Thread(target=lambda: stage.missed(lambda: stage.ask("Greet Eve.")))
        asking.start()
        asking.join()
    return "" if len(stage.provider.asked) == before else "it went out live"


def busy(stage: Stage) -> str | None:
    """A 429 that was recorded, replayed through an SDK that waits as long as it was told."""
    openai: Any = import_module("openai")
    base = stage.provider.url.removesuffix("/chat/completions")

    def ask() -> None:
        with openai.OpenAI(base_url=base, api_key="k", max_retries=2) as client:
            client.chat.completions.create(**about("busy"))

    with stage.block("once"):
        if (error := stage.missed(ask)) is not None:
            return f"raised {type(error).__name__} while it was recorded"
    before, began = len(stage.provider.asked), time.perf_counter()
    with stage.block("none"):
        error = stage.missed(ask)
    took = time.perf_counter() - began
    if len(stage.provider.asked) > before:
        return "went out live"
    if error is not None:
        return f"raised {type(error).__name__}"
    return "" if took < 2 else f"slept {took:.0f} s"


def names(stage: Stage) -> str | None:
    """Two tests, `[a/b]` and `[a:b]`, and where each is recorded."""
    if not stage.tool.marker:
        return None
    (stage.folder / "test_names.py").write_text(
        _NAMES.format(marker=stage.tool.marker, url=stage.provider.url)
    )
    run = [sys.executable, "-m", "pytest", "-q", "-p", f"no:{stage.tool.without}"]
    run += ["-p", "no:cacheprovider", "--record-mode=once"]
    subprocess.run([*run, str(stage.folder)], capture_output=True, check=False, cwd=stage.folder)
    files = [path for path in (stage.folder / "cassettes").rglob("*") if path.is_file()]
    return "" if len(files) == 2 else f"{len(files)} file for both"


_NAMES = """
import httpx, pytest

@pytest.mark.{marker}
@pytest.mark.parametrize("name", ["a/b", "a:b"])
def test_it(name):
    body = {{"model": "m", "messages": [{{"role": "user", "content": name}}]}}
    httpx.post("{url}", json=body, timeout=20).raise_for_status()
"""

CASES: Mapping[str, Callable[[Stage], str | None]] = MappingProxyType(
    {
        "order": order,
        "altered": altered,
        "told": told,
        "first": first,
        "killed": killed,
        "shared": shared,
        "secret": secret,
        "thread": thread,
        "busy": busy,
        "names": names,
    }
)


# --- other processes


def _started(act: str, stage: Stage) -> subprocess.Popen[bytes]:
    port = str(stage.provider.server_address[1])
    command = [
        sys.executable,
        "-m",
        "peers.cases",
        stage.name,
        str(stage.folder),
        *act.split(),
        port,
    ]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def _apart(act: str, stage: Stage) -> None:
    _started(act, stage).wait(120)


def _acted(name: str, folder: Path, act: str, arguments: list[str]) -> None:
    tool = TOOLS[name]
    url = f"http://127.0.0.1:{arguments[-1]}/v1/chat/completions"
    numbers = range(int(arguments[0]), int(arguments[0]) + 12) if act == "_record" else ()
    contents = [f"question {n}" for n in numbers] or ["Greet Ada."]
    with tool.entered(folder / f"a{tool.ending}", "once"), httpx.Client(trust_env=False) as client:
        for each in contents:
            client.post(url, json=about(each)).raise_for_status()
            time.sleep(0.02)
        if act == "_record_and_die":
            os._exit(9)


def main(name: str, folder: Path, case: str) -> str | None:
    """Return what came of *case* for the tool *name*, with its files in *folder*."""
    with Provider() as provider:
        return CASES[case](Stage(name, folder, provider))


if __name__ == "__main__":
    _name, _folder, _case, *_rest = sys.argv[1:]
    if _case.startswith("_"):
        _acted(_name, Path(_folder), _case, _rest)
    else:
        sys.stdout.write(json.dumps(main(_name, Path(_folder), _case)) + "\n")
