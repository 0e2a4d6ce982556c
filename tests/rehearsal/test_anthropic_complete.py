"""Anthropic's text completions. The SDK has no types for them any more: judged by their reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

ASK: Any = {
    "model": "claude-2.1",
    "prompt": "\n\nHuman: Say something.\n\nAssistant:",
    "max_tokens_to_sample": 200,
}

Post = Callable[..., httpx2.Response]


@pytest.fixture
def post(rehearsal: Rehearsal, http: httpx2.Client) -> Post:
    url = f"{rehearsal.anthropic_url}/v1/complete"

    def post(**more: object) -> httpx2.Response:
        return http.post(url, json=ASK | more)

    return post


def test_a_completion_says_what_the_reference_says(post: Post) -> None:
    answer = post().json()

    assert set(answer) == {
        "type", "id", "completion", "stop_reason", "model", "stop", "log_id",
    }  # fmt: skip
    assert answer["completion"].startswith(" ")
    assert (answer["stop_reason"], answer["stop"]) == ("stop_sequence", "\n\nHuman:")


def test_a_stream_tells_the_same_completion_and_ends_with_the_reason(
    rehearsal: Rehearsal, post: Post
) -> None:
    whole = post().json()
    rehearsal.reset()

    events = [event for event in decode(post(stream=True).content) if event.name != "ping"]

    told = [json.loads(event.data) for event in events]
    assert "".join(each["completion"] for each in told) == whole["completion"]
    assert {event.name for event in events} == {"completion"}
    assert [each["stop_reason"] for each in told if each["stop_reason"]] == ["stop_sequence"]
    assert {**told[-1], "completion": whole["completion"]} == whole


def test_limits_and_stop_sequences_end_it(post: Post) -> None:
    said = post().json()["completion"].split()[1]

    cut, stopped = post(max_tokens_to_sample=3).json(), post(stop_sequences=[" "]).json()

    assert (cut["stop_reason"], cut["stop"]) == ("max_tokens", None)
    assert (stopped["stop_reason"], stopped["stop"]) == ("stop_sequence", " ")
    assert said


@pytest.mark.parametrize("name", ["model", "prompt", "max_tokens_to_sample"])
def test_what_is_required_is_required(post: Post, name: str) -> None:
    answer = post(**{name: None})

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
