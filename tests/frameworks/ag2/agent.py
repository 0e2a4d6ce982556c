"""An agent of AG2: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from ag2 import Agent, tool
from ag2.config import OpenAIConfig
from ag2.events import ModelMessageChunk, ModelResponse, ToolResultEvent
from ag2.stream import MemoryStream

import cachesaver

cachesaver.install()


@tool
async def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


agent = Agent(
    "weather",
    prompt="Be brief.",
    config=OpenAIConfig(model="gpt-5-mini"),
    tools=[get_weather],
)
QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    stream = MemoryStream()
    pieces: list[ModelMessageChunk] = []

    async def note(piece: ModelMessageChunk) -> None:
        pieces.append(piece)

    stream.where(ModelMessageChunk).subscribe(note)
    config = OpenAIConfig(model="gpt-5-mini", streaming=sys.argv[1:] == ["stream"])
    reply = await agent.ask(QUESTION, config=config, stream=stream)
    messages = [shown(each) for each in await reply.history.get_events()]
    print(json.dumps({"messages": [*filter(None, messages)], "pieces": len(pieces)}))


def shown(event: Any) -> dict[str, Any] | None:
    if isinstance(event, ModelResponse):
        calls = [{"id": call.id, "args": call.arguments} for call in event.tool_calls.calls]
        return {"role": "assistant", "text": event.content, "calls": calls}
    if isinstance(event, ToolResultEvent):
        text = [part.content for part in event.result.parts]
        return {"role": "tool", "result_of": event.parent_id, "text": text}
    return None


if __name__ == "__main__":
    asyncio.run(main())
