"""An agent of DSPy: `python agent.py [stream]`."""

import asyncio
import json
import os
import sys
from typing import Any

import dspy

import cachesaver

cachesaver.install()


def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"It is sunny in {city}."


lm = dspy.LM("openai/gpt-5-mini", cache=False)
dspy.configure(lm=lm)
agent = dspy.ReAct("question -> answer", tools=[get_weather])
QUESTION = "Ask get_weather: how is it in Paris?"


async def main() -> None:
    lm.kwargs["api_base"] = os.environ["PROVIDER_URL"]  # instead of OpenAI's
    pieces = 0
    if sys.argv[1:] == ["stream"]:
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        streamed = dspy.streamify(agent, stream_listeners=[listener])
        async for piece in streamed(question=QUESTION):
            pieces += isinstance(piece, dspy.streaming.StreamResponse)
            if isinstance(piece, dspy.Prediction):
                result = piece
    else:
        result = agent(question=QUESTION)
    steps = (len(result.trajectory) + 3) // 4
    messages = [each for step in range(steps) for each in shown(result.trajectory, step)]
    print(json.dumps({"messages": [*messages, {"answer": result.answer}], "pieces": pieces}))


def shown(trajectory: dict[str, Any], step: int) -> list[dict[str, Any]]:
    """Return a step's call, which has no id but its number, and its result."""
    name, given = trajectory[f"tool_name_{step}"], trajectory[f"tool_args_{step}"]
    return [
        {
            "text": trajectory[f"thought_{step}"],
            "calls": [{"id": step, "name": name, "args": given}],
        },
        {"result_of": step, "text": trajectory[f"observation_{step}"]},
    ]


if __name__ == "__main__":
    asyncio.run(main())
