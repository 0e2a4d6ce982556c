"""A crew of one agent of CrewAI: `python agent.py [stream]`."""

import json
import sys
from typing import Any

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool

import cachesaver

cachesaver.install()


@tool("get_weather")
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


agent = Agent(
    role="Weatherman",
    goal="Tell the weather.",
    backstory="You are brief.",
    tools=[get_weather],
    llm=LLM(model="openai/gpt-5-mini"),
)
task = Task(
    description="Ask get_weather: how is it in Paris?",
    expected_output="One sentence.",
    agent=agent,
)
crew = Crew(agents=[agent], tasks=[task])


def main() -> None:
    pieces = 0
    crew.stream = sys.argv[1:] == ["stream"]
    result = crew.kickoff()
    if crew.stream:
        pieces = sum(1 for _ in result)
        result = result.result
    messages = [shown(each) for each in result.tasks_output[0].messages]
    print(json.dumps({"messages": [*messages, {"answer": result.raw}], "pieces": pieces}))


def shown(message: Any) -> dict[str, Any]:
    calls = [
        {"id": call["id"], "args": call["function"]["arguments"]}
        for call in message.get("tool_calls") or []
    ]
    text, of = message["content"], message.get("tool_call_id")
    return {"role": message["role"], "text": text, "calls": calls, "result_of": of}


if __name__ == "__main__":
    main()
