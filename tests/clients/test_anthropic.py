"""The anthropic SDK as it is: what it makes of recorded answers is what it made of the live ones."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

import cachesaver

WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


class Answer(BaseModel):
    text: str
    score: int


def made(url: str) -> Any:
    return anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)


def amade(url: str) -> Any:
    return anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0)


def about(topic: str) -> Any:
    messages = [{"role": "user", "content": topic}]
    return {"model": "claude-sonnet-5-5", "max_tokens": 200, "messages": messages}


def dumped(answer: Any) -> Any:
    """Everything the SDK knows of an answer, the request id from its headers included."""
    return [answer.model_dump(mode="json", warnings=False), getattr(answer, "_request_id", None)]


def text_of(events: Any) -> str:
    return "".join(e.delta.text for e in events if e.type == "content_block_delta")


# --- programs: functions of the rehearsal's address


def whole(url: str) -> Any:
    answers = [dumped(made(url).messages.create(**about("whole"))) for _ in range(2)]
    assert answers[0] != answers[1]
    return answers


async def awaited(url: str) -> Any:
    async with amade(url) as client:
        return dumped(await client.messages.create(**about("awaited")))


def streamed(url: str) -> Any:
    stream = made(url).messages.create(**about("streamed"), stream=True)
    return [dumped(event) for event in stream]


async def async_streamed(url: str) -> Any:
    async with amade(url) as client:
        stream = await client.messages.create(**about("async streamed"), stream=True)
        return [dumped(event) async for event in stream]


def stream_helper(url: str) -> Any:
    with made(url).messages.stream(**about("stream helper")) as stream:
        events = [dumped(event) for event in stream]
        return [events, dumped(stream.get_final_message())]


async def async_stream_helper(url: str) -> Any:
    async with amade(url) as client, client.messages.stream(**about("a helper")) as stream:
        texts = [text async for text in stream.text_stream]
        return [texts, dumped(await stream.get_final_message())]


def tools(url: str) -> Any:
    """A call, its result sent back, and the last word; the second time as a stream."""
    client, ask = made(url), about("Call get_weather for Rome.")
    first = client.messages.create(**ask, tools=[WEATHER])
    (use,) = (block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    ask["messages"] = [
        *ask["messages"],
        {"role": "assistant", "content": [block.to_dict() for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    with client.messages.stream(**ask, tools=[WEATHER]) as stream:
        return [dumped(first), dumped(stream.get_final_message())]


def parsed(url: str) -> Any:
    answer = made(url).messages.parse(**about("parsed"), output_format=Answer)
    assert isinstance(answer.parsed_output, Answer)
    return dumped(answer)


def whole_then_streamed(url: str) -> Any:
    create, ask = made(url).messages.create, about("whole, then streamed")
    text = create(**ask).content[0].text
    with cachesaver.namespace("other"):
        return [text, text_of(create(**ask, stream=True))]


def streamed_then_whole(url: str) -> Any:
    create, ask = made(url).messages.create, about("streamed, then whole")
    text = text_of(create(**ask, stream=True))
    with cachesaver.namespace("other"):
        return [create(**ask).content[0].text, text]


def tool_use_then_streamed(url: str) -> Any:
    """The arguments of one call, recorded whole and asked for as a stream."""
    ask = about("tool use") | {"tools": [WEATHER], "tool_choice": {"type": "any"}}
    client = made(url)
    (first,) = client.messages.create(**ask).content
    with cachesaver.namespace("other"), client.messages.stream(**ask) as stream:
        (second,) = stream.get_final_message().content
    return [[first.id, first.name, first.input], [second.id, second.name, second.input]]


def counted(url: str) -> Any:
    """Always the same, so asking twice is asking once; the second time with a mark for the cache."""
    ask = {k: v for k, v in about("counted").items() if k != "max_tokens"}
    count = made(url).messages.count_tokens
    marked = [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]
    plain = [{"type": "text", "text": "s"}]
    counts = [count(**ask, system=system).input_tokens for system in (plain, marked)]
    assert counts[0] > 0
    return counts


def completed(url: str) -> Any:
    """The API before messages: whole, and the same as a stream."""
    body = {
        "model": "claude-2.1",
        "prompt": "\n\nHuman: completed\n\nAssistant:",
        "max_tokens_to_sample": 50,
    }
    post, asks = made(url).post, {"body": body, "cast_to": object}
    whole = post("/v1/complete", **asks)
    with cachesaver.namespace("other"):
        stream = post(
            "/v1/complete",
            body={**body, "stream": True},
            cast_to=object,
            stream=True,
            stream_cls=anthropic.Stream[Any],
        )
        return [whole["completion"], "".join(event["completion"] for event in stream)]


PROGRAMS = {
    program.__name__: program
    for program in (
        whole,
        awaited,
        streamed,
        async_streamed,
        stream_helper,
        async_stream_helper,
        tools,
        parsed,
        whole_then_streamed,
        streamed_then_whole,
        tool_use_then_streamed,
        counted,
        completed,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", ["completed", *(n for n in PROGRAMS if "_then_" in n)])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


def test_a_count_is_asked_for_once(played: Any) -> None:
    assert played.bought["counted"]["calls"] == 1
