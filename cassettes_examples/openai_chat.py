"""OpenAI's chat completions: whole, streamed, several at once, and a tool that is called."""

from __future__ import annotations

from typing import Any

from openai import BadRequestError, OpenAI

MODEL = "gpt-5-mini"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def whole() -> Any:
    with OpenAI() as client:
        answer = client.chat.completions.create(model=MODEL, messages=_user("Why is the sky blue?"))
    return answer.choices[0].message.content


def streamed() -> Any:
    with OpenAI() as client:
        chunks = client.chat.completions.create(
            model=MODEL, messages=_user("Why is grass green?"), stream=True
        )
        return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]


def several() -> Any:
    with OpenAI() as client:
        answer = client.chat.completions.create(model=MODEL, messages=_user("A colour?"), n=3)
    return [choice.message.content for choice in answer.choices]


def tool() -> Any:
    asked = _user("What is the weather in Rome?")
    with OpenAI() as client:
        said = client.chat.completions.create(
            model=MODEL, messages=asked, tools=[WEATHER], tool_choice="required"
        )
        message: Any = said.choices[0].message
        call = message.tool_calls[0]
        told: Any = [message, {"role": "tool", "tool_call_id": call.id, "content": "18 °C, sunny"}]
        answer = client.chat.completions.create(model=MODEL, messages=asked + told, tools=[WEATHER])
    return [call.function.name, call.function.arguments, answer.choices[0].message.content]


def refused() -> Any:
    with OpenAI() as client:
        try:
            client.chat.completions.create(model=MODEL, messages=_user("Too hot?"), temperature=9)
        except BadRequestError as error:
            return [error.status_code, error.body]
    return None


def _user(content: str) -> Any:
    return [{"role": "user", "content": content}]
