"""An agent of the OpenAI Agents SDK: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from agents import Agent, Runner, function_tool

import cachesaver

cachesaver.install()


@function_tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


agent = Agent(name="Weather", instructions="Be brief.", model="gpt-5-mini", tools=[get_weather])
QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    pieces = 0
    if sys.argv[1:] == ["stream"]:
        result = Runner.run_streamed(agent, QUESTION)
        async for event in result.stream_events():
            pieces += event.type == "raw_response_event"
    else:
        result = await Runner.run(agent, QUESTION)
    messages = [shown(each) for each in result.to_input_list()]
    print(json.dumps({"messages": messages, "pieces": pieces}))


def shown(item: Any) -> dict[str, Any]:
    kind = item.get("type")
    if kind == "function_call":
        return {"calls": [{"id": item["call_id"], "args": item["arguments"], "item": item["id"]}]}
    if kind == "function_call_output":
        return {"result_of": item["call_id"], "text": item["output"]}
    return {"role": item["role"], "text": item["content"]}


if __name__ == "__main__":
    asyncio.run(main())
