"""An agent of Pydantic AI: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Any

from pydantic_ai import Agent

import cachesaver

cachesaver.install()

agent = Agent("openai:gpt-5-mini", instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    pieces = 0
    if sys.argv[1:] == ["stream"]:
        async with agent.run_stream(QUESTION) as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                pieces += 1
    else:
        result = await agent.run(QUESTION)
    messages = [shown(part) for each in result.all_messages() for part in each.parts]
    print(json.dumps({"messages": messages, "pieces": pieces}))


def shown(part: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"role": part.part_kind}
    if part.part_kind == "tool-call":
        return said | {"calls": [{"id": part.tool_call_id, "args": part.args_as_dict()}]}
    if part.part_kind == "tool-return":
        said["result_of"] = part.tool_call_id
    return said | {"text": part.content}


if __name__ == "__main__":
    asyncio.run(main())
