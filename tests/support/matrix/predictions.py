"""A provider of predictions, as Replicate's API has them: started, then polled until they are there.

The control endpoints are the rehearsal's, as far as `matrix.provider` uses them.
https://replicate.com/docs/reference/http#predictions.create
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["Predictions"]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # as the base calls it
        self._answer({})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"{}"))

    def _answer(self, body: Any) -> None:
        assert isinstance(self.server, Predictions)
        status, told = self.server.answered(self.command, self.path, body)
        content = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Predictions(ThreadingHTTPServer):
    """The provider, on 127.0.0.1, while it is entered."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self._reset()

    def _reset(self) -> None:
        self._calls = 0
        self._faults = list[str]()
        self._asked = dict[str, Any]()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: callers leave."""

    def answered(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Return the status and what is said."""
        if path.startswith("/rehearsal/"):
            return 200, self._controlled(path.removeprefix("/rehearsal/"), body)
        self._calls += 1
        if self._faults:
            fault = self._faults.pop(0).partition(";")[0]
            if fault == "hang":
                time.sleep(3)
            return int(fault) if fault.isdecimal() else 500, {"title": "A fault", "detail": fault}
        if method == "POST":
            number = f"p{len(self._asked)}"
            self._asked[number] = body["input"]
            return 201, self._prediction(number, "starting", None)
        number = path.rpartition("/")[2]
        asked = list(self._asked.values())
        nth = asked[: int(number[1:])].count(self._asked[number])
        return 200, self._prediction(number, "succeeded", f"{self._asked[number]}, {nth}")

    def _controlled(self, what: str, body: Any) -> Any:
        if what == "reset":
            self._reset()
        elif what == "faults":
            self._faults.append(body["fault"])
        return {"total": {"calls": self._calls}}

    def _prediction(self, number: str, status: str, output: str | None) -> Any:
        return {
            "id": number,
            "model": "o/m",
            "version": "v",
            "status": status,
            "input": self._asked[number],
            "output": output,
            "logs": "",
            "error": None,
            "urls": {"get": f"{self.url}/v1/predictions/{number}", "cancel": ""},
        }
