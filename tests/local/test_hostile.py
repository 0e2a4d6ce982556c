"""Hundreds of hostile requests, or ten thousand (`make local`): afterwards all is as it was."""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
import http.client
import json
import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

import local_app
import tiny
from cachesaver.local.server import Server
from hostility import DEEDS, Sender
from serving import servers

AT_ONCE = 8
FDS = Path("/proc/self/fd")

ANSWERS = {200, 400, 403, 404, 405, 413, 429, 431}
"""What may be answered; no failure of the server's is among them."""


@pytest.fixture
def server() -> Iterator[Server]:
    with local_app.start() as running:
        yield running


def metric(server: Server, name: str) -> int:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    (line,) = (each for each in lines if each.startswith(f"cachesaver_local_{name}{{"))
    return int(line.rpartition(" ")[2])


def ask(server: Server) -> tuple[Any, ...]:
    """Return what depends on everything: four samples of a seed, and a vector."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as client:
        told = client.completions.create(model="tiny", prompt="the", seed=1, n=4, max_tokens=30)
        vector = client.embeddings.create(model="tiny-bert", input="the fox").data[0].embedding
    return [choice.text for choice in told.choices], vector


def descriptors() -> int:
    """Return how many files and sockets this process has open; Linux only, 0 elsewhere."""
    return len([*FDS.iterdir()]) if FDS.is_dir() else 0


def assault(server: Server, count: int) -> Counter[int | None]:
    """Let some senders do *count* deeds together; return what was answered how often."""
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    deeds, weights = zip(*DEEDS, strict=True)

    def one(seed: int) -> int | None:
        sender = Sender(address, seed)
        (deed,) = sender.dice.choices(deeds, weights)
        status: int | None = deed(sender)
        assert status is None or status in ANSWERS, (deed.__name__, seed, status)
        return status

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(one, range(count)))


def waits(server: Server, until: threading.Event) -> list[float]:
    """Ask for the server's health again and again; return how long each answer took."""
    found: list[float] = []
    with httpx.Client(timeout=60) as probe:
        while not until.is_set():
            began = time.perf_counter()
            assert probe.get(f"{server.url}/health").status_code == 200
            found.append(time.perf_counter() - began)
            time.sleep(0.01)
    return found


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(1800)
def test_all_is_as_it_was_after_hostile_requests(
    server: Server,
    count: int,
    caplog: pytest.LogCaptureFixture,
    record_property: Callable[[str, object], None],
) -> None:
    """Given bodies that are none, absurd values, prompts that do not fit, senders that leave in the middle,
    then nothing fails, health is told throughout, and the server answers as before."""
    wanted = ask(server)
    opened = descriptors()
    over = threading.Event()

    with (
        caplog.at_level(logging.ERROR),
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        probing = pool.submit(waits, server, over)
        try:
            answered = assault(server, count)
        finally:
            over.set()
        told = sorted(probing.result())

    record_property(
        "note", f"{count} hostile requests: {_said(answered)}; /health {_quantiles(told)}"
    )
    assert not [each.getMessage() for each in caplog.records]
    assert set(answered) >= {200, 400, 403, 404, 405, None}
    assert told[len(told) // 2] < 0.05
    until = time.monotonic() + 20
    while metric(server, "running") + metric(server, "waiting") and time.monotonic() < until:
        time.sleep(0.05)
    assert metric(server, "running") == metric(server, "waiting") == 0
    assert metric(server, "failed_total") == 0
    assert ask(server) == wanted
    assert descriptors() < opened + AT_ONCE + 4


FIELDS = {f"p{at}": {"type": "string", "title": "t"} for at in range(700)}
TOOLS = [
    {"name": f"f{at}", "parameters": {"type": "object", "properties": FIELDS}} for at in range(128)
]
LARGE: dict[str, tuple[str, dict[str, Any]]] = {
    "texts": ("/v1/completions", {"prompt": ["the quick fox " * 700] * 1000}),
    "prompts of ids": ("/v1/completions", {"prompt": [[12345] * 2300] * 1000}),
    "a long text": ("/v1/completions", {"prompt": "the quick fox " * 700_000}),
    "texts of ids": ("/v1/embeddings", {"input": [[123] * 2000] * 1600}),
    "biases": (
        "/v1/completions",
        {"prompt": "a", "logit_bias": dict.fromkeys(map(str, range(250_000)), 1)},
    ),
    "tools": (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": "the " * 700}],
            "tools": [{"type": "function", "function": each} for each in TOOLS],
        },
    ),
}
"""Bodies of megabytes in which nothing is wrong, but that this model is too small for them."""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Running]:
    """`cachesaver local serve`, which has a process of its own, as those have who use it."""
    folder = tmp_path_factory.mktemp("models")
    local_app.save(tiny.model("llama"), folder / "tiny")
    local_app.save(local_app.bert(), folder / "tiny-bert")
    with servers.run(
        "cachesaver local serve",
        sys.executable,
        folder / "tiny",
        log=folder / "log",
        options=("--model", str(folder / "tiny-bert")),
        settings={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as running:
        yield running


@pytest.fixture(params=["command", "server"])
def url(request: pytest.FixtureRequest) -> str:
    """That of the command, and of a server in this program, which the one who asks holds up too."""
    running: servers.Running | Server = request.getfixturevalue(request.param)
    return running.url


def gaps(url: str, until: threading.Event) -> list[float]:
    """Ask for a server's health again and again; return how long it was from an answer to the next."""
    answered: list[float] = []
    with httpx.Client(timeout=60) as probe:
        while not until.is_set():
            assert probe.get(f"{url}/health").status_code == 200
            answered.append(time.perf_counter())
            time.sleep(0.001)
    return [after - before for before, after in pairwise(answered)]


def send(url: str, path: str, content: bytes) -> tuple[int, Any]:
    """Post *content* in one go, which leaves the thread that asks for health alone."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, content, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


@pytest.mark.parametrize("kind", LARGE)
def test_health_is_told_while_a_large_body_is_read(
    url: str, kind: str, record_property: Callable[[str, object], None]
) -> None:
    path, body = LARGE[kind]
    name = "tiny-bert" if path == "/v1/embeddings" else "tiny"
    content = json.dumps({"model": name, **body}).encode()
    over = threading.Event()
    gc.collect()
    gc.freeze()  # as the command line has it, and as tests have it from their beginning

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        probing = pool.submit(gaps, url, over)
        try:
            status, answer = send(url, path, content)
        finally:
            over.set()
        told = sorted(probing.result())

    record_property("note", f"{kind}, {len(content) / 1e6:.1f} MB: /health {_quantiles(told)}")
    assert status == 400
    assert answer["error"]["code"] in {"context_length_exceeded", "invalid_value"}
    assert told[-1] < 0.2


def _said(answered: Counter[int | None]) -> str:
    return ", ".join(f"{status or 'none'} {many}" for status, many in answered.most_common())


def _quantiles(told: list[float]) -> str:
    half, most = told[len(told) // 2], told[len(told) * 99 // 100]
    return (
        f"median {half * 1e3:.1f} ms, 99 of 100 {most * 1e3:.1f} ms, most {told[-1] * 1e3:.1f} ms"
    )
