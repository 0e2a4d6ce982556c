"""Requests that nobody should send, to an OpenAI-compatible server on a socket; made from dice.

Each deed returns the status that was answered, or `None` where the sender left, or the server was right to
say nothing. None of them takes longer than the model needs for a few hundred tokens.
"""

from __future__ import annotations

import functools
import json
import random
import socket
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["DEEDS", "Sender"]

_WAIT = 60
"""Seconds for an answer, on a machine that is busy with others."""

_FIELDS: dict[str, tuple[str, ...]] = {
    "/v1/chat/completions": (
        "messages", "n", "stop", "seed", "temperature", "top_p", "top_k", "min_p", "tools", "tool_choice",
        "logprobs", "top_logprobs", "logit_bias", "response_format", "stream", "stream_options",
        "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "model",
        "repetition_penalty", "chat_template_kwargs", "metadata", "store", "invented", "ignore_eos",
    ),
    "/v1/completions": ("prompt", "n", "echo", "logprobs", "stop", "stream", "best_of", "suffix", "seed"),
    "/v1/embeddings": ("input", "encoding_format", "dimensions", "model", "user"),
    "/v1/responses": (
        "input", "tools", "tool_choice", "text", "stream", "instructions", "store", "temperature",
        "previous_response_id", "max_output_tokens",
    ),
}  # fmt: skip
_ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "the fox"}], "max_tokens": 3},
    "/v1/completions": {"prompt": "the fox", "max_tokens": 3},
    "/v1/embeddings": {"input": "the fox"},
    "/v1/responses": {"input": "the fox", "max_output_tokens": 3},
}
_DEEP = functools.reduce(lambda inner, _: [inner], range(300), list[Any]())
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 2**31, 2**63, 2**70, -(2**70), "", "x", "\u0000",
    "\ud800", "0", "1e9999", [], [[]], {}, {"a": 1}, [None], ["x", 1], ["", ""], "the " * 700, [5] * 600,
    [-1], [10**9], [[5], [6]], [1.5], {"type": "function"}, {"type": "json_schema"}, _DEEP,
    {"type": "json_schema", "json_schema": {"name": "s", "schema": {"$ref": "#"}}},
    {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "nonsense"}}},
    {"type": "json_schema", "json_schema": {"name": "s", "schema": {"pattern": "(a+)+$"}}},
    {"role": "user"}, [{"role": "user", "content": []}], [{"role": "alien", "content": "x"}],
    [{"role": "user", "content": "x"}] * 300, [{"role": "tool", "content": "x", "tool_call_id": "1"}],
    {str(at): 100 for at in range(2000)}, {"-1": 5}, {"x": 5}, {"70": 1e400}, ["the"] * 3000,
    [{"type": "function", "function": {"name": "f" * 500, "parameters": {"type": "object"}}}],
)  # fmt: skip


class Sender:
    """Throws dice, and sends.

    Args:
        address: Host and port.
        seed: Of the dice.
    """

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # no secret
        self._address = address

    def odd(self) -> tuple[str, dict[str, Any]]:
        """Return a path and a body in which one to three values are odd."""
        path = self.dice.choice(sorted(_FIELDS))
        body = self.plain(path)
        for name in self.dice.sample(_FIELDS[path], self.dice.randint(1, 3)):
            body[name] = self.dice.choice(_VALUES)
        return path, body

    def plain(self, path: str, **fields: Any) -> dict[str, Any]:
        """Return a body that is all right."""
        model = "tiny-bert" if path == "/v1/embeddings" else "tiny"
        return {"model": model, **_ASKED[path], **fields}

    def connect(self) -> socket.socket:
        """Return a connection that is not waited for for ever."""
        return socket.create_connection(self._address, timeout=_WAIT)

    def send(self, raw: bytes) -> int | None:
        """Send *raw* and return the status that comes; `None` if the connection is closed instead."""
        with self.connect() as connection:
            connection.sendall(raw)
            try:
                return _status(connection)
            except ConnectionError:
                return None

    def leave(self, raw: bytes, read: int = 0) -> None:
        """Send *raw*, read some bytes of the answer at most, and be gone."""
        with self.connect() as connection:
            connection.sendall(raw)
            if read:
                connection.recv(read)


def _status(connection: socket.socket) -> int | None:
    """Read an answer to its end: the server closes after it, as it was asked to."""
    answer = bytearray()
    while piece := connection.recv(65_536):
        answer += piece
    return int(answer.split(b" ", 2)[1]) if answer else None


