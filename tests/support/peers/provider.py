"""A provider small enough to run beside any tool: it answers what it was asked, and counts."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["Provider"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:  # as the base calls it
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = str(asked["messages"][-1]["content"])
        self.server.asked.append(content)
        if content == "busy" and self.server.asked.count(content) == 1:
            self._sent(429, {"error": {"message": "slow down"}}, ("retry-after", "4"))
        elif asked.get("stream"):
            self._streamed()
        else:
            message = {"role": "assistant", "content": f"answer to {content}"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            told = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
            self._sent(200, {**told, "choices": [choice]}, ("server", "small"))

    def _sent(self, status: int, told: Any, header: tuple[str, str]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def _streamed(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for word in ("a", "b"):
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            told = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            self.wfile.write(
                b"data: " + json.dumps({**told, "choices": [choice]}).encode() + b"\n\n"
            )
            self.wfile.flush()
            time.sleep(self.server.pause)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base calls it
        """Say nothing."""


class Provider(ThreadingHTTPServer):
    """It, on 127.0.0.1, while it is entered.

    Attributes:
        asked: The content of every question, in their order.
        pause: Seconds after each word of a stream.
        url: Where it is asked.
    """

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked = list[str]()
        self.pause = 0.5
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1/chat/completions"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
