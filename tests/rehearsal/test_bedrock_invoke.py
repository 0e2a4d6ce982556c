"""InvokeModel, judged by boto3 and by the anthropic SDK."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.lib.bedrock import AnthropicBedrock

from aws import ClientError, Config, boto3
from cachesaver.rehearsal import Rehearsal

LLAMA = "meta.llama3-1-70b-instruct-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


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


def invoked(client: Any, model: str, **body: Any) -> Any:
    return json.load(client.invoke_model(modelId=model, body=json.dumps(body))["body"])


def chunks(client: Any, model: str, **body: Any) -> list[Any]:
    answer = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    assert answer["contentType"] == "application/json"
    return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]


@pytest.mark.parametrize(("more", "reason"), [({}, "stop"), ({"max_gen_len": 3}, "length")])
def test_llamas_stream_joins_to_its_whole_answer(
    rehearsal: Rehearsal, client: Any, more: dict[str, Any], reason: str
) -> None:
    whole = invoked(client, LLAMA, prompt="Say something.", **more)
    rehearsal.reset()
    told = chunks(client, LLAMA, prompt="Say something.", **more)

    last = told[-1]
    assert "".join(chunk["generation"] for chunk in told) == whole["generation"]
    assert last["stop_reason"] == whole["stop_reason"] == reason
    assert last["amazon-bedrock-invocationMetrics"] == {
        "inputTokenCount": whole["prompt_token_count"],
        "outputTokenCount": whole["generation_token_count"],
        "invocationLatency": 7,
        "firstByteLatency": 7,
    }


def test_claudes_stream_joins_to_its_whole_answer(rehearsal: Rehearsal) -> None:
    ask: Any = {
        "model": CLAUDE,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say something."}],
    }
    Client: Any = AnthropicBedrock  # noqa: N806  # the overloads do not survive `**ask`
    with Client(base_url=rehearsal.url, aws_region="r", api_key="k") as sdk:
        whole = sdk.messages.create(**ask)
        rehearsal.reset()
        with sdk.messages.stream(**ask) as stream:
            told = stream.get_final_message()

    assert told.content[0].text == whole.content[0].text
    assert told.usage == whole.usage
    assert whole.model == CLAUDE
    assert rehearsal.calls().of("bedrock.invoke", CLAUDE).samples == 1


def test_embeddings_are_always_the_same_and_of_the_size_asked_for(
    rehearsal: Rehearsal, client: Any
) -> None:
    one, again, short = (
        invoked(client, TITAN, inputText="a", **more) for more in ({}, {}, {"dimensions": 256})
    )

    assert one == again
    assert len(short["embedding"]) == 256
    assert math.isclose(math.hypot(*one["embedding"]), 1, rel_tol=1e-5)
    assert one["inputTextTokenCount"] == 1
    assert rehearsal.calls().of("bedrock.invoke").samples == 0


@pytest.mark.parametrize("body", [{}, {"something": "else"}, {"prompt": 5}, {"inputText": ""}])
def test_what_no_family_takes_is_refused(client: Any, body: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        invoked(client, LLAMA, **body)


def test_embeddings_are_not_streamed(client: Any) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        chunks(client, TITAN, inputText="a")
