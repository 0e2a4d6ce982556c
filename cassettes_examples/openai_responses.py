"""OpenAI's Responses API: whole, streamed, and a tool that is called."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

MODEL = "gpt-5-mini"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def whole() -> Any:
    with OpenAI() as client:
        return client.responses.create(model=MODEL, input="Why is the sky blue?").output_text


def streamed() -> Any:
    with OpenAI() as client:
        events = client.responses.create(model=MODEL, input="Why is grass green?", stream=True)
        return [each.delta for each in events if each.type == "response.output_text.delta"]


def tool() -> Any:
    asked: Any = [{"role": "user", "content": "What is the weather in Rome?"}]
    with OpenAI() as client:
        said = client.responses.create(
            model=MODEL, input=asked, tools=[WEATHER], tool_choice="required"
        )
        call: Any = next(each for each in said.output if each.type == "function_call")
        told = {"type": "function_call_output", "call_id": call.call_id, "output": "18 °C, sunny"}
        asked += [*said.output, told]
        answer = client.responses.create(model=MODEL, input=asked)
    return [call.name, call.arguments, answer.output_text]
