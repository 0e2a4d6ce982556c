"""Messages, judged by the anthropic SDK and its own types in strict validation."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.anthropic_messages import CountTokensApi

ASK: Any = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Say something."}],
}
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
CALLING: Any = {"tools": [WEATHER], "tool_choice": {"type": "any"}}


class Answer(BaseModel):
    text: str
    score: int


def raw(client: Any, **more: Any) -> bytes:
    body: bytes = client.messages.with_raw_response.create(**ASK | more).http_response.read()
    return body


@pytest.mark.parametrize(
    "more", [{}, {"max_tokens": 3}, CALLING, {"stop_sequences": ["#"]}, {"system": "Be brief."}]
)
def test_whole_and_streamed_answers_satisfy_the_sdks_types_strictly(
    anthropic_client: Any, more: dict[str, Any]
) -> None:
    message = Message.model_validate_json(raw(anthropic_client, **more), strict=True)

    assert message.model_extra == {}
    for event in decode(raw(anthropic_client, **more, stream=True)):
        if event.name != "ping":  # no type of the SDK's: it skips them
            assert EVENT.validate_json(event.data, strict=True).type == event.name


@pytest.mark.parametrize("more", [{}, {"max_tokens": 3}, CALLING])
def test_a_stream_joins_to_the_whole_message(
    rehearsal: Rehearsal, anthropic_client: Any, more: dict[str, Any]
) -> None:
    whole = anthropic_client.messages.create(**ASK | more)
    rehearsal.reset()

    with anthropic_client.messages.stream(**ASK | more) as stream:
        joined = stream.get_final_message()

    assert joined.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "end_turn"),
        ({"max_tokens": 3}, "max_tokens"),
        (CALLING, "tool_use"),
        ({"stop_sequences": ["never", "#"]}, "stop_sequence"),
    ],
)
def test_why_it_stopped(anthropic_client: Any, more: dict[str, Any], reason: str) -> None:
    message = anthropic_client.messages.create(**ASK | more)

    assert message.stop_reason == reason
    assert message.stop_sequence == ("#" if reason == "stop_sequence" else None)


def test_a_named_tool_is_called_and_its_result_is_taken(anthropic_client: Any) -> None:
    choice = {"type": "tool", "name": "get_weather"}
    first = anthropic_client.messages.create(**ASK, tools=[WEATHER], tool_choice=choice)
    (use,) = first.content
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny, get_weather says"}
    history = [
        *ASK["messages"],
        {"role": "assistant", "content": [use.to_dict()]},
        {"role": "user", "content": [result]},
    ]

    second = anthropic_client.messages.create(**ASK | {"messages": history}, tools=[WEATHER])

    assert (use.name, set(use.input)) == ("get_weather", {"city"})
    assert second.content[0].type == "text"


def test_tools_can_be_forbidden(anthropic_client: Any) -> None:
    ask = ASK | {"messages": [{"role": "user", "content": "get_weather!"}]}

    free = anthropic_client.messages.create(**ask, tools=[WEATHER])
    forbidden = anthropic_client.messages.create(
        **ask, tools=[WEATHER], tool_choice={"type": "none"}
    )

    assert (free.stop_reason, forbidden.stop_reason) == ("tool_use", "end_turn")


def test_structured_output_parses_to_the_callers_own_type(anthropic_client: Any) -> None:
    message = anthropic_client.messages.parse(**ASK, output_format=Answer)

    assert isinstance(message.parsed_output, Answer)


def test_counting_tokens_says_what_a_message_would_be_charged(
    rehearsal: Rehearsal, anthropic_client: Any
) -> None:
    """Given text, a picture and a system prompt, then both endpoints agree, and counting is free."""
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    content = [{"type": "text", "text": "Look."}, picture]
    ask = ASK | {"system": "Be brief.", "messages": [{"role": "user", "content": content}]}
    counted = anthropic_client.messages.count_tokens(
        **{name: value for name, value in ask.items() if name != "max_tokens"}
    )

    message = anthropic_client.messages.create(**ask)

    assert counted.input_tokens == message.usage.input_tokens > 85
    assert rehearsal.calls().of("anthropic.count_tokens").prompt_tokens == 0


def test_a_count_is_not_streamed(rehearsal: Rehearsal, anthropic_client: Any) -> None:
    body = ASK | {"stream": True}

    counted = anthropic_client.post("/v1/messages/count_tokens", body=body, cast_to=object)

    assert set(counted) == {"input_tokens"}
    api = CountTokensApi()
    assert list(api.stream(api.read("", ASK), ())) == []


def test_asynchronously_too(rehearsal: Rehearsal) -> None:
    async def ask_all() -> list[Any]:
        url = rehearsal.anthropic_url
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k") as client:
            create: Any = client.messages.create
            return await asyncio.gather(*(create(**ASK) for _ in range(5)))

    assert len({message.content[0].text for message in asyncio.run(ask_all())}) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"messages": []},
        {"messages": [{"role": "system", "content": "x"}]},
        {"extra_body": {"temperature": 1.5}},
        {"max_tokens": 0},
    ],
)
def test_what_anthropic_would_refuse_is_refused(
    anthropic_client: Any, wrong: dict[str, Any]
) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        anthropic_client.messages.create(**ASK | wrong)

    assert caught.value.type == "invalid_request_error"


def test_max_tokens_must_be_given(rehearsal: Rehearsal, anthropic_client: Any) -> None:
    body = {name: value for name, value in ASK.items() if name != "max_tokens"}

    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Field required"):
        anthropic_client.post("/v1/messages", body=body, cast_to=object)


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (401, anthropic.AuthenticationError, "authentication_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors_are_those_of_the_sdk(
    anthropic_client: Any, status: int, kind: type[anthropic.APIStatusError], name: str
) -> None:
    with pytest.raises(kind) as caught:
        anthropic_client.messages.create(**ASK, extra_headers={"x-rehearsal-fault": str(status)})

    assert caught.value.type == name


def test_an_error_in_the_middle_of_a_stream_reaches_the_caller(anthropic_client: Any) -> None:
    fault = {"x-rehearsal-fault": "error-event;after=4"}

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(anthropic_client.messages.create(**ASK, stream=True, extra_headers=fault))
