"""An agent of AutoGen's AgentChat: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient

import cachesaver

cachesaver.install()


async def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


def weather_agent(*, stream: bool = False) -> AssistantAgent:
    return AssistantAgent(
        name="weather",
        model_client=OpenAIChatCompletionClient(model="gpt-5-mini"),
        system_message="Be brief.",
        tools=[get_weather],
        reflect_on_tool_use=True,
        model_client_stream=stream,
    )


QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    pieces, messages = 0, list[dict[str, Any]]()
    agent = weather_agent(stream=sys.argv[1:] == ["stream"])
    async for event in agent.run_stream(task=QUESTION):
        kind = type(event).__name__
        pieces += kind == "ModelClientStreamingChunkEvent"
        messages += shown(kind, event)
    print(json.dumps({"messages": messages, "pieces": pieces}))


def shown(kind: str, event: Any) -> list[dict[str, Any]]:
    if kind == "ToolCallRequestEvent":
        return [{"calls": [{"id": each.id, "args": each.arguments} for each in event.content]}]
    if kind == "ToolCallExecutionEvent":
        return [{"result_of": each.call_id, "text": each.content} for each in event.content]
    return [{"role": event.source, "text": event.content}] if kind == "TextMessage" else []


if __name__ == "__main__":
    asyncio.run(main())
