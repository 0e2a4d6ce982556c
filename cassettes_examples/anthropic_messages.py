"""Anthropic's messages: whole, streamed, a tool that is called, and tokens counted."""

from __future__ import annotations

from typing import Any

from anthropic import Anthropic, BadRequestError

MODEL = "claude-sonnet-5"
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def whole() -> Any:
    with Anthropic() as client:
        answer: Any = client.messages.create(**_about("Why is the sky blue?"))
    return answer.content[0].text


def streamed() -> Any:
    with Anthropic() as client, client.messages.stream(**_about("Why is grass green?")) as stream:
        return list(stream.text_stream)


def tool() -> Any:
    asked = _about("What is the weather in Rome?") | {"tools": [WEATHER]}
    with Anthropic() as client:
        said: Any = client.messages.create(**asked, tool_choice={"type": "any"})
        call = next(each for each in said.content if each.type == "tool_use")
        told = {"type": "tool_result", "tool_use_id": call.id, "content": "18 °C, sunny"}
        asked["messages"] += [
            {"role": "assistant", "content": said.content},
            {"role": "user", "content": [told]},
        ]
        answer: Any = client.messages.create(**asked)
    return [call.name, call.input, answer.content[0].text]


def tokens() -> Any:
    asked = _about("How long is this?")
    del asked["max_tokens"]
    with Anthropic() as client:
        return client.messages.count_tokens(**asked).input_tokens


def refused() -> Any:
    with Anthropic() as client:
        try:
            client.messages.create(**_about("Too hot?") | {"extra_body": {"temperature": 9}})
        except BadRequestError as error:
            return [error.status_code, error.body]
    return None


def _about(content: str) -> Any:
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "max_tokens": 200, "messages": messages}
