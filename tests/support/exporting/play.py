"""Ask what is in an exported cassette through one client, under vcrpy: `play.py CASSETTE CLIENT`.

Runs in an environment that has vcrpy and the client, and nothing of ours. Prints what it was told, as JSON.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["CLIENTS", "ORIGIN", "SPEECH", "STREAM", "WHOLE", "play"]

ORIGIN = "https://api.openai.com/v1"
WHOLE: dict[str, Any] = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Greet Ada."}],
}
STREAM: dict[str, Any] = {
    **WHOLE,
    "messages": [{"role": "user", "content": "Count."}],
    "stream": True,
}
SPEECH: dict[str, Any] = {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello."}


def by_requests() -> list[str]:
    import requests

    return _raw(lambda path, body: requests.post(f"{ORIGIN}{path}", json=body, timeout=9).content)


def by_httpx() -> list[str]:
    import httpx

    return _raw(lambda path, body: httpx.post(f"{ORIGIN}{path}", json=body).content)


def by_openai() -> list[str]:
    from openai import OpenAI

    client: Any = OpenAI(api_key="none", base_url=ORIGIN, max_retries=0)
    whole = client.chat.completions.create(**WHOLE).choices[0].message.content
    chunks = client.chat.completions.create(**STREAM)
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    return [whole, streamed, _digest(client.audio.speech.create(**SPEECH).content)]


def _raw(post: Callable[[str, Any], bytes]) -> list[str]:
    whole = json.loads(post("/chat/completions", WHOLE))["choices"][0]["message"]["content"]
    lines = post("/chat/completions", STREAM).decode().splitlines()
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    streamed = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in told)
    return [whole, streamed, _digest(post("/audio/speech", SPEECH))]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


CLIENTS = {"requests": by_requests, "httpx": by_httpx, "openai": by_openai}


def play(cassette: str, client: str) -> list[str]:
    """Return what *client* is told; raises where something is not, or not all of it is asked for."""
    import vcr  # type: ignore[import-untyped]  # it has none

    recorder: Any = vcr
    matching = ("method", "scheme", "host", "port", "path", "query", "body")
    with recorder.VCR(record_mode="none", match_on=matching).use_cassette(cassette) as tape:
        told = CLIENTS[client]()
        if tape.play_count != 3:
            raise AssertionError(f"{tape.play_count} of 3 were played")
    return told


if __name__ == "__main__":
    print(json.dumps(play(*sys.argv[1:])))  # noqa: T201  # for who started it
