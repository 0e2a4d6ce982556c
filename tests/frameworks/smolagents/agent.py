"""Agents of smolagents: `python agent.py [stream]`."""

import json
import os
import sys
from typing import Any

from smolagents import InferenceClientModel, LogLevel, OpenAIModel, ToolCallingAgent, tool

import cachesaver

cachesaver.install()


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: Which one.
    """
    return f"It is sunny in {city}."


def weather_agent(model: Any) -> ToolCallingAgent:
    return ToolCallingAgent(tools=[get_weather], model=model, max_steps=2)


def main() -> None:
    url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
    asked = [asked_by(OpenAIModel("gpt-5-mini")), asked_by(InferenceClientModel(url, token="any"))]
    messages = [each for messages, _ in asked for each in messages]
    print("\n" + json.dumps({"messages": messages, "pieces": sum(pieces for _, pieces in asked)}))


def asked_by(model: Any) -> tuple[list[dict[str, Any]], int]:
    agent = weather_agent(model)
    agent.logger.level = LogLevel.OFF
    agent.stream_outputs = sys.argv[1:] == ["stream"]
    events = list(agent.run("How is the weather in Paris?", stream=True))
    pieces = sum(type(event).__name__ == "ChatMessageStreamDelta" for event in events)
    return [each for step in agent.memory.steps for each in shown(step)], pieces


def shown(step: Any) -> list[dict[str, Any]]:
    calls = [call.dict() for call in getattr(step, "tool_calls", None) or []]
    said = getattr(step, "model_output", None) or getattr(step, "output", None)
    seen = [{"result_of": call["id"], "text": step.observations} for call in calls]
    return [{"role": "assistant", "text": said, "calls": calls}, *seen]


if __name__ == "__main__":
    main()
