"""Plays orders of coming and leaving, each in a process forked from this one, and tells what was found.

Standard input says who the other is, where the provider is, and the steps of each order; standard
output gets a line for each, a document of every call that was made and of what is left of anybody.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import json
import os
import sys
import tempfile
import traceback
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cachesaver
from patchers.company import PATCHERS, Other

__all__ = ["CLIENTS", "KINDS", "STEPS", "Seen"]

STEPS = ("nobody moves", "theirs come", "theirs leave", "ours come", "ours leave")
KINDS = ("hit", "miss", "none of ours")
STORED = 8
"""Samples of each client's question that are stored beforehand: more than are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call.

    Attributes:
        step: The number of the step after which it was made.
        ours: Whether we were there.
        theirs: "before", "there" or "gone".
        client: One of `CLIENTS`.
        kind: One of `KINDS`: of a question that is stored, of one that is not, of neither.
        said: "stored", "live", "mocked", or what was raised.
        asked: How many requests we took in hand.
        spans: What they saw.
    """

    step: int
    ours: bool
    theirs: str
    client: str
    kind: str
    said: str
    asked: int
    spans: list[str]


# --- the calls

Post = Callable[[str, dict[str, Any]], Any]


def by_httpx(url: str, body: dict[str, Any]) -> Any:
    import httpx

    with httpx.Client(verify=False) as client:  # noqa: S501  # loopback; loading certificates takes long
        return client.post(url, json=body).raise_for_status().json()


def by_async_httpx(url: str, body: dict[str, Any]) -> Any:
    import httpx

    async def run() -> Any:
        async with httpx.AsyncClient(verify=False) as client:  # noqa: S501  # as above
            return (await client.post(url, json=body)).raise_for_status().json()

    return asyncio.run(run())


def by_httpx2(url: str, body: dict[str, Any]) -> Any:
    import httpx2

    with httpx2.Client(verify=False) as client:  # as above
        return client.post(url, json=body).raise_for_status().json()


def by_requests(url: str, body: dict[str, Any]) -> Any:
    import requests

    answer = requests.post(url, json=body, timeout=20)
    answer.raise_for_status()
    return answer.json()


def by_urllib3(url: str, body: dict[str, Any]) -> Any:
    import urllib3

    with urllib3.PoolManager() as pool:  # no connection from before somebody came
        return pool.request("POST", url, json=body, retries=False, timeout=10).json()


def by_aiohttp(url: str, body: dict[str, Any]) -> Any:
    import aiohttp

    async def run() -> Any:
        limit = aiohttp.ClientTimeout(total=10)
        async with (
            aiohttp.ClientSession(timeout=limit) as client,
            client.post(url, json=body) as answer,
        ):
            answer.raise_for_status()
            return await answer.json()

    return asyncio.run(run())


def by_urllib(url: str, body: dict[str, Any]) -> Any:
    sent = urllib.request.Request(  # noqa: S310  # loopback
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(sent, timeout=20) as answer:  # noqa: S310  # loopback
        return json.load(answer)


CLIENTS: Mapping[str, Post] = {
    "httpx": by_httpx,
    "httpx async": by_async_httpx,
    "httpx2": by_httpx2,
    "requests": by_requests,
    "urllib3": by_urllib3,
    "aiohttp": by_aiohttp,
    "urllib": by_urllib,
}


def asked(post: Post, url: str, content: str) -> str:
    """Return the id of the answer to *content*."""
    turns = [{"role": "user", "content": content}]
    answer = post(f"{url}/v1/chat/completions", {"model": "gpt-5-mini", "messages": turns})
    return str(answer["id"])


def asked_of_bedrock(url: str, content: str) -> str:
    """Return what boto3 makes of the answer to *content*."""
    answer = _boto(url).converse(
        modelId="amazon.nova-lite-v1:0",
        messages=[{"role": "user", "content": [{"text": content}]}],
    )
    return str(answer["output"]["message"]["content"][0]["text"])


def _boto(url: str) -> Any:
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",  # nobody's
        endpoint_url=url,
        config=config.Config(
            retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=10
        ),
    )


ASKS: Mapping[str, Callable[[str, str], str]] = {
    **{name: functools.partial(asked, post) for name, post in CLIENTS.items()},
    "boto3": asked_of_bedrock,
}


def install(store: Path) -> cachesaver.Session:
    """Come, in a namespace of our own."""
    return cachesaver.install(uuid.uuid4().hex, store=store, quiet=True, strict=True)


def bought(url: str, store: Path) -> dict[str, list[str]]:
    """Return, by client, the answers that are stored from now on."""
    with install(store):
        return {
            name: [ask(url, f"Hello, {name}") for _ in range(STORED)] for name, ask in ASKS.items()
        }


# --- the play


class Play:
    """Those who are there, and the calls that are made of every client after every step."""

    def __init__(
        self, other: Other, url: str, store: Path, known: Mapping[str, Sequence[str]]
    ) -> None:
        self.other, self.url, self.store, self.known = other, url, store, known
        self.session: cachesaver.Session | None = None
        self.theirs = "before"
        self.seen = list[Seen]()

    def take(self, step: str) -> None:
        match step:
            case "theirs come":
                self.other.come()
                self.theirs = "there"
            case "theirs leave":
                self.other.leave()
                self.theirs = "gone"
            case "ours come":
                self.session = install(self.store)
            case "ours leave":
                assert self.session is not None
                self.session.uninstall()
                self.session = None
            case _:
                assert step == "nobody moves"

    def ask(self, step: int) -> None:
        for name, ask in ASKS.items():
            for kind in KINDS:
                if name == "boto3" and kind == "none of ours":
                    continue
                self.seen.append(self._called(step, name, kind, ask))

    def _called(self, step: int, name: str, kind: str, ask: Callable[[str, str], str]) -> Seen:
        before = self._asked()
        with self.other.watch() as spans:
            try:
                said = self._said(name, kind, ask)
            except Exception as error:  # noqa: BLE001  # it is what is looked for
                said = f"{type(error).__name__}: {error}"[:200]
        return Seen(
            step=step,
            ours=self.session is not None,
            theirs=self.theirs,
            client=name,
            kind=kind,
            said=said,
            asked=self._asked() - before,
            spans=spans,
        )

    def _said(self, name: str, kind: str, ask: Callable[[str, str], str]) -> str:
        if kind == "none of ours":
            order = CLIENTS[name](f"{self.url}/orders", {"item": "tea"})["order"]
            return "live" if isinstance(order, int) else str(order)
        content = f"Hello, {name}" if kind == "hit" else uuid.uuid4().hex
        answer = ask(self.url, content)
        if answer == "mocked":
            return answer
        return "stored" if answer in self.known[name] else "live"

    def _asked(self) -> int:
        return self.session.stats().requests if self.session else 0


# --- what is left

_WATCHED = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp", "boto3")
_ALSO = ("http.client", "socket", "urllib.request", "botocore", "asyncio.base_events", "ssl")


def attributes() -> dict[str, object]:
    """Return every function and class that the clients' modules and classes have, by its name."""
    found = dict[str, object]()
    for name, module in sorted(sys.modules.items()):
        if any(name == each or name.startswith(f"{each}.") for each in (*_WATCHED, *_ALSO)):
            found.update(_of(name, module))
    return found