def _post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json", "connection: close",
        f"content-length: {len(body) if length is None else length}", *headers,
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def odd_values(sender: Sender) -> int | None:
    path, body = sender.odd()
    return sender.send(_post(path, _json(body)))


def broken_json(sender: Sender) -> int | None:
    """A body that is cut, changed, doubled, or nested without an end."""
    path, body = sender.odd()
    raw = _json(body)
    at = sender.dice.randrange(len(raw))
    broken = sender.dice.choice(
        (
            raw[:at],
            raw[:at] + bytes([sender.dice.randrange(256)]) + raw[at + 1 :],
            raw + raw,
            b"[" * 50_000,
            b'{"model":' * 20_000,
            b'{"model": NaN}',
            b'{"model": "tiny", "model": 1}',
            b"\xff\xfe" + raw,
            b"9" * 20_000,
            b"",
        )
    )
    return sender.send(_post(path, broken))


def huge_prompt(sender: Sender) -> int | None:
    """A prompt that does not fit, of one to three hundred thousand characters or tokens."""
    length = sender.dice.randrange(100_000, 300_000)
    path = sender.dice.choice(("/v1/completions", "/v1/responses", "/v1/embeddings"))
    name = "prompt" if path == "/v1/completions" else "input"
    value: Any = "the quick " * (length // 10)
    if path != "/v1/responses" and sender.dice.random() < 0.5:
        value = [5] * (length // 3)
    return sender.send(_post(path, _json(sender.plain(path, **{name: value}))))


def half_a_head(sender: Sender) -> None:
    raw = _post("/v1/completions", b"{}")
    sender.leave(raw[: sender.dice.randrange(1, len(raw) - 6)])


def half_a_body(sender: Sender) -> None:
    raw = _json(sender.plain("/v1/completions"))
    half = raw[: sender.dice.randrange(len(raw))]
    sender.leave(
        _post("/v1/completions", half, length=len(raw) + sender.dice.choice((0, 1, 10**6)))
    )


def no_http(sender: Sender) -> int | None:
    raw = sender.dice.randbytes(sender.dice.randrange(1, 2000)) + b"\r\n\r\n"
    with sender.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        try:
            return _status(connection)
        except ConnectionError:
            return None


def odd_head(sender: Sender) -> int | None:
    """Another method, path, length, coding or header."""
    body = _json(sender.plain("/v1/completions"))
    first = "x-cachesaver-first-index"
    raw = sender.dice.choice(
        (
            _post("/v1/completions", body).replace(b"POST", b"GET", 1),
            _post("/v1/nothing/" + "a" * 2000, body),
            _post("/v1/models/%00/../..", b""),
            _post("/v1/completions", body + b"\r\n\r\n", "transfer-encoding: chunked"),
            _post("/v1/completions", body, "content-encoding: gzip"),
            _post("/v1/completions", body, "x: " + "y" * 200_000),
            _post("/v1/completions", body, f"{first}: -1"),
            _post("/v1/completions", body, f"{first}: {2**62}"),
            _post("/v1/completions", body, f"{first}: " + "9" * 5000),
            _post("/v1/completions", body, "authorization: Bearer \xff\xfe"),
            _post("/v1/completions", body, "origin: https://evil.test"),
            _post("/v1/completions", body).replace(b"127.0.0.1", b"evil.test", 1),
            _post("/v1/completions", b"{", "content-length: 1", "content-length: 2"),
        )
    )
    return sender.send(raw)


def leaving_a_stream(sender: Sender) -> None:
    body = sender.plain("/v1/completions", stream=True, n=4, max_tokens=400, ignore_eos=True)
    sender.leave(_post("/v1/completions", _json(body)), read=sender.dice.choice((1, 100, 3000)))


def leaving_an_answer(sender: Sender) -> None:
    body = sender.plain("/v1/chat/completions", n=4, max_tokens=400, ignore_eos=True)
    sender.leave(_post("/v1/chat/completions", _json(body)))


def all_right(sender: Sender) -> int | None:
    path = sender.dice.choice(sorted(_ASKED))
    status = sender.send(_post(path, _json(sender.plain(path))))
    assert status == 200, (path, status)
    return status


DEEDS: Sequence[tuple[Callable[[Sender], int | None], int]] = (
    (odd_values, 40),
    (broken_json, 16),
    (huge_prompt, 2),
    (half_a_head, 6),
    (half_a_body, 6),
    (no_http, 4),
    (odd_head, 10),
    (leaving_a_stream, 5),
    (leaving_an_answer, 5),
    (all_right, 6),
)
"""What is done, and how often of a hundred times."""
