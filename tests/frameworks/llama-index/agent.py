"""An agent of LlamaIndex: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from llama_index.core.agent.workflow import AgentOutput, AgentStream, FunctionAgent, ToolCallResult
from llama_index.llms.openai import OpenAI

import cachesaver

cachesaver.install()


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


streaming = sys.argv[1:] == ["stream"]
agent = FunctionAgent(
    tools=[get_weather],
    llm=OpenAI(model="gpt-5-mini"),
    system_prompt="Be brief.",
    streaming=streaming,
)
QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    pieces, messages = 0, list[dict[str, Any]]()
    handler = agent.run(QUESTION)
    async for event in handler.stream_events():
        pieces += isinstance(event, AgentStream)
        messages += shown(event)
    messages.append({"answer": str(await handler)})
    print(json.dumps({"messages": messages, "pieces": pieces}))


def shown(event: Any) -> list[dict[str, Any]]:
    if isinstance(event, AgentOutput):
        calls = [{"id": call.tool_id, "args": call.tool_kwargs} for call in event.tool_calls]
        return [{"text": event.response.content, "calls": calls}]
    if isinstance(event, ToolCallResult):
        return [{"result_of": event.tool_id, "text": event.tool_output.content}]
    return []


if __name__ == "__main__":
    asyncio.run(main())
