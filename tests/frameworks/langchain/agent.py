"""An agent of LangChain, which runs on LangGraph: `python agent.py [stream]`."""

import json
import sys
from typing import Any

from langchain.agents import create_agent
from langchain.tools import tool

import cachesaver

cachesaver.install()


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


agent = create_agent("openai:gpt-5-mini", tools=[get_weather], system_prompt="Be brief.")
question = {"messages": [{"role": "user", "content": "Ask get_weather: how is it in Paris?"}]}


def main() -> None:
    pieces = 0
    if sys.argv[1:] == ["stream"]:
        for mode, state in agent.stream(question, stream_mode=["messages", "values"]):
            pieces += mode == "messages"
            if mode == "values":
                result = state
    else:
        result = agent.invoke(question)
    messages = [shown(each) for each in result["messages"]]
    print(json.dumps({"messages": messages, "pieces": pieces}))


def shown(message: Any) -> dict[str, Any]:
    return {
        "role": message.type,
        "text": message.text,
        "calls": getattr(message, "tool_calls", []),
        "result_of": getattr(message, "tool_call_id", None),
    }


if __name__ == "__main__":
    main()
