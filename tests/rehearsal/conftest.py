"""The providers' own SDKs, pointed at the rehearsal, without retries of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from cachesaver.rehearsal import Rehearsal

# Any, because the overloads of the SDKs do not survive `**ask`.


@pytest.fixture
def openai_client(rehearsal: Rehearsal) -> Iterator[Any]:
    with openai.OpenAI(base_url=rehearsal.openai_url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(rehearsal: Rehearsal) -> Iterator[Any]:
    url = rehearsal.anthropic_url
    with anthropic.Anthropic(base_url=url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def gemini_client(rehearsal: Rehearsal) -> Iterator[Any]:
    client = genai.Client(api_key="k", http_options={"base_url": rehearsal.gemini_url})
    yield client
    client.close()
