"""The providers' own SDKs and a plain client, pointed at the rehearsal, made once: TLS is slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import cohere
import httpx2
import openai
import pytest
from google import genai

from cachesaver.rehearsal import Rehearsal

# Any, because the overloads of the SDKs do not survive `**ask`.


@pytest.fixture(scope="session")
def http() -> Iterator[httpx2.Client]:
    """A client that keeps no connection, so that servers may come and go."""
    with httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0)) as client:
        yield client


@pytest.fixture(scope="session")
def running_openai(running_rehearsal: Rehearsal) -> Iterator[Any]:
    url = running_rehearsal.openai_url
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def running_anthropic(running_rehearsal: Rehearsal) -> Iterator[Any]:
    url = running_rehearsal.anthropic_url
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def running_gemini(running_rehearsal: Rehearsal) -> Iterator[Any]:
    client = genai.Client(api_key="k", http_options={"base_url": running_rehearsal.gemini_url})
    yield client
    client.close()


@pytest.fixture(scope="session")
def running_cohere(running_rehearsal: Rehearsal) -> Iterator[Any]:
    with cohere.ClientV2(api_key="k", base_url=running_rehearsal.url, max_retries=0) as client:
        yield client


@pytest.fixture
def cohere_client(rehearsal: Rehearsal, running_cohere: Any) -> Any:
    return running_cohere


@pytest.fixture
def openai_client(rehearsal: Rehearsal, running_openai: Any) -> Any:
    return running_openai


@pytest.fixture
def anthropic_client(rehearsal: Rehearsal, running_anthropic: Any) -> Any:
    return running_anthropic


@pytest.fixture
def gemini_client(rehearsal: Rehearsal, running_gemini: Any) -> Any:
    return running_gemini
