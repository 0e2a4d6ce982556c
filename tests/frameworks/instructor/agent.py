"""Structured answers by Instructor: `python agent.py [stream]`."""

import asyncio
import json
import sys
from typing import Annotated, Any

import instructor
from pydantic import AfterValidator, BaseModel

import cachesaver

cachesaver.install()


def even(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


class Weather(BaseModel):
    city: str
    degrees: Annotated[int, AfterValidator(even)]


def ask(client: Any, **more: Any) -> Any:
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    return client.create(
        response_model=Weather, messages=question, max_retries=20, max_tokens=999, **more
    )


MODELS = ("openai/gpt-5-mini", "anthropic/claude-haiku-4-5")


class Report(BaseModel):
    city: str
    degrees: int


def main() -> None:
    if sys.argv[1:] == ["stream"]:
        parts = [part for model in MODELS for part in streamed(model)]
        print(json.dumps({"messages": parts, "pieces": len(parts)}))
        return
    answers = [ask(instructor.from_provider(model)) for model in MODELS]
    answers += [answer for model in MODELS for answer in asyncio.run(at_once(model))]
    messages = [{"role": "assistant", "text": answer.model_dump_json()} for answer in answers]
    print(json.dumps({"messages": messages, "pieces": 0}))


async def at_once(model: str) -> list[Weather]:
    client = instructor.from_provider(model, async_client=True)
    return await asyncio.gather(*(ask(client) for _ in range(3)))


def streamed(model: str) -> list[dict[str, Any]]:
    client = instructor.from_provider(model)
    question: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    parts = client.create_partial(response_model=Report, messages=question, max_tokens=999)
    return [{"role": "assistant", "text": part.model_dump_json()} for part in parts]


if __name__ == "__main__":
    main()
