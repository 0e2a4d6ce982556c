"""boto3's bedrock-runtime: `converse` and `converse_stream`."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from importlib import import_module
from typing import Any

from urllib3.exceptions import ReadTimeoutError as StalledError

from aws import ClientError, Config, boto3
from matrix.ways import Way

ReadTimeoutError: Any = import_module("botocore.exceptions").ReadTimeoutError


@contextlib.contextmanager
def _make(url: str, limit: float) -> Generator[Any]:
    client = boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=limit),
    )
    with contextlib.closing(client):
        yield client


def _asked(topic: str) -> Any:
    turn = {"role": "user", "content": [{"text": topic}]}
    return {"modelId": "us.amazon.nova-2-lite-v1:0", "messages": [turn]}


def _ask(client: Any, topic: str) -> Any:
    return client.converse(**_asked(topic))


def _stream(client: Any, topic: str) -> Iterator[Any]:
    with contextlib.closing(client.converse_stream(**_asked(topic))["stream"]) as events:
        yield from events


def _text(answer: Any) -> str:
    text: str = answer["output"]["message"]["content"][0]["text"]
    return text


def _texts(events: Sequence[Any]) -> str:
    deltas = (e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e)
    return "".join(delta["text"] for delta in deltas)


def _dumped(answer: Any) -> Any:
    """Everything boto3 made of an answer, but for when and how it came."""
    told = answer.get("ResponseMetadata", {})
    kept = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    return [kept, told.get("HTTPStatusCode"), told.get("RequestId")]


WAYS = {
    "bedrock-runtime": Way(
        make=_make,
        ask=_ask,
        stream=_stream,
        text=_text,
        texts=_texts,
        dumped=_dumped,
        raises={
            "400": ClientError,
            "500": ClientError,
            "timeout": ReadTimeoutError,
            "stalled": (ReadTimeoutError, StalledError),
        },
    )
}
