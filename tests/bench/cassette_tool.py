"""One tool that records and replays, measured in a process of its own: `cassette_tool.py TOOL FOLDER`.

Runs in the environment of the tool, so it imports nothing but httpx, the tool and `peers` (PYTHONPATH:
tests/support); prints JSON, seconds of processor time but for `first`, which is on the clock.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from peers.tools import TOOLS

QUESTIONS = 2_000
TEXT = "Because. " * 220
"""About 2 kB, asked and answered."""

ASKED = 20
"""How many are replayed: each costs vcrpy a third of a second."""


class Provider(BaseHTTPRequestHandler):
    """Answers with 2 kB; to `stream`, with a word at once and the next a tenth of a second later."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65_536  # head and body in one packet: two wait 40 ms for each other

    def do_POST(self) -> None:  # as the base calls it
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        if asked.get("stream"):
            self._streamed()
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}}
        told = {"id": "c", "object": "chat.completion", "choices": [choice]}
        body = json.dumps(told).encode()
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _streamed(self) -> None:
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for word in ("a", "b"):
            choice = {"index": 0, "delta": {"content": word}}
            told = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(told).encode() + b"\n\n")
            self.wfile.flush()
            time.sleep(0.1)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base calls it
        """Say nothing."""


def main(name: str, folder: Path) -> dict[str, float]:
    """Return `first`, and but for nobody `record`, `load`, `request` and `miss`."""
    ending, entered = TOOLS[name].ending, TOOLS[name].entered
    with _provider() as url, httpx.Client(trust_env=False) as client:
        firsts = [_first(client, url, entered(folder / f"{n}{ending}", "all")) for n in range(6)]
        found = {"first": statistics.median(firsts[1:])}
        if name == "nobody":
            return found
        path = folder / f"many{ending}"
        if not path.exists():
            with entered(path, "all"):
                found["record"] = _timed(lambda: _ask_all(client, url))
        return found | _replayed(client, url, lambda: entered(path, "none"))


def _replayed(client: httpx.Client, url: str, entered: Callable[[], Any]) -> dict[str, float]:
    chosen = random.Random(0).sample(range(QUESTIONS), ASKED)  # noqa: S311
    with contextlib.ExitStack() as stack:
        load = _timed(lambda: stack.enter_context(entered()))
        requests = [_timed(lambda: _ask(client, url, each)) for each in chosen]  # noqa: B023  # at once
        miss = _timed(lambda: _missed(client, url))
        return {"load": load, "request": statistics.median(requests), "miss": miss}


def _missed(client: httpx.Client, url: str) -> None:
    with contextlib.suppress(BaseException):  # so that no program swallows it, as some think
        _ask(client, url, QUESTIONS + 1)


def _ask_all(client: httpx.Client, url: str) -> None:
    for number in range(QUESTIONS):
        _ask(client, url, number)


def _ask(client: httpx.Client, url: str, number: int) -> None:
    client.post(url, json=_about(f"{number}: {TEXT}")).raise_for_status()


def _about(content: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def _first(client: httpx.Client, url: str, entered: Any) -> float:
    with entered:
        began = time.perf_counter()
        with client.stream("POST", url, json={**_about("a stream"), "stream": True}) as answer:
            pieces = answer.iter_bytes()
            next(pieces)
            took = time.perf_counter() - began
            for _ in pieces:
                pass
    return took


def _timed(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


@contextlib.contextmanager
def _provider() -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 18_127), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
    server.shutdown()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))) + "\n")
