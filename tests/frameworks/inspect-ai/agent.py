"""An evaluation by Inspect: `python agent.py`."""

import json
from typing import Any

from inspect_ai import Task
from inspect_ai import eval as evaluate
from inspect_ai.agent import react
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.tool import Tool, tool

import cachesaver

cachesaver.install()


@tool
def get_weather() -> Tool:
    async def execute(city: str) -> str:
        """Get the weather of a city.

        Args:
            city: Which one.
        """
        return f"It is sunny in {city}."

    return execute


cities = ("Paris", "Rome", "Oslo", "Lima")
weather = Task(
    dataset=[Sample(f"Ask get_weather: how is it in {city}?", target="7") for city in cities],
    solver=react(tools=[get_weather()]),
    scorer=includes(),
    epochs=3,
)


def main() -> None:
    models = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]
    logs = evaluate(weather, model=models, display="none", log_dir="logs")
    samples = [sample for log in logs for sample in log.samples or []]
    samples.sort(key=lambda each: (each.output.model, each.id, each.epoch))
    messages = [shown(message) for sample in samples for message in sample.messages]
    scores = [sample.scores for sample in samples]
    print(json.dumps({"messages": messages, "scores": [score_of(each) for each in scores]}))


def score_of(scores: Any) -> Any:
    return scores["includes"].value


def shown(message: Any) -> dict[str, Any]:
    calls = getattr(message, "tool_calls", None) or []
    return {
        "role": message.role,
        "text": message.text,
        "calls": [
            {"id": call.id, "name": call.function, "arguments": call.arguments} for call in calls
        ],
        "result_of": getattr(message, "tool_call_id", None),
    }


if __name__ == "__main__":
    main()
