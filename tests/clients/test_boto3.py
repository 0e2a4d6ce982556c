"""boto3 as it is: what it makes of recorded answers of Bedrock is what it made of the live ones.

Nobody names the rehearsal's address here: the requests are told by what they are signed for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.lib.bedrock import AnthropicBedrock, AsyncAnthropicBedrock
from urllib3.exceptions import ProtocolError

import cachesaver
from aws import ClientError, Config, EventStreamError, boto3
from cachesaver.rehearsal import Rehearsal

NOVA = "us.amazon.nova-2-lite-v1:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-1-70b-instruct-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"

KEYS = {
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "aws_session_token": "a session of nobody's",
}
"""Fake ones; they sign, and nobody checks."""

WEATHER = {
    "toolSpec": {
        "name": "get_weather",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            }
        },
    }
}


def made(url: str, **config: Any) -> Any:
    options = {"retries": {"total_max_attempts": 1}, **config}
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        config=Config(**options),
        **KEYS,
    )


def said(topic: str) -> Any:
    return [{"role": "user", "content": [{"text": topic}]}]


def about(topic: str) -> Any:
    return {"modelId": NOVA, "messages": said(topic), "inferenceConfig": {"maxTokens": 200}}


def dumped(answer: Any) -> Any:
    """Everything boto3 made of an answer, but for when and how it came."""
    told = answer["ResponseMetadata"]
    return [
        {name: value for name, value in answer.items() if name != "ResponseMetadata"},
        told["HTTPStatusCode"],
        told["RequestId"],
    ]


def text_of(events: Any) -> str:
    deltas = (e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e)
    return "".join(delta["text"] for delta in deltas)


def prompt(topic: str) -> str:
    return json.dumps({"prompt": topic, "max_gen_len": 100})


def message(topic: str) -> str:
    turns = [{"role": "user", "content": topic}]
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 200, "messages": turns}
    return json.dumps(body)


def chunks_of(answer: Any) -> list[Any]:
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


def claude(url: str) -> Any:
    return AnthropicBedrock(
        base_url=url,
        aws_region="us-east-1",
        aws_access_key=KEYS["aws_access_key_id"],
        aws_secret_key=KEYS["aws_secret_access_key"],
        max_retries=0,
    )


def ask_claude(topic: str) -> Any:
    return {
        "model": CLAUDE,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": topic}],
    }


# --- programs: functions of the rehearsal's address


def converse(url: str) -> Any:
    answers = [dumped(made(url).converse(**about("converse"))) for _ in range(2)]
    assert answers[0] != answers[1]
    return answers


def converse_stream(url: str) -> Any:
    return list(made(url).converse_stream(**about("a stream"))["stream"])


def tools(url: str) -> Any:
    """A call, its result sent back, and the last word."""
    client, ask = made(url), about("Call get_weather for Rome.")
    ask["toolConfig"] = {"tools": [WEATHER]}
    first = client.converse(**ask)
    turn = first["output"]["message"]
    (use,) = (block["toolUse"] for block in turn["content"])
    result = {"toolUseId": use["toolUseId"], "content": [{"json": {"sky": "clear"}}]}
    ask["messages"] += [turn, {"role": "user", "content": [{"toolResult": result}]}]
    return [
        dumped(first),
        dumped(client.converse(**ask)),
        list(made(url).converse_stream(**ask)["stream"]),
    ]


def structured(url: str) -> Any:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(schema)}}}
    answer = made(url).converse(**about("structured"), outputConfig={"textFormat": form})
    text = answer["output"]["message"]["content"][0]["text"]
    assert json.loads(text).keys() == {"city"}
    return dumped(answer)


def invoke(url: str) -> Any:
    answers = [made(url).invoke_model(modelId=LLAMA, body=prompt("invoke")) for _ in range(2)]
    bodies = [json.load(answer["body"]) for answer in answers]
    assert bodies[0] != bodies[1]
    return bodies


def invoke_stream(url: str) -> Any:
    answer = made(url).invoke_model_with_response_stream(modelId=LLAMA, body=prompt("in chunks"))
    return [answer["contentType"], chunks_of(answer)]


def invoke_claude(url: str) -> Any:
    answer = made(url).invoke_model(modelId=CLAUDE, body=message("invoke"))
    return [answer["contentType"], json.load(answer["body"])]


def invoke_claude_stream(url: str) -> Any:
    client = made(url)
    answer = client.invoke_model_with_response_stream(modelId=CLAUDE, body=message("in chunks"))
    return [answer["contentType"], chunks_of(answer)]


def embedded(url: str) -> Any:
    """Two draws of what is always the same."""
    client, body = made(url), json.dumps({"inputText": "embedded", "dimensions": 256})
    first, second = (client.invoke_model(modelId=TITAN, body=body)["body"].read() for _ in "12")
    assert first == second
    return json.loads(first)


def counted(url: str) -> Any:
    ask = {"converse": {"messages": said("counted")}}
    return dumped(made(url).count_tokens(modelId=CLAUDE, input=ask))


def sdk_of_anthropic(url: str) -> Any:
    return claude(url).messages.create(**ask_claude("anthropic")).model_dump(mode="json")


def sdk_of_anthropic_streamed(url: str) -> Any:
    with claude(url).messages.stream(**ask_claude("streamed")) as stream:
        events = [event.model_dump(mode="json") for event in stream]
        return [events, stream.get_final_message().model_dump(mode="json")]


async def async_sdk_of_anthropic(url: str) -> Any:
    made_async = AsyncAnthropicBedrock(
        base_url=url,
        aws_region="us-east-1",
        aws_access_key=KEYS["aws_access_key_id"],
        aws_secret_key=KEYS["aws_secret_access_key"],
        max_retries=0,
    )
    async with made_async as client:
        stream = await client.messages.create(**ask_claude("async"), stream=True)
        return [event.model_dump(mode="json") async for event in stream]


def whole_then_streamed(url: str) -> Any:
    client, ask = made(url), about("whole, then streamed")
    text = client.converse(**ask)["output"]["message"]["content"][0]["text"]
    with cachesaver.namespace("other"):
        return [text, text_of(client.converse_stream(**ask)["stream"])]


def streamed_then_whole(url: str) -> Any:
    client, ask = made(url), about("streamed, then whole")
    text = text_of(client.converse_stream(**ask)["stream"])
    with cachesaver.namespace("other"):
        return [client.converse(**ask)["output"]["message"]["content"][0]["text"], text]


def call_then_streamed(url: str) -> Any:
    """The input of one call, recorded whole and asked for as a stream."""
    client = made(url)
    ask = about("a call") | {"toolConfig": {"tools": [WEATHER], "toolChoice": {"any": {}}}}
    first = client.converse(**ask)["output"]["message"]["content"][0]["toolUse"]
    with cachesaver.namespace("other"):
        events = list(client.converse_stream(**ask)["stream"])
    (head,) = (
        e["contentBlockStart"]["start"]["toolUse"] for e in events if "contentBlockStart" in e
    )
    deltas = (e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e)
    return [first, {**head, "input": json.loads("".join(d["toolUse"]["input"] for d in deltas))}]


def claude_then_streamed(url: str) -> Any:
    client, ask = claude(url), ask_claude("whole, then streamed")
    first = client.messages.create(**ask).model_dump(mode="json")
    with cachesaver.namespace("other"), client.messages.stream(**ask) as stream:
        return [first, stream.get_final_message().model_dump(mode="json")]


def claude_streamed_then_whole(url: str) -> Any:
    client, ask = claude(url), ask_claude("streamed, then whole")
    with client.messages.stream(**ask) as stream:
        first = stream.get_final_message().model_dump(mode="json")
    with cachesaver.namespace("other"):
        return [client.messages.create(**ask).model_dump(mode="json"), first]


def sdk_then_boto3(url: str) -> Any:
    """One question, whoever asks it; of its own the SDK states another version of the API."""
    version = {"anthropic_version": "bedrock-2023-05-31"}
    first = claude(url).messages.create(**ask_claude("whoever asks"), extra_body=version).id
    with cachesaver.namespace("other"):
        answer = made(url).invoke_model(modelId=CLAUDE, body=message("whoever asks"))
    return [first, json.load(answer["body"])["id"]]


PROGRAMS = {
    program.__name__: program
    for program in (
        converse,
        converse_stream,
        tools,
        structured,
        invoke,
        invoke_stream,
        invoke_claude,
        invoke_claude_stream,
        embedded,
        counted,
        sdk_of_anthropic,
        sdk_of_anthropic_streamed,
        async_sdk_of_anthropic,
        whole_then_streamed,
        streamed_then_whole,
        call_then_streamed,
        claude_then_streamed,
        claude_streamed_then_whole,
        sdk_then_boto3,
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


def test_what_is_always_the_same_is_bought_once(played: Any) -> None:
    assert played.bought["embedded"]["calls"] == 1


# --- what goes wrong, in this process


@pytest.fixture
def session(rehearsal: Rehearsal) -> Iterator[cachesaver.Session]:
    with cachesaver.install(namespace="a", store="memory://", quiet=True, strict=True) as installed:
        yield installed


@pytest.fixture
def client(rehearsal: Rehearsal) -> Iterator[Any]:
    with contextlib.closing(made(rehearsal.url)) as client:
        yield client


def stored(session: cachesaver.Session) -> int:
    return session.store.summary().samples


ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
def test_errors_are_boto3s_own_and_are_not_stored(
    rehearsal: Rehearsal, session: cachesaver.Session, client: Any, operation: str, status: int
) -> None:
    rehearsal.fault(f"{status};times=1")

    with pytest.raises(ClientError) as raised:
        getattr(client, operation)(**about("an error"))

    assert raised.value.response["Error"]["Code"] == ERRORS[status]
    assert isinstance(raised.value, getattr(client.exceptions, ERRORS[status]))
    assert stored(session) == 0
    client.converse(**about("an error"))
    assert stored(session) == 1


@pytest.mark.parametrize("mode", ["legacy", "standard"])
def test_botocores_own_retries_are_the_same_draw(
    rehearsal: Rehearsal, session: cachesaver.Session, mode: str
) -> None:
    """Given two refusals and two retries, then one sample is bought: the first of the question."""
    rehearsal.fault("429;times=2;retry-after=0")
    retries = {"total_max_attempts": 3, "mode": mode}

    with contextlib.closing(made(rehearsal.url, retries=retries)) as client:
        first = client.converse(**about("retried"))
        with cachesaver.namespace("other"):
            again = client.converse(**about("retried"))

    assert first["output"] == again["output"]
    assert "#0]" in first["output"]["message"]["content"][0]["text"]
    assert first["ResponseMetadata"]["RetryAttempts"] == 2
    assert (rehearsal.calls().calls, stored(session)) == (3, 1)


def test_an_exception_in_a_stream_is_raised_and_the_stream_is_not_stored(
    rehearsal: Rehearsal, session: cachesaver.Session, client: Any
) -> None:
    rehearsal.fault("error-event;after=3;times=1")

    with contextlib.closing(client.converse_stream(**about("an exception"))["stream"]) as stream:
        with pytest.raises(EventStreamError, match="overloaded") as raised:
            list(stream)
        assert list(stream) == []  # and so the end of the body was seen

    assert raised.value.response["Error"]["Code"] == "serviceUnavailableException"
    assert stored(session) == 0
    assert "#1]" in text_of(client.converse_stream(**about("an exception"))["stream"])


def test_a_stream_that_breaks_off_is_not_stored(
    rehearsal: Rehearsal, session: cachesaver.Session, client: Any
) -> None:
    rehearsal.fault("cut-stream;after=3;times=1")

    with (
        contextlib.closing(client.converse_stream(**about("cut"))["stream"]) as stream,
        pytest.raises(ProtocolError, match="prematurely"),
    ):
        list(stream)

    assert stored(session) == 0


def test_who_stops_at_the_last_event_leaves_a_sample(
    rehearsal: Rehearsal, session: cachesaver.Session, client: Any
) -> None:
    """Given a caller who takes `metadata` and no more, then the stream is stored all the same."""

    with contextlib.closing(client.converse_stream(**about("the last event"))["stream"]) as stream:
        next(event for event in stream if "metadata" in event)

    assert stored(session) == 1


def keyed(url: str) -> Any:
    return AnthropicBedrock(
        base_url=url, aws_region="us-east-1", api_key="of-nobody", max_retries=0
    )


def test_without_a_signature_a_host_has_to_be_named(rehearsal: Rehearsal) -> None:
    """Given a bearer key, when the user names the host, then requests are told by their path."""
    options: Any = {"store": "memory://", "quiet": True, "strict": True}
    ask = ask_claude("a bearer key")

    with cachesaver.install(namespace="a", **options) as unnamed, keyed(rehearsal.url) as client:
        client.messages.create(**ask)
        assert stored(unnamed) == 0
    with (
        cachesaver.install(namespace="a", hosts=["127.0.0.1"], **options) as named,
        keyed(rehearsal.url) as client,
    ):
        whole = client.messages.create(**ask)
        with cachesaver.namespace("other"), client.messages.stream(**ask) as stream:
            streamed = stream.get_final_message()

    assert streamed.content[0].text == whole.content[0].text
    assert stored(named) == 1
    assert rehearsal.calls().calls == 2


def test_what_goes_out_is_what_was_signed(
    rehearsal: Rehearsal, session: cachesaver.Session, client: Any
) -> None:
    """Given requests with and without us, then the provider gets the same path, bytes and headers."""
    client.converse(**about("signed"))
    cachesaver.uninstall()
    client.converse(**about("signed"))

    ours, plain = rehearsal.calls().received
    fresh = {"amz-sdk-invocation-id", "x-amz-date"}
    assert stored(session) == 1
    assert (ours.path, ours.body) == (plain.path, plain.body)
    assert {n: v for n, v in ours.headers if n not in fresh} == {
        n: v for n, v in plain.headers if n not in fresh
    }
