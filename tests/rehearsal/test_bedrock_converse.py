"""Converse, judged by boto3, which checks requests and reads answers by AWS's own model."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from aws import ClientError, Config, EventStreamError, boto3
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.bedrock_converse import ConverseApi, CountTokensApi
from cachesaver.rehearsal.values import RejectedError

MODEL = "us.amazon.nova-2-lite-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"
ADD = {
    "toolSpec": {
        "name": "add",
        "description": "Adds.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
            }
        },
    }
}
PIXEL = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}


@pytest.fixture
def client(rehearsal: Rehearsal) -> Iterator[Any]:
    made: Any = boto3.client(
        "bedrock-runtime",
        endpoint_url=rehearsal.url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",  # nobody's
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield made
    made.close()


def about(*content: Any, **more: Any) -> Any:
    turn = {"role": "user", "content": list(content) or [{"text": "Say something."}]}
    return {"modelId": MODEL, "messages": [turn], **more}


def gathered(events: Any) -> tuple[str, list[str], str, Any]:
    """Text, inputs of calls, stop reason and usage of a stream."""
    text, calls, reason, usage = "", list[str](), "", None
    for event in events:
        match event:
            case {"contentBlockStart": {"start": {"toolUse": {}}}}:
                calls.append("")
            case {"contentBlockDelta": {"delta": {"text": str(piece)}}}:
                text += piece
            case {"contentBlockDelta": {"delta": {"toolUse": {"input": str(piece)}}}}:
                calls[-1] += piece
            case {"messageStop": {"stopReason": str(reason)}}:
                pass
            case {"metadata": {"usage": usage}}:
                pass
            case _:
                pass
    return text, calls, reason, usage


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "end_turn"),
        ({"inferenceConfig": {"maxTokens": 3}}, "max_tokens"),
        ({"inferenceConfig": {"stopSequences": ["#"]}}, "stop_sequence"),
        ({"toolConfig": {"tools": [ADD], "toolChoice": {"any": {}}}}, "tool_use"),
        ({"toolConfig": {"tools": [ADD], "toolChoice": {"tool": {"name": "add"}}}}, "tool_use"),
        ({"toolConfig": {"tools": [ADD], "toolChoice": {"auto": {}}}}, "end_turn"),
        ({"system": [{"text": "Be brief."}]}, "end_turn"),
    ],
)
def test_a_stream_joins_to_the_whole_answer(
    rehearsal: Rehearsal, client: Any, more: dict[str, Any], reason: str
) -> None:
    whole = client.converse(**about(**more))
    rehearsal.reset()
    text, calls, told, usage = gathered(client.converse_stream(**about(**more))["stream"])

    content = whole["output"]["message"]["content"]
    assert text == "".join(block.get("text", "") for block in content)
    assert [*map(json.loads, calls)] == [b["toolUse"]["input"] for b in content if "toolUse" in b]
    assert told == whole["stopReason"] == reason
    assert usage == whole["usage"]


def test_samples_of_a_question_differ_and_are_counted(rehearsal: Rehearsal, client: Any) -> None:
    first, second = (client.converse(**about())["output"] for _ in range(2))

    tally = rehearsal.calls().of("bedrock.converse", MODEL)
    assert first != second
    assert (tally.calls, tally.samples) == (2, 2)


def test_the_books_of_the_account_do_not_shape_the_answer(
    rehearsal: Rehearsal, client: Any
) -> None:
    more: Any = ({}, {"requestMetadata": {"job": "7"}}, {"serviceTier": {"type": "flex"}})
    said = [client.converse(**about(**each))["output"]["message"]["content"][0] for each in more]

    assert [each["text"].partition("#")[0] for each in said[1:]] == [
        said[0]["text"].partition("#")[0]
    ] * 2


def test_a_result_is_answered(rehearsal: Rehearsal, client: Any) -> None:
    ask = about({"text": "Use add."}, PIXEL, toolConfig={"tools": [ADD]})
    turn = client.converse(**ask)["output"]["message"]
    result = {"toolUseId": turn["content"][0]["toolUse"]["toolUseId"], "content": [{"text": "3"}]}
    ask["messages"] += [turn, {"role": "user", "content": [{"toolResult": result}]}]

    assert client.converse(**ask)["stopReason"] == "end_turn"


def test_a_schema_is_kept(client: Any) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    structure = {"jsonSchema": {"schema": json.dumps(schema)}}
    config = {"textFormat": {"type": "json_schema", "structure": structure}}

    (block,) = client.converse(**about(outputConfig=config))["output"]["message"]["content"]

    assert isinstance(json.loads(block["text"])["n"], int)


def test_a_model_may_be_an_arn(rehearsal: Rehearsal, client: Any) -> None:
    client.converse(**about() | {"modelId": ARN})

    assert rehearsal.calls().of("bedrock.converse", ARN).samples == 1


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("converse", {"messages": about()["messages"]}),
        (
            "invokeModel",
            {
                "body": json.dumps(
                    {
                        "anthropic_version": "bedrock-2023-05-31",
                        "max_tokens": 5,
                        "messages": [{"role": "user", "content": "Say something."}],
                    }
                )
            },
        ),
    ],
)
def test_tokens_are_counted(
    rehearsal: Rehearsal, client: Any, kind: str, asked: dict[str, Any]
) -> None:
    counted = client.count_tokens(modelId=MODEL, input={kind: asked})["inputTokens"]

    assert counted == client.converse(**about())["usage"]["inputTokens"]
    assert rehearsal.calls().of("bedrock.count_tokens").samples == 0
    assert [*CountTokensApi().stream(ConverseApi().read("/model/m/x", about()), ())] == []


REFUSED: list[dict[str, Any]] = [
    {},
    {"messages": [{"role": "nobody", "content": [{"text": "hi"}]}]},
    {"messages": [{"role": "user", "content": []}]},
    {**about(), "inferenceConfig": {"temperature": 3}},
    {**about(), "outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}},
]


@pytest.mark.parametrize("body", REFUSED)
def test_what_bedrock_would_not_accept_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RejectedError, match="400"):
        ConverseApi().read("/model/m/converse", body)
    with pytest.raises(RejectedError, match="400"):
        CountTokensApi().read("/model/m/count-tokens", {"input": {"invokeModel": {"body": "e"}}})


def test_errors_are_awss(rehearsal: Rehearsal, client: Any) -> None:
    rehearsal.fault("429;times=1")

    with pytest.raises(ClientError) as raised:
        client.converse(**about())

    assert raised.value.response["Error"]["Code"] == "ThrottlingException"


def test_a_stream_breaks_with_an_exception(rehearsal: Rehearsal, client: Any) -> None:
    rehearsal.fault("error-event;after=2;times=1")

    with (
        contextlib.closing(client.converse_stream(**about())["stream"]) as stream,
        pytest.raises(EventStreamError, match="serviceUnavailableException"),
    ):
        list(stream)
