"""OpenRouter's chat completions, judged by its SDK."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from openrouter import OpenRouter, errors

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.openrouter import OpenRouterApi
from cachesaver.rehearsal.values import RejectedError

ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def raw(rehearsal: Rehearsal, **more: Any) -> bytes:
    request = urllib.request.Request(  # noqa: S310  # loopback
        f"{rehearsal.url}/openrouter/api/v1/chat/completions",
        data=json.dumps({**ASK, **more}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310  # loopback
        body: bytes = answer.read()
    return body


def test_a_stream_opens_with_a_comment_and_ends_with_its_usage(rehearsal: Rehearsal) -> None:
    *_, last, done = raw(rehearsal, stream=True).split(b"\n\n")[:-1]

    assert raw(rehearsal, stream=True).startswith(b": OPENROUTER PROCESSING\n\n")
    assert done == b"data: [DONE]"
    assert json.loads(last.removeprefix(b"data: "))["usage"]["prompt_tokens"] > 0


def test_one_choice_comes_whatever_is_asked_for(rehearsal: Rehearsal) -> None:
    assert len(json.loads(raw(rehearsal, n=3))["choices"]) == 1


def test_a_refusal_is_what_its_sdk_takes_for_one(rehearsal: Rehearsal) -> None:
    with (
        OpenRouter(server_url=f"{rehearsal.url}/openrouter/api/v1", api_key="k") as client,
        pytest.raises(errors.BadRequestResponseError, match="temperature"),
    ):
        client.chat.send(**ASK, temperature=99)


def test_an_error_in_a_stream_ends_its_choice() -> None:
    frame = OpenRouterApi().error_frame(RejectedError(502, "Provider returned error"), 3)

    told = json.loads(frame.removeprefix(b"data: "))
    assert told["error"] == {"message": "Provider returned error", "code": 502}
    assert told["choices"][0]["finish_reason"] == "error"