def _of(name: str, module: ModuleType) -> Iterator[tuple[str, object]]:
    for key, value in tuple(vars(module).items()):
        if callable(value):
            yield f"{name}.{key}", value
        if type(value) is type and value.__module__ == name:
            for inner, held in tuple(vars(value).items()):
                if callable(held) or isinstance(held, property | classmethod | staticmethod):
                    yield f"{name}.{key}.{inner}", held


def main() -> None:
    told = json.load(sys.stdin)
    for name in _WATCHED:
        importlib.import_module(name)
    url, store = told["url"], Path(told["store"])
    known = apart(lambda: bought(url, store))
    for steps in told["orders"]:
        # Each begins where nobody has come yet; to import it all again would take most of the time.
        play = Play(PATCHERS[told["other"]].make(url), url, store, known)
        found = apart(functools.partial(played, play, steps))
        sys.stdout.write(json.dumps(found) + "\n")


def apart(call: Callable[[], Any]) -> Any:
    """Return what *call* returns, in JSON, from a process forked from this one."""
    with tempfile.TemporaryFile() as answer:
        if (child := os.fork()) == 0:
            try:
                answer.write(json.dumps(call()).encode())
                answer.flush()
            except BaseException:  # noqa: BLE001  # told to who started this
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(1)
        answer.seek(0)
        return json.load(answer)


def played(play: Play, steps: Sequence[str]) -> dict[str, Any]:
    """Return what is found when *steps* are taken."""
    play.ask(0)
    play.seen.clear()  # what the first call of a client sets up is nobody's trace
    before = attributes()
    for number, step in enumerate(steps):
        play.take(step)
        play.ask(number)
    after = attributes()
    left = sorted(name for name in before if after.get(name) is not before[name])
    ours = [name for name in left if "cachesaver" in _authors(after.get(name))]
    return {"seen": [asdict(each) for each in play.seen], "left": left, "ours": ours}


def _authors(function: object) -> set[str]:
    """Return the top-level packages that wrote *function* and what it wraps."""
    authors = set[str]()
    while function is not None:
        names: Any = getattr(function, "__globals__", {})
        authors.add(str(names.get("__name__", "")).partition(".")[0])
        function = getattr(function, "__wrapped__", None)
    return authors


if __name__ == "__main__":
    main()
