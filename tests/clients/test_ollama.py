"""The ollama SDK as it is: what it makes of recorded answers is what it made of the live ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ollama
import openai
import pytest
from pydantic import BaseModel

import cachesaver
from cachesaver.rehearsal import Rehearsal

NAMES_HOST = True
"""Its paths are anybody's; at home it is known by its port."""


class Country(BaseModel):
    name: str
    capital: str
    languages: list[str]


def get_weather(city: str, days: int) -> str:
    """Tell the weather.

    Args:
        city: Where.
        days: How far ahead.
    """
    return f"{city} in {days} days: sunny"


def made(url: str) -> Any:
    return ollama.Client(host=url)


def amade(url: str) -> Any:
    return ollama.AsyncClient(host=url)


def about(topic: str) -> Any:
    return {"model": "qwen3:4b", "messages": [{"role": "user", "content": topic}]}


def prompt(topic: str) -> Any:
    return {"model": "qwen3:4b", "prompt": topic}


def dumped(answer: Any) -> Any:
    return answer.model_dump(mode="json")


def items(found: Any) -> list[Any]:
    """What is in a list that may not be there."""
    return list(found or ())


def added(lines: Any) -> Any:
    """What a program makes of a stream: texts and calls added up, and how it ended."""
    told: list[Any] = [dumped(line) for line in lines]
    messages = [line["message"] for line in told]
    return {
        "thinking": "".join(message["thinking"] or "" for message in messages),
        "content": "".join(message["content"] or "" for message in messages),
        "calls": [call for message in messages for call in items(message["tool_calls"])],
        "logprobs": [each for line in told for each in items(line["logprobs"])],
        "end": {name: told[-1][name] for name in ("done_reason", "eval_count", "total_duration")},
    }


# --- programs: functions of the rehearsal's address


def chat(url: str) -> Any:
    said = [dumped(made(url).chat(**about("chat"))) for _ in range(2)]
    assert said[0]["message"]["content"] != said[1]["message"]["content"]
    return said


async def async_chat(url: str) -> Any:
    return dumped(await amade(url).chat(**about("async chat")))


def streamed(url: str) -> Any:
    return [dumped(line) for line in made(url).chat(**about("streamed"), stream=True)]


async def async_streamed(url: str) -> Any:
    stream = await amade(url).chat(**about("async streamed"), stream=True)
    return [dumped(line) async for line in stream]


def generated(url: str) -> Any:
    return dumped(made(url).generate(**prompt("generated"), system="Be brief."))


def generated_streamed(url: str) -> Any:
    return [dumped(line) for line in made(url).generate(**prompt("x"), stream=True)]


async def async_generated(url: str) -> Any:
    return dumped(await amade(url).generate(**prompt("async generated"), raw=True))


def with_context(url: str) -> Any:
    """A second prompt that goes on where the first answer ended."""
    first = made(url).generate(**prompt("with context"))
    return [dumped(first), dumped(made(url).generate(**prompt("and then"), context=first.context))]


def tools(url: str) -> Any:
    """A call, its result sent back, and the last word."""
    messages: list[Any] = [{"role": "user", "content": "Call get_weather for Rome."}]
    first = made(url).chat("qwen3:4b", messages=messages, tools=[get_weather])
    (call,) = first.message.tool_calls
    result = get_weather(**call.function.arguments)
    messages += [first.message, {"role": "tool", "content": result, "tool_name": "get_weather"}]
    return [
        dumped(first),
        dumped(made(url).chat("qwen3:4b", messages=messages, tools=[get_weather])),
    ]


def structured(url: str) -> Any:
    answer = made(url).chat(**about("Canada"), format=Country.model_json_schema())
    assert Country.model_validate_json(answer.message.content)
    return dumped(answer)


def json_mode(url: str) -> Any:
    return json.loads(made(url).generate(**prompt("In JSON."), format="json").response)


def thought(url: str) -> Any:
    answer = dumped(made(url).chat(**about("thought"), think=True))
    assert answer["message"]["thinking"]
    return answer


def told_its_chances(url: str) -> Any:
    return dumped(made(url).chat(**about("chances"), logprobs=True))


def embedded(url: str) -> Any:
    return dumped(made(url).embed("all-minilm", ["one", "two", "one"]))


async def async_embedded(url: str) -> Any:
    return dumped(await amade(url).embed("all-minilm", "three", dimensions=4))


def embedded_the_old_way(url: str) -> Any:
    return dumped(made(url).embeddings("all-minilm", "four"))


def embedded_bit_by_bit(url: str) -> Any:
    """Of three texts one is known: the other two are asked for."""
    embed = made(url).embed
    one, three = embed("all-minilm", "five"), embed("all-minilm", ["six", "five", "seven"])
    assert three.embeddings[1] == one.embeddings[0]
    assert three.prompt_eval_count == 3 * one.prompt_eval_count
    return [dumped(one), dumped(three)]


def through_openai(url: str) -> Any:
    """Ollama's own port speaks OpenAI's chat completions too."""
    client: Any = openai.OpenAI(base_url=f"{url}/v1", api_key="ollama", max_retries=0)
    return client.chat.completions.create(**about("through openai")).to_dict()


def whole_then_streamed(url: str) -> Any:
    """A sample recorded whole, and asked for as a stream."""
    ask = {**about("Call get_weather, whole, then streamed"), "tools": [get_weather], "think": True}
    whole = added([made(url).chat(**ask)])
    with cachesaver.namespace("other"):
        return [whole, added(made(url).chat(**ask, stream=True))]


