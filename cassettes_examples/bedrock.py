"""Amazon Bedrock by boto3: Converse whole and as an event stream (binary), and InvokeModel."""

from __future__ import annotations

import contextlib
import json
from importlib import import_module
from typing import Any

boto3: Any = import_module("boto3")  # it has no types

MODEL = "us.amazon.nova-2-lite-v1:0"


def whole() -> Any:
    with _client() as client:
        answer = client.converse(**_about("Why is the sky blue?"))
    return answer["output"]["message"]["content"][0]["text"]


def streamed() -> Any:
    with _client() as client, contextlib.closing(_streaming(client)) as events:
        deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    return [delta["text"] for delta in deltas]


def invoked() -> Any:
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Why is snow white?"}],
    }
    with _client() as client:
        answer = client.invoke_model(
            modelId="us.anthropic.claude-sonnet-4-5-20250929-v1:0", body=json.dumps(body)
        )
        return json.loads(answer["body"].read())["content"][0]["text"]


def _streaming(client: Any) -> Any:
    return client.converse_stream(**_about("Why is grass green?"))["stream"]


def _client() -> Any:
    return contextlib.closing(boto3.client("bedrock-runtime", region_name="us-east-1"))


def _about(content: str) -> Any:
    return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": content}]}]}
