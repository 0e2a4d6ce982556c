"""The openai SDK as it is: what it makes of recorded answers is what it made of the live ones."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel

import cachesaver

ASK: Any = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Say something."}]}
RESPOND: Any = {"model": "gpt-5-mini", "input": "Say something."}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


class Verdict(BaseModel):
    word: Literal["sure", "likely", "impossible"]
    reasons: list[str]


def made(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def amade(url: str) -> Any:
    return openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def about(topic: str) -> Any:
    return {"model": "gpt-5-mini", "messages": [{"role": "user", "content": topic}]}


def dumped(answer: Any) -> Any:
    """Everything the SDK knows of an answer, the request id from its headers included."""
    return [answer.model_dump(mode="json", warnings=False), getattr(answer, "_request_id", None)]


# --- programs: functions of the rehearsal's address


def whole(url: str) -> Any:
    return [dumped(made(url).chat.completions.create(**ASK)) for _ in range(2)]


async def awaited(url: str) -> Any:
    async with amade(url) as client:
        return dumped(await client.chat.completions.create(**about("awaited")))


def streamed(url: str) -> Any:
    stream = made(url).chat.completions.create(
        **about("streamed"), stream=True, stream_options={"include_usage": True}
    )
    return [dumped(chunk) for chunk in stream]


async def async_streamed(url: str) -> Any:
    async with amade(url) as client:
        stream = await client.chat.completions.create(**about("async streamed"), stream=True)
        return [dumped(chunk) async for chunk in stream]


def stream_helper(url: str) -> Any:
    with made(url).chat.completions.stream(**about("stream helper")) as stream:
        kinds = [event.type for event in stream]
        return [kinds, dumped(stream.get_final_completion())]


def several(url: str) -> Any:
    return dumped(made(url).chat.completions.create(**about("several"), n=3))


def several_streamed(url: str) -> Any:
    """Choice by choice: how the samples of a stream were interleaved is not kept."""
    stream = made(url).chat.completions.create(**about("several streamed"), n=2, stream=True)
    told: list[list[Any]] = [["", ""], [None, None]]
    for choice in (choice for chunk in stream for choice in chunk.choices):
        told[0][choice.index] += choice.delta.content or ""
        told[1][choice.index] = choice.finish_reason
    assert told[0][0] != told[0][1]
    return told


def more_than_before(url: str) -> Any:
    """One sample, then three in another namespace: of which one is known."""
    create, ask = made(url).chat.completions.create, about("more than before")
    one = dumped(create(**ask))
    with cachesaver.namespace("more"):
        return [one, dumped(create(**ask, n=3))]


def tools(url: str) -> Any:
    """A call, its result sent back, and the last word."""
    create = made(url).chat.completions.create
    messages = [*about("Call get_weather for Rome.")["messages"]]
    first = create(model="gpt-5-mini", messages=messages, tools=[WEATHER])
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    messages += [message.to_dict(), result]
    second = create(model="gpt-5-mini", messages=messages, tools=[WEATHER])
    return [dumped(first), dumped(second)]


def parsed(url: str) -> Any:
    answer = made(url).chat.completions.parse(**about("parsed"), response_format=Verdict)
    assert isinstance(answer.choices[0].message.parsed, Verdict)
    return dumped(answer)


def raw_response(url: str) -> Any:
    answer = made(url).chat.completions.with_raw_response.create(**about("raw response"))
    kept = {k: v for k, v in answer.headers.items() if k in {"content-type", "x-request-id"}}
    return [kept, answer.status_code, answer.text, dumped(answer.parse())]


def responses(url: str) -> Any:
    return dumped(made(url).responses.create(**RESPOND))


async def async_responses(url: str) -> Any:
    async with amade(url) as client:
        return dumped(await client.responses.create(**RESPOND | {"input": "async"}))


def responses_streamed(url: str) -> Any:
    stream = made(url).responses.create(**RESPOND | {"input": "streamed"}, stream=True)
    return [dumped(event) for event in stream]


def legacy(url: str) -> Any:
    return dumped(made(url).completions.create(model="davinci-002", prompt="Once", n=2))


def whole_then_streamed(url: str) -> Any:
    """The texts of one sample recorded whole, and asked for as a stream."""
    create, ask = made(url).chat.completions.create, about("whole, then streamed")
    text = create(**ask).choices[0].message.content
    with cachesaver.namespace("other"):
        stream = create(**ask, stream=True)
        return [text, "".join(chunk.choices[0].delta.content or "" for chunk in stream)]


def streamed_then_whole(url: str) -> Any:
    create, ask = made(url).chat.completions.create, about("streamed, then whole")
    stream = create(**ask, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    with cachesaver.namespace("other"):
        return [create(**ask).choices[0].message.content, text]


def responses_whole_then_streamed(url: str) -> Any:
    create, ask = made(url).responses.create, RESPOND | {"input": "whole, then streamed"}
    text = create(**ask).output_text
    with cachesaver.namespace("other"):
        events = list(create(**ask, stream=True))
    assert events[-1].response.output_text == text
    return [text, "".join(e.delta for e in events if e.type == "response.output_text.delta")]


def responses_streamed_then_whole(url: str) -> Any:
    create, ask = made(url).responses.create, RESPOND | {"input": "streamed, then whole"}
    text = "".join(
        e.delta for e in create(**ask, stream=True) if e.type == "response.output_text.delta"
    )
    with cachesaver.namespace("other"):
        return [create(**ask).output_text, text]


async def gathered(url: str) -> Any:
    async with amade(url) as client:
        create = client.chat.completions.create
        asked = [create(**about("gathered")) for _ in range(5)]
        asked += [create(**about(f"gathered {each}")) for each in range(5)]
        answers = await asyncio.gather(*asked)
    assert len({answer.choices[0].message.content for answer in answers}) == 10
    return [dumped(answer) for answer in answers]


PROGRAMS = {
    program.__name__: program
    for program in (
        whole,
        awaited,
        streamed,
        async_streamed,
        stream_helper,
        several,
        several_streamed,
        more_than_before,
        tools,
        parsed,
        raw_response,
        responses,
        async_responses,
        responses_streamed,
        legacy,
        whole_then_streamed,
        streamed_then_whole,
        responses_whole_then_streamed,
        responses_streamed_then_whole,
        gathered,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


def test_what_is_known_is_not_bought_twice(played: Any) -> None:
    """Given one sample, when three are asked for elsewhere, then one is reused and two bought."""
    one, three = played.bought["more_than_before"]["said"]

    texts = [choice["message"]["content"] for choice in three[0]["choices"]]
    assert texts[0] == one[0]["choices"][0]["message"]["content"]
    assert len(set(texts)) == 3
    assert played.bought["more_than_before"]["calls"] == 2
