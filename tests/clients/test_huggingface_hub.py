"""The chat completions of huggingface_hub's InferenceClient as they are."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import huggingface_hub

from chatting import Sdk, contract, programs

InferenceClient: Any = huggingface_hub.InferenceClient
AsyncInferenceClient: Any = huggingface_hub.AsyncInferenceClient


def create(url: str, ask: Any) -> Any:
    return InferenceClient(base_url=f"{url}/v1", api_key="k").chat_completion(**ask)


def stream(url: str, ask: Any) -> Any:
    client = InferenceClient(base_url=f"{url}/v1", api_key="k")
    yield from client.chat_completion(**ask, stream=True)  # a client that nobody holds closes it


async def acreate(url: str, ask: Any) -> Any:
    async with AsyncInferenceClient(base_url=f"{url}/v1", api_key="k") as client:
        return await client.chat_completion(**ask)


async def astream(url: str, ask: Any) -> Any:
    async with AsyncInferenceClient(base_url=f"{url}/v1", api_key="k") as client:
        return [chunk async for chunk in await client.chat_completion(**ask, stream=True)]


SDK = Sdk(
    create=create,
    stream=stream,
    acreate=acreate,
    astream=astream,
    dumped=asdict,
)

PROGRAMS = programs(SDK)

TestHuggingFaceHub = contract(PROGRAMS)
