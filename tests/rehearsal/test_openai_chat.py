"""Chat completions, judged by the openai SDK and its own types in strict validation."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

ASK: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say something."}]}

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
        },
    },
}


class Verdict(BaseModel):
    word: Literal["sure", "likely", "impossible"]
    reasons: list[str]
    confidence: float | None


def raw(client: Any, **more: Any) -> bytes:
    body: bytes = client.chat.completions.with_raw_response.create(
        **ASK | more
    ).http_response.read()
    return body


def text_of(answer: Any, index: int = 0) -> str:
    text: str = answer.choices[index].message.content
    return text


def streamed(client: Any, **more: Any) -> list[Any]:
    return list(client.chat.completions.create(**ASK | more, stream=True))


def test_a_whole_answer_satisfies_the_sdks_types_strictly(openai_client: Any) -> None:
    body = raw(openai_client, n=3)

    answer = ChatCompletion.model_validate_json(body, strict=True)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.model_extra == {}
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_prompt_is_charged_once_and_every_sample_for_itself(openai_client: Any) -> None:
    one = openai_client.chat.completions.create(**ASK)
    three = openai_client.chat.completions.create(**ASK, n=3, logprobs=True)

    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    said = sum(len(choice.logprobs.content) for choice in three.choices)
    assert three.usage.completion_tokens == said


def test_every_chunk_of_a_stream_satisfies_the_sdks_types_strictly(openai_client: Any) -> None:
    events = list(decode(raw(openai_client, n=2, stream=True)))

    assert events[-1].data == "[DONE]"
    for event in events[:-1]:
        chunk = ChatCompletionChunk.model_validate_json(event.data, strict=True)
        assert (chunk.usage, chunk.model_extra) == (None, {})
        assert len(chunk.choices) == 1


def test_a_stream_says_what_the_whole_answer_says(rehearsal: Rehearsal, openai_client: Any) -> None:
    """Given n=2, when asked for as a stream, then the same ids, texts and ends, interleaved."""
    whole = openai_client.chat.completions.create(**ASK, n=2)
    rehearsal.reset()

    chunks = streamed(openai_client, n=2)

    texts, order = Counter[int](), list[int]()
    joined = ["", ""]
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        joined[choice.index] += choice.delta.content or ""
        order.append(choice.index)
        texts[choice.index] += 1
    assert joined == [text_of(whole, 0), text_of(whole, 1)]
    assert order[:6] == [0, 1, 0, 1, 0, 1]
    assert {chunk.id for chunk in chunks} == {whole.id}
    ends = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert ends == ["stop", "stop"]


def test_usage_ends_a_stream_only_when_it_is_asked_for(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    whole = openai_client.chat.completions.create(**ASK)
    rehearsal.reset()

    chunks = streamed(openai_client, stream_options={"include_usage": True})

    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert b'"usage"' not in raw(openai_client, stream=True)


def test_padding_can_be_switched_off(openai_client: Any) -> None:
    options = {"include_obfuscation": False}

    assert b"obfuscation" in raw(openai_client, stream=True)
    assert b"obfuscation" not in raw(openai_client, stream=True, stream_options=options)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_cuts_every_sample(openai_client: Any, name: str) -> None:
    answer = openai_client.chat.completions.create(**ASK, n=2, **{name: 4})

    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage.completion_tokens == 8


def test_a_stop_sequence_ends_before_itself(openai_client: Any) -> None:
    answer = openai_client.chat.completions.create(**ASK, stop="#")

    assert answer.choices[0].finish_reason == "stop"
    assert text_of(answer).startswith("[")
    assert "#" not in text_of(answer)


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}]
)
def test_a_forced_tool_is_called_with_fitting_arguments(openai_client: Any, choice: Any) -> None:
    ask = ASK | {"tools": [WEATHER], "tool_choice": choice}

    answer = openai_client.chat.completions.create(**ask, n=2)

    calls = [choice.message.tool_calls[0] for choice in answer.choices]
    assert {call.function.name for call in calls} == {"get_weather"}
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"
    assert text_of(answer) is None
    body = raw(openai_client, **ask)
    assert ChatCompletion.model_validate_json(body, strict=True)


def test_a_tool_is_left_alone_unless_the_user_names_it(openai_client: Any) -> None:
    plain = openai_client.chat.completions.create(**ASK, tools=[WEATHER])
    forbidden = openai_client.chat.completions.create(
        **ASK | {"messages": [{"role": "user", "content": "get_weather!"}]},
        tools=[WEATHER],
        tool_choice="none",
    )

    assert plain.choices[0].message.tool_calls is None
    assert forbidden.choices[0].message.tool_calls is None


def test_a_tool_loop_comes_to_an_end(openai_client: Any) -> None:
    """Given a user who names a tool, when its result is sent back, then the model speaks."""
    messages: list[Any] = [{"role": "user", "content": "Call get_weather for Rome."}]
    first = openai_client.chat.completions.create(**ASK | {"messages": messages}, tools=[WEATHER])
    call = first.choices[0].message.tool_calls[0]
    messages += [
        first.choices[0].message.to_dict(),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]

    second = openai_client.chat.completions.create(**ASK | {"messages": messages}, tools=[WEATHER])

    assert second.choices[0].finish_reason == "stop"
    assert text_of(second)


def test_a_streamed_tool_call_joins_to_the_whole_one(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    ask = ASK | {"tools": [WEATHER], "tool_choice": "required"}
    whole = openai_client.chat.completions.create(**ask)
    rehearsal.reset()

    with openai_client.chat.completions.stream(**ask) as stream:
        joined = stream.get_final_completion()

    mine, theirs = joined.choices[0].message.tool_calls[0], whole.choices[0].message.tool_calls[0]
    assert mine.id == theirs.id
    assert mine.function.arguments == theirs.function.arguments
    assert joined.choices[0].finish_reason == "tool_calls"


def test_structured_output_parses_to_the_callers_own_type(openai_client: Any) -> None:
    for _ in range(8):
        parsed = openai_client.chat.completions.parse(**ASK, response_format=Verdict)
        assert isinstance(parsed.choices[0].message.parsed, Verdict)


def test_a_cut_structured_output_is_the_sdks_own_error(openai_client: Any) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        openai_client.chat.completions.parse(**ASK, response_format=Verdict, max_tokens=3)


def test_any_json_object_is_a_json_object(openai_client: Any) -> None:
    answer = openai_client.chat.completions.create(**ASK, response_format={"type": "json_object"})

    assert text_of(answer).startswith('{"answer"')


def test_an_azure_deployment_is_the_model(rehearsal: Rehearsal) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=rehearsal.url, api_key="k", api_version="2024-10-21"
    ) as client:
        create: Any = client.chat.completions.create
        answer = create(**ASK | {"model": "my-deployment"})

    assert answer.model == "my-deployment"
    received = rehearsal.calls().received[0]
    assert received.path.startswith("/openai/deployments/my-deployment/chat/completions?")
    assert "api-key" not in dict(received.headers)


def test_asked_from_many_tasks_at_once_no_sample_is_said_twice(rehearsal: Rehearsal) -> None:
    async def ask_all() -> list[Any]:
        url = rehearsal.openai_url
        async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
            create: Any = client.chat.completions.create
            return await asyncio.gather(*(create(**ASK, n=2) for _ in range(20)))

    answers = asyncio.run(ask_all())

    texts = {text_of(answer, index) for answer in answers for index in (0, 1)}
    assert len(texts) == 40
    assert rehearsal.calls().total.samples == 40


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": ["hello"]}, "messages"),
        ({"n": 129}, "n"),
        ({"n": 0}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": "many"}, "max_tokens"),
    ],
)
def test_what_openai_would_refuse_is_refused(
    rehearsal: Rehearsal, openai_client: Any, wrong: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(**ASK | wrong)

    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert rehearsal.calls().of("openai.chat").failed == 1
    assert rehearsal.calls().samples == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_errors_are_those_of_the_sdk(
    openai_client: Any, status: int, kind: type[openai.APIStatusError]
) -> None:
    with pytest.raises(kind) as caught:
        openai_client.chat.completions.create(
            **ASK, extra_headers={"x-rehearsal-fault": str(status)}
        )

    assert caught.value.request_id


def test_an_error_in_the_middle_of_a_stream_reaches_the_caller(openai_client: Any) -> None:
    with pytest.raises(openai.APIError, match="overloaded"):
        list(
            openai_client.chat.completions.create(
                **ASK, stream=True, extra_headers={"x-rehearsal-fault": "error-event;after=3"}
            )
        )


@pytest.mark.parametrize("asked", [True, False])
def test_usage_comes_with_the_last_choice_where_the_provider_tells_it_unasked(
    rehearsal: Rehearsal, *, asked: bool
) -> None:
    """Given Mistral's or DeepSeek's prefix, then there is no chunk without choices."""
    client: Any = openai.OpenAI
    more: Any = {"n": 2, "stream_options": {"include_usage": asked}}

    with client(base_url=f"{rehearsal.url}/mistral/v1", api_key="k", max_retries=0) as made:
        chunks = streamed(made, **more)

    assert all(chunk.choices for chunk in chunks)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_schema_in_the_words_of_text_generation_inference_is_kept(openai_client: Any) -> None:
    schema = Verdict.model_json_schema()

    answer = openai_client.chat.completions.create(
        **ASK, response_format={"type": "json_object", "value": schema}
    )

    assert Verdict.model_validate_json(text_of(answer))
