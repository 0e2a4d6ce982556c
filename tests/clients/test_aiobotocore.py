"""aiobotocore, over aiohttp and over httpx: recorded answers of Bedrock are what the live ones were.

It may pin another botocore than boto3 does, so this runs by `make apart` where it is not installed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

session_of: Any = pytest.importorskip("aiobotocore.session")
config_of: Any = pytest.importorskip("aiobotocore.config")

NOVA = "amazon.nova-2-lite"
KEYS = {
    "aws_access_key_id": "AKIDEXAMPLE",
    "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}


@pytest.fixture(scope="module")
def provider() -> Generator[Rehearsal]:
    with Rehearsal(seed=0) as provider:
        yield provider


def over(client: str) -> dict[str, Any]:
    if client == "aiohttp":
        return {}
    return {"http_session_cls": pytest.importorskip("aiobotocore.httpxsession").HttpxSession}


async def whole(client: Any, ask: dict[str, Any]) -> Any:
    answer = await client.converse(**ask)
    return answer["output"], answer["usage"], answer["ResponseMetadata"]["RequestId"]


async def streamed(client: Any, ask: dict[str, Any]) -> Any:
    answer = await client.converse_stream(**ask)
    return [event async for event in answer["stream"]]


# Over httpx2 it cannot read an event stream, with us or without (aiobotocore 3.10, eventstream.py).
@pytest.mark.parametrize(
    ("client", "ask"), [("aiohttp", whole), ("aiohttp", streamed), ("httpx2", whole)]
)
def test_said_again_without_a_call(
    client: str, ask: Any, provider: Rehearsal, tmp_path: Path
) -> None:
    """Given a first run, then every later one says the same, and what was never asked is a miss."""

    async def say(topic: str) -> Any:
        options = config_of.AioConfig(retries={"total_max_attempts": 1}, **over(client))
        made = session_of.get_session().create_client(
            "bedrock-runtime",
            endpoint_url=provider.url,
            region_name="us-east-1",
            config=options,
            **KEYS,
        )
        turns = [{"role": "user", "content": [{"text": topic}]}]
        async with made as opened:
            return await ask(opened, {"modelId": NOVA, "messages": turns})

    def said(topic: str, namespace: str, mode: str = "cache") -> Any:
        store = str(tmp_path / "pool")
        with cachesaver.install(namespace, store=store, mode=mode, strict=True, quiet=True):
            return asyncio.run(say(topic))

    before = provider.calls().calls
    live = said("aiobotocore", "a")

    assert said("aiobotocore", "b") == said("aiobotocore", "c", "replay") == live
    assert live
    assert provider.calls().calls - before == 1
    # botocore wraps what its HTTP client raises, whatever it is (httpsession.py, URLLib3Session.send).
    with pytest.raises(Exception, match="asks for 1 sample"):
        said("something else", "c", "replay")
