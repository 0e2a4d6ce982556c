"""Gemini: whole, streamed, several candidates, a tool that is called, embeddings, tokens counted."""

from __future__ import annotations

from typing import Any

from google import genai

MODEL = "gemini-2.5-flash"
WEATHER: Any = {
    "function_declarations": [
        {
            "name": "get_weather",
            "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
        }
    ]
}


def whole() -> Any:
    with genai.Client() as client:
        return client.models.generate_content(model=MODEL, contents="Why is the sky blue?").text


def streamed() -> Any:
    with genai.Client() as client:
        chunks = client.models.generate_content_stream(model=MODEL, contents="Why is grass green?")
        return [chunk.text for chunk in chunks]


def several() -> Any:
    with genai.Client() as client:
        answer: Any = client.models.generate_content(
            model=MODEL, contents="A colour?", config={"candidate_count": 2}
        )
    return [each.content.parts[0].text for each in answer.candidates]


def tool() -> Any:
    config: Any = {
        "tools": [WEATHER],
        "tool_config": {"function_calling_config": {"mode": "ANY"}},
        "automatic_function_calling": {"disable": True},
    }
    with genai.Client() as client:
        answer: Any = client.models.generate_content(
            model=MODEL, contents="What is the weather in Rome?", config=config
        )
    return [answer.function_calls[0].name, answer.function_calls[0].args]


def embeddings() -> Any:
    texts: Any = ["one", "two"]
    with genai.Client() as client:
        told: Any = client.models.embed_content(
            model="gemini-embedding-001",
            contents=texts,
            config={"output_dimensionality": 8},
        )
    return [each.values for each in told.embeddings]


def tokens() -> Any:
    with genai.Client() as client:
        return client.models.count_tokens(model=MODEL, contents="How long is this?").total_tokens
