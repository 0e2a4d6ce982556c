"""An agent of Haystack: `python agent.py [stream]`."""

import json
import sys
from typing import Annotated, Any

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool

import cachesaver

cachesaver.install()


@tool
def get_weather(city: Annotated[str, "Which one"]) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


agent = Agent(
    chat_generator=OpenAIChatGenerator(model="gpt-5-mini"),
    tools=[get_weather],
    system_prompt="Be brief.",
)
pipeline = Pipeline()
pipeline.add_component("agent", agent)
question = [ChatMessage.from_user("Ask get_weather: how is it in Paris?")]


def main() -> None:
    pieces: list[Any] = []
    streaming = {"streaming_callback": pieces.append} if sys.argv[1:] == ["stream"] else {}
    result = pipeline.run({"agent": {"messages": question, **streaming}})
    messages = [shown(each) for each in result["agent"]["messages"]]
    print(json.dumps({"messages": messages, "pieces": len(pieces)}))


def shown(message: ChatMessage) -> dict[str, Any]:
    results = [each.to_dict() for each in message.tool_call_results]
    return {
        "role": message.role.value,
        "text": message.text,
        "calls": [call.to_dict() for call in message.tool_calls],
        "results": results,
        "result_of": results[0]["origin"]["id"] if results else None,
    }


if __name__ == "__main__":
    main()
