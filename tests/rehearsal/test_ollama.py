"""Ollama's APIs, judged by the ollama SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import ollama
import pytest

from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.ollama import EmbedApi
from cachesaver.rehearsal.reading import listed

CHAT: Any = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
PROMPT: Any = {"model": "m", "prompt": "Hello"}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"x": {"type": "integer"}},
            "required": ["x"],
        },
    },
}


@pytest.fixture
def client(rehearsal: Rehearsal) -> Iterator[Any]:
    made: Any = ollama.Client(host=rehearsal.url)
    with made as client:
        yield client


def test_a_stream_adds_up_to_the_whole_answer(rehearsal: Rehearsal, client: Any) -> None:
    ask = {**CHAT, "think": True, "logprobs": True}
    whole = client.chat(**ask)
    rehearsal.reset()

    *lines, last = client.chat(**ask, stream=True)

    message = whole.message
    assert "".join(line.message.thinking or "" for line in lines) == message.thinking != ""
    assert "".join(line.message.content for line in lines) == message.content != ""
    assert [each for line in lines for each in listed(line.logprobs)] == whole.logprobs
    assert last.message.content == ""
    for name in ("created_at", "done", "done_reason", "total_duration", "eval_count"):
        assert last[name] == whole[name] is not None


def test_a_prompt_is_continued_and_its_context_told(rehearsal: Rehearsal, client: Any) -> None:
    whole = client.generate(**PROMPT)
    rehearsal.reset()

    lines = list(client.generate(**PROMPT, stream=True))

    assert "".join(line.response for line in lines) == whole.response != ""
    assert lines[-1].context == whole.context is not None
    assert client.generate(**PROMPT, raw=True).context is None
    assert client.generate(**PROMPT, think=True).thinking


def test_a_tool_is_called_and_streamed_as_one_line(rehearsal: Rehearsal, client: Any) -> None:
    ask = {**CHAT, "messages": [{"role": "user", "content": "Please add."}], "tools": [TOOL]}
    (call,) = client.chat(**ask).message.tool_calls
    rehearsal.reset()

    lines = list(client.chat(**ask, stream=True))

    assert isinstance(call.function.arguments["x"], int)
    assert [each for line in lines for each in listed(line.message.tool_calls)] == [call]


def test_what_is_said_follows_a_schema(client: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}

    said = client.chat(**CHAT, format=schema).message.content

    assert isinstance(json.loads(said)["a"], bool)


def test_options_limit_and_stop_it(client: Any) -> None:
    short = client.chat(**CHAT, options={"num_predict": 3})
    endless = client.chat(**CHAT, options={"num_predict": -1, "stop": "] "})

    assert (short.eval_count, short.done_reason) == (3, "length")
    assert endless.done_reason == "stop"
    assert "]" not in endless.message.content


def test_a_stream_is_what_is_asked_for_by_saying_nothing(rehearsal: Rehearsal) -> None:
    answer = httpx2.post(f"{rehearsal.url}/api/chat", json=CHAT)

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert json.loads(answer.text.splitlines()[-1])["done"] is True


def test_without_a_prompt_a_model_is_loaded(client: Any) -> None:
    assert client.generate("m").done_reason == "load"
    assert client.chat("m", messages=[]).message.content == ""


def test_the_same_text_has_the_same_vector(client: Any) -> None:
    both = client.embed("m", ["one", "two"])

    assert both.embeddings[1] == client.embed("m", "two").embeddings[0]
    assert both.embeddings[0] != both.embeddings[1]
    assert len(client.embed("m", "two", dimensions=4).embeddings[0]) == 4
    assert both.embeddings[0] == client.embeddings("m", "one").embedding
    assert client.embed("m", "").embeddings == []


def test_errors_are_told_as_ollama_does(client: Any, rehearsal: Rehearsal) -> None:
    with pytest.raises(ollama.ResponseError, match="invalid input type"):
        client._request_raw("POST", "/api/embed", json={"model": "m", "input": [1]})

    with pytest.raises(ollama.ResponseError, match="model") as caught:
        client._request_raw("POST", "/api/chat", json={"messages": []})
    assert caught.value.status_code == 400

    headers = {"x-rehearsal-fault": "error-event;after=1"}
    made: Any = ollama.Client(host=rehearsal.url, headers=headers)
    with made as broken, pytest.raises(ollama.ResponseError, match="overloaded"):
        list(broken.chat(**CHAT, stream=True))


def test_embeddings_are_not_streamed() -> None:
    api = EmbedApi()
    assert list(api.stream(api.read("/api/embed", {"model": "m", "input": "x"}), ())) == []
