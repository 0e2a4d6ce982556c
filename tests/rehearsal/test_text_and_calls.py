"""Answers that hold a text and two calls: streamed, they join to what is said as a whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal.anthropic_messages import MessagesApi
from cachesaver.rehearsal.gemini import StreamApi
from cachesaver.rehearsal.openai_chat import ChatApi
from cachesaver.rehearsal.openai_responses import ResponsesApi
from cachesaver.rehearsal.values import Api, Ask, Call, Finish, Take

MESSAGES = [{"role": "user", "content": "Hi"}]
CALLS = (Call(name="find", arguments={"x": "some words"}), Call(name="add", arguments={}))

ASKS: list[tuple[Api, dict[str, Any]]] = [
    (ChatApi(), {"model": "m", "messages": MESSAGES}),
    (ResponsesApi(), {"model": "m", "input": "Hi"}),
    (MessagesApi(), {"model": "m", "max_tokens": 9, "messages": MESSAGES}),
    (StreamApi(), {"contents": [{"parts": [{"text": "Hi"}]}]}),
]


def take(text: str, *calls: Call) -> Take:
    return Take(question="q", ordinal=0, text=text, finish=Finish.CALLS, calls=calls)


BOTH = take("one two three four five six seven eight nine ten", *CALLS)


def streamed(api: Api, ask: Ask, spoken: Take) -> list[dict[str, Any]]:
    body = b"".join(frame.body for frame in api.stream(ask, (spoken,)))
    return [json.loads(event.data) for event in decode(body) if event.data != "[DONE]"]


def read(api: Api, body: Mapping[str, Any]) -> Ask:
    return api.read("/v1/models/m:streamGenerateContent", body)


@pytest.mark.parametrize(("api", "body"), ASKS)
@pytest.mark.parametrize("spoken", [BOTH, take("", *CALLS), take("one two"), take("")])
def test_time_only_goes_forward_and_ends_with_the_last_token(
    api: Api, body: dict[str, Any], spoken: Take
) -> None:
    steps = [frame.step for frame in api.stream(read(api, body), (spoken,))]

    assert steps == sorted(steps)
    assert steps[-1] <= spoken.tokens
    assert steps[-1] >= len(spoken.pieces) + sum(map(len, spoken.call_pieces))


def test_chat() -> None:
    api, body = ASKS[0]
    told: Any = api.whole(read(api, body), (BOTH,))
    message = told["choices"][0]["message"]

    deltas = [event["choices"][0]["delta"] for event in streamed(api, read(api, body), BOTH)]

    calls: list[dict[str, Any]] = []
    for part in (part for delta in deltas for part in delta.get("tool_calls", [])):
        if "id" in part:
            calls.append({"id": part["id"], "type": part["type"], "function": part["function"]})
        else:
            calls[part["index"]]["function"]["arguments"] += part["function"]["arguments"]
    assert calls == message["tool_calls"]
    assert (
        "".join(delta.get("content") or "" for delta in deltas) == message["content"] == BOTH.text
    )


def test_responses() -> None:
    api, body = ASKS[1]
    whole: Any = api.whole(read(api, body), (BOTH,))

    events = streamed(api, read(api, body), BOTH)

    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == whole["output"] == events[-1]["response"]["output"]
    assert [item["type"] for item in done] == ["message", "function_call", "function_call"]
    arguments = ["", "", ""]
    for event in events:
        if event["type"] == "response.function_call_arguments.delta":
            arguments[event["output_index"]] += event["delta"]
    assert arguments[1:] == [item["arguments"] for item in done[1:]]


def test_messages() -> None:
    api, body = ASKS[2]
    told: Any = api.whole(read(api, body), (BOTH,))
    content = told["content"]

    events = streamed(api, read(api, body), BOTH)

    said = ["", "", ""]
    for event in events:
        if event["type"] == "content_block_delta":
            said[event["index"]] += event["delta"].get("text", "")
            said[event["index"]] += event["delta"].get("partial_json", "")
    assert said[0] == content[0]["text"] == BOTH.text
    assert [json.loads(each) for each in said[1:]] == [block["input"] for block in content[1:]]
    assert [event["type"] for event in events].count("ping") == 1


def test_gemini() -> None:
    api, body = ASKS[3]
    whole: Any = api.whole(read(api, body), (BOTH,))

    candidates = [event["candidates"][0] for event in streamed(api, read(api, body), BOTH)]

    parts = [part for candidate in candidates for part in candidate["content"]["parts"]]
    text = "".join(part.get("text", "") for part in parts)
    calls = [part for part in parts if "functionCall" in part]
    assert [{"text": text}, *calls] == whole["candidates"][0]["content"]["parts"]
    assert [candidate.get("finishReason") for candidate in candidates][-2:] == [None, "STOP"]
