"""Agents of Strands, of OpenAI, Amazon Bedrock and Gemini: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from strands import Agent, tool
from strands.models import BedrockModel
from strands.models.gemini import GeminiModel
from strands.models.openai import OpenAIModel

import cachesaver

cachesaver.install()


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Which one.
    """
    return f"It is sunny in {city}."


def weather_agent(model: Any) -> Agent:
    return Agent(model=model, tools=[get_weather], system_prompt="Be brief.", callback_handler=None)


question = "Ask get_weather: how is it in Paris?"


IDS: dict[str, int] = {}
CLAUDE = "anthropic.claude-haiku-4-5-20251001-v1:0"


def main() -> None:
    streams, pieces = sys.argv[1:] == ["stream"], 0
    models = (
        OpenAIModel(model_id="gpt-5-mini"),
        BedrockModel(model_id=CLAUDE, streaming=streams),
        GeminiModel(model_id="gemini-2.5-flash"),
    )
    agents = [weather_agent(model) for model in models]
    for agent in agents:
        if streams:
            pieces += asyncio.run(streamed(agent))
        else:
            agent(question)
    messages = [each for agent in agents for message in agent.messages for each in shown(message)]
    print(json.dumps({"messages": messages, "pieces": pieces}))


async def streamed(agent: Agent) -> int:
    return len([event async for event in agent.stream_async(question) if "data" in event])


def place(made_up: str) -> int:
    """Return which id this is: Strands makes them up where a model gives none."""
    return IDS.setdefault(made_up, len(IDS))


def shown(message: Any) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = message["content"]
    asked = [each["toolUse"] for each in content if "toolUse" in each]
    given = [each["toolResult"] for each in content if "toolResult" in each]
    calls = [{**each, "toolUseId": "", "id": place(each["toolUseId"])} for each in asked]
    said = {"role": message["role"], "text": [each.get("text") for each in content], "calls": calls}
    results = [{"text": each["content"], "result_of": place(each["toolUseId"])} for each in given]
    return [said, *results]


if __name__ == "__main__":
    main()
