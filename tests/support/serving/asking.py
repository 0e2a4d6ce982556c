"""Prompts of a known length, and servers asked for samples of them over plain HTTP, many at once.

Nothing but the standard library: what asks must cost little, and run where no SDK is.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

__all__ = ["AROUND", "ask", "ask_all", "post", "text"]

AROUND = 3
"""Tokens that the chat template of `serving.shapes` puts around one message."""


def text(tokens: int, seed: int) -> str:
    """Return a message of exactly *tokens* tokens of any tokenizer of `serving.shapes`."""
    chosen = random.Random(seed).choices(string.ascii_lowercase, k=tokens)  # noqa: S311
    return "".join(f" {letter}" for letter in chosen)


def ask(url: str, model: str, content: str, **fields: object) -> list[str]:
    """Return what the choices of one chat completion say.

    Raises:
        RuntimeError: The status is not 200.
    """
    messages = [{"role": "user", "content": content}]
    status, told = post(
        f"{url}/v1/chat/completions", {"model": model, "messages": messages, **fields}
    )
    if status != 200:
        raise RuntimeError(f"status {status}: {told}"[:300])
    return [str(choice["message"]["content"]) for choice in told["choices"]]


def ask_all(
    url: str,
    model: str,
    contents: Sequence[str],
    *,
    n: int,
    knows_n: bool,
    fields: Mapping[str, object],
) -> int:
    """Return how many samples came, *n* for each of *contents*, all asked for at the same time.

    Args:
        url: Of the server.
        model: Its name.
        contents: Of messages.
        n: Samples of each.
        knows_n: Whether the server knows `n`; one that does not is asked so many times.
        fields: For every request.
    """
    asks = [
        (content, {"n": n} if knows_n else {})
        for content in contents
        for _ in range(1 if knows_n else n)
    ]
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        done = [pool.submit(ask, url, model, content, **fields, **more) for content, more in asks]
        return sum(len(each.result()) for each in done)


def post(url: str, body: object) -> tuple[int, Any]:
    """Return the status, and the JSON that came with it, or the text where it is none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=1800)
    try:
        connection.request(
            "POST", parts.path, json.dumps(body), {"content-type": "application/json"}
        )
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    try:
        return answer.status, json.loads(raw)
    except ValueError:
        return answer.status, raw.decode(errors="replace")
