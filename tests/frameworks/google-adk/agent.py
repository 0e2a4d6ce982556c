"""Agents of Google's Agent Development Kit: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from google.adk.agents import Agent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models.lite_llm import LiteLlm
from google.adk.runners import InMemoryRunner
from google.genai import types

import cachesaver

cachesaver.install()


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


def weather_agent(model: Any) -> Agent:
    return Agent(name="weather", model=model, instruction="Be brief.", tools=[get_weather])


question = types.UserContent("Ask get_weather: how is it in Paris?")


async def main() -> None:
    streams = sys.argv[1:] == ["stream"]
    mode = StreamingMode.SSE if streams else StreamingMode.NONE
    config = RunConfig(streaming_mode=mode)
    models = ("gemini-3.5-flash", LiteLlm(model="openai/gpt-5-mini"))
    events = [event for model in models for event in await run(weather_agent(model), config)]
    messages = [shown(event) for event in events if not event.partial]
    pieces = sum(1 for event in events if event.partial)
    print(json.dumps({"messages": messages, "pieces": pieces}))


async def run(agent: Agent, config: RunConfig) -> list[Any]:
    runner = InMemoryRunner(agent=agent, app_name="weather")
    session = await runner.session_service.create_session(app_name="weather", user_id="me")
    events = runner.run_async(
        user_id="me", session_id=session.id, new_message=question, run_config=config
    )
    return [event async for event in events]


def shown(event: Any) -> dict[str, Any]:
    results = event.get_function_responses()
    return {
        "role": event.content.role,
        "text": [part.text for part in event.content.parts],
        "calls": [call.model_dump() for call in event.get_function_calls()],
        "results": [each.model_dump() for each in results],
        "result_of": results[0].id if results else None,
    }


if __name__ == "__main__":
    asyncio.run(main())
