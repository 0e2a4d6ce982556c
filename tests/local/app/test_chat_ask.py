from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.local.app.bodies import read
from cachesaver.local.app.chat_ask import Assistant, ChatAsk
from cachesaver.local.app.refusals import Refusal

pytestmark = pytest.mark.usefixtures("either_way")

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def ask(**fields: Any) -> ChatAsk:
    return read(ChatAsk, json.dumps({"model": "m", "messages": [USER], **fields}).encode())


def refused(**fields: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        ask(**fields)
    assert raised.value.status == 400
    return raised.value


def test_everything_supported_is_taken() -> None:
    taken = ask(
        frequency_penalty=2,
        logit_bias={"5": -100, "7": 1.5},
        logprobs=True,
        max_completion_tokens=5,
        metadata={"a": "b"},
        modalities=["text"],
        n=128,
        parallel_tool_calls=True,
        presence_penalty=-2,
        response_format={"type": "text"},
        seed=-(2**63),
        service_tier="auto",
        stop=["a", "b", "c", "d"],
        store=False,
        stream=True,
        stream_options={"include_usage": True},
        temperature=0,
        tool_choice={"type": "function", "function": {"name": "f"}},
        tools=[TOOL],
        top_logprobs=20,
        top_p=0,
        user="u",
    )

    assert (taken.limit, taken.stops) == (5, ("a", "b", "c", "d"))


def test_parts_of_text_are_one_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]

    (message,) = ask(messages=[{"role": "user", "content": parts}]).messages

    assert message.text == "ab"


def test_an_assistant_may_say_calls_alone() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}

    (message,) = ask(messages=[{"role": "assistant", "tool_calls": [call]}]).messages

    assert isinstance(message, Assistant)
    assert message.text == ""


def test_a_refusal_of_before_is_its_text() -> None:
    (message,) = ask(messages=[{"role": "assistant", "refusal": "no"}]).messages

    assert message.text == "no"


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("messages", {"messages": []}),
        ("messages[0]", {"messages": [{"role": "alien", "content": "x"}]}),
        ("messages[0]", {"messages": [{"content": "x"}]}),
        ("messages[0].content", {"messages": [{"role": "user"}]}),
        ("messages[0]", {"messages": [{"role": "assistant"}]}),
        ("messages[0].tool_call_id", {"messages": [{"role": "tool", "content": "x"}]}),
        ("n", {"n": 0}),
        ("n", {"n": 129}),
        ("seed", {"seed": 2**63}),
        ("seed", {"seed": 1.5}),
        ("max_tokens", {"max_tokens": 0}),
        ("logit_bias", {"logit_bias": {"a": 1}}),
        ("logit_bias", {"logit_bias": {"1": 101}}),
        ("logit_bias", {"logit_bias": {"9" * 10: 1}}),
        ("stop", {"stop": ""}),
        ("presence_penalty", {"presence_penalty": 2.1}),
        ("frequency_penalty", {"frequency_penalty": -2.1}),
        ("top_logprobs", {"logprobs": True, "top_logprobs": 21}),
        ("store", {"store": True}),
        ("service_tier", {"service_tier": "priority"}),
        ("modalities[0]", {"modalities": ["audio"]}),
        ("tools[0].type", {"tools": [{"type": "custom", "function": {"name": "f"}}]}),
        ("tools[0].function.name", {"tools": [{"type": "function", "function": {"name": "a b"}}]}),
        ("chat_template_kwargs", {"chat_template_kwargs": {"tokenize": True}}),
        (
            "stream_options.include_obfuscation",
            {"stream": True, "stream_options": {"include_obfuscation": True}},
        ),
    ],
)
def test_what_is_out_of_bounds_is_refused(param: str, fields: dict[str, Any]) -> None:
    assert refused(**fields).param == param


def test_five_stops_are_too_many() -> None:
    assert "stop" in str(refused(stop=["a"] * 5).param)


@pytest.mark.parametrize(
    "part", [{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text"}]
)
def test_parts_of_another_kind_are_refused(part: dict[str, Any]) -> None:
    refusal = refused(messages=[{"role": "user", "content": [part]}])

    assert refusal.param == "messages[0].content[0]"
    assert "a local model reads text" in str(refusal)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("logprobs is true", {"top_logprobs": 2}),
        ("cannot both be set", {"max_tokens": 5, "max_completion_tokens": 6}),
        ("same name", {"tools": [TOOL, TOOL]}),
        ("tools are given", {"tool_choice": "auto"}),
        (
            "which is no tool",
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
        ),
        ("stream is true", {"stream_options": {}}),
    ],
)
def test_what_does_not_fit_together_is_refused(words: str, fields: dict[str, Any]) -> None:
    assert words in str(refused(**fields))


def test_the_older_name_of_the_limit() -> None:
    assert ask(max_tokens=5).limit == 5
    assert ask(max_tokens=5, max_completion_tokens=5).limit == 5