def streamed_then_whole(url: str) -> Any:
    ask = {**about("streamed, then whole"), "think": "high", "logprobs": True}
    stream = added(made(url).chat(**ask, stream=True))
    with cachesaver.namespace("other"):
        return [stream, added([made(url).chat(**ask)])]


def generated_whole_then_streamed(url: str) -> Any:
    ask = {**prompt("whole, then streamed"), "think": True}
    whole = dumped(made(url).generate(**ask))
    with cachesaver.namespace("other"):
        lines = [dumped(line) for line in made(url).generate(**ask, stream=True)]
    last = {**lines[-1], "thinking": "".join(line["thinking"] or "" for line in lines)}
    return [whole, {**last, "response": "".join(line["response"] for line in lines)}]


def generated_streamed_then_whole(url: str) -> Any:
    ask = prompt("streamed, then whole")
    lines = [dumped(line) for line in made(url).generate(**ask, stream=True)]
    with cachesaver.namespace("other"):
        whole = dumped(made(url).generate(**ask))
    return [{**lines[-1], "response": "".join(line["response"] for line in lines)}, whole]


async def gathered(url: str) -> Any:
    client = amade(url)
    answers = await asyncio.gather(*(client.chat(**about("gathered")) for _ in range(5)))
    assert len({answer.message.content for answer in answers}) == 5
    return [dumped(answer) for answer in answers]


PROGRAMS = {
    program.__name__: program
    for program in (
        chat,
        async_chat,
        streamed,
        async_streamed,
        generated,
        generated_streamed,
        async_generated,
        with_context,
        tools,
        structured,
        json_mode,
        thought,
        told_its_chances,
        embedded,
        async_embedded,
        embedded_the_old_way,
        embedded_bit_by_bit,
        through_openai,
        whole_then_streamed,
        streamed_then_whole,
        generated_whole_then_streamed,
        generated_streamed_then_whole,
        gathered,
    )
}


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


def test_a_text_that_is_known_is_not_embedded_again(played: Any) -> None:
    assert played.bought["embedded_bit_by_bit"]["calls"] == 2


# --- what goes wrong


SAY = about("Say something.")

Clients = Callable[..., Any]
"""Makes a client that provokes *fault*, and closes it when the test is over."""


@pytest.fixture
def client() -> Iterator[Clients]:
    with contextlib.ExitStack() as opened:

        def made(url: str, fault: str = "") -> Any:
            headers = {"x-rehearsal-fault": fault} if fault else {}
            client: Any = ollama.Client(host=url, headers=headers)
            return opened.enter_context(client)

        yield made


@pytest.fixture
def provider() -> Iterator[Rehearsal]:
    with Rehearsal(seed=0, models=("qwen3:4b",)) as provider:
        yield provider


@pytest.fixture(params=[True, False], ids=["saved", "plain"])
def saved(request: Any, provider: Rehearsal, tmp_path: Path) -> Iterator[str]:
    """The provider's address, with cachesaver installed and without."""
    if not request.param:
        yield provider.url
        return
    with cachesaver.install(store=tmp_path, hosts=["127.0.0.1"], strict=True, quiet=True):
        yield provider.url


def test_a_model_that_is_not_there(saved: str, client: Clients) -> None:
    with pytest.raises(ollama.ResponseError, match="does not exist") as caught:
        client(saved).chat("nobody", messages=about("x")["messages"])

    assert caught.value.status_code == 404


@pytest.mark.parametrize("status", [400, 500, 503])
def test_an_error_answer(saved: str, provider: Rehearsal, client: Clients, status: int) -> None:
    for _ in range(2):
        with pytest.raises(ollama.ResponseError) as caught:
            client(saved, f"{status}").chat(**SAY)
        assert caught.value.status_code == status

    assert provider.calls().total.failed == 2
    assert client(saved).chat(**SAY).message.content


def test_an_error_in_a_stream(saved: str, provider: Rehearsal, client: Clients) -> None:
    """Given a stream that tells of an error, then so does the SDK, and nothing is kept of it."""
    for _ in range(2):
        with pytest.raises(ollama.ResponseError, match="overloaded"):
            list(client(saved, "error-event;after=2").chat(**SAY, stream=True))

    assert provider.calls().total.calls == 2
    assert provider.calls().total.samples == 2
    assert list(client(saved).chat(**SAY, stream=True))[-1].done


def test_who_walks_away_after_the_last_line_has_a_sample(
    provider: Rehearsal, client: Clients, tmp_path: Path
) -> None:
    with cachesaver.install(store=tmp_path, hosts=["127.0.0.1"], strict=True, quiet=True):
        for namespace in ("a", "b"):
            with cachesaver.namespace(namespace):
                for line in client(provider.url).chat(**SAY, stream=True):
                    if line.done:
                        break

    assert provider.calls().total.calls == 1


def test_a_model_is_loaded_and_shown_as_without_us(
    saved: str, provider: Rehearsal, client: Clients
) -> None:
    """Given no prompt, then the server is asked every time."""
    for _ in range(2):
        assert client(saved).generate("qwen3:4b", keep_alive=0).done_reason == "load"

    assert provider.calls().total.calls == 2
    assert provider.calls().total.samples == 0
