"""xAI by the openai SDK, whose paths it has."""

from __future__ import annotations

from typing import Any

import openai

import cachesaver
from chatting import about, contract, programs, stainless, text_of

SDK = stainless(openai.OpenAI, openai.AsyncOpenAI, "/xai/v1")


def searched_then_streamed(url: str) -> Any:
    """What was found on the web is a sample as good as any."""
    ask = about("search", extra_body={"search_parameters": {"mode": "on"}})
    text = SDK.said(url, ask)
    with cachesaver.namespace("other"):
        return [text, text_of(SDK.stream(url, ask))]


PROGRAMS = programs(SDK, searched_then_streamed)

TestXAI = contract(PROGRAMS)
