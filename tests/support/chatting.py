"""Programs that every SDK for chat completions is put through, and what must be true of them.

A test module says how its SDK is called (`Sdk`), adds programs of its own, and gets its tests from
`contract`. Programs run in processes of their own: see tests/clients/runner.py.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import cachesaver

__all__ = ["Sdk", "about", "contract", "programs", "stainless", "text_of", "thought"]

Program = Callable[[str], Any]
Ask = dict[str, Any]

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
VERDICT: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdict",
        "schema": {
            "type": "object",
            "properties": {"word": {"type": "string", "enum": ["sure", "likely", "impossible"]}},
            "required": ["word"],
        },
    },
}


@dataclass(frozen=True, kw_only=True)
class Sdk:
    """How an SDK is called, each time with the rehearsal's address and what is asked.

    Its other methods are programs.

    Attributes:
        create: Returns an answer.
        stream: Returns the chunks of one.
        acreate: Does the same on an event loop.
        astream: Does the same on an event loop.
        dumped: Everything an answer or a chunk tells, as JSON.
        takes_n: Whether it can ask for several choices.
    """

    create: Callable[[str, Ask], Any]
    stream: Callable[[str, Ask], Iterable[Any]]
    acreate: Callable[[str, Ask], Awaitable[Any]]
    astream: Callable[[str, Ask], Awaitable[list[Any]]]
    dumped: Callable[[Any], Any] = lambda told: told.model_dump(mode="json", warnings=False)
    takes_n: bool = True

    def said(self, url: str, ask: Ask) -> str:
        """Return the text of an answer."""
        content: str = self.create(url, ask).choices[0].message.content
        return content

    def whole(self, url: str) -> Any:
        return [self.dumped(self.create(url, about("whole"))) for _ in range(2)]

    def streamed(self, url: str) -> Any:
        return [self.dumped(chunk) for chunk in self.stream(url, about("streamed"))]

    async def awaited(self, url: str) -> Any:
        return self.dumped(await self.acreate(url, about("awaited")))

    async def async_streamed(self, url: str) -> Any:
        chunks = await self.astream(url, about("async streamed"))
        return [self.dumped(chunk) for chunk in chunks]

    def whole_then_streamed(self, url: str) -> Any:
        text = self.said(url, about("whole, then streamed"))
        with cachesaver.namespace("other"):
            return [text, text_of(self.stream(url, about("whole, then streamed")))]

    def streamed_then_whole(self, url: str) -> Any:
        text = text_of(self.stream(url, about("streamed, then whole")))
        with cachesaver.namespace("other"):
            return [self.said(url, about("streamed, then whole")), text]

    def tools(self, url: str) -> Any:
        """A call as a whole, and the same sample as a stream."""
        ask = about("Call get_weather for Rome.", tools=[WEATHER])
        answer = self.create(url, ask)
        call = answer.choices[0].message.tool_calls[0]
        with cachesaver.namespace("other"):
            chunks = list(self.stream(url, ask))
        told: list[Any] = [c for d in deltas_of(chunks) for c in d.tool_calls or ()]
        assert call.function.name == "get_weather"
        assert "".join(each.function.arguments or "" for each in told) == call.function.arguments
        return [self.dumped(answer), *map(self.dumped, chunks)]

    def structured(self, url: str) -> Any:
        word = json.loads(self.said(url, about("structured", response_format=VERDICT)))["word"]
        assert word in ("sure", "likely", "impossible")
        return word

    def one_five_one(self, url: str) -> Any:
        """One sample, five, and one again, each in a namespace of its own."""
        ask, told = about("one, five, one"), list[list[str]]()
        for place, count in enumerate((1, 5, 1)):
            with cachesaver.namespace(f"space {place}"):
                answer = self.create(url, {**ask, "n": count} if count > 1 else ask)
            told.append([choice.message.content for choice in answer.choices])
        return told

    def refused(self, url: str) -> Any:
        """What the SDK raises when the provider refuses."""
        try:
            self.create(url, about("refused", temperature=99))
        except Exception as error:  # noqa: BLE001  # told to the test
            return [type(error).__name__, "temperature" in str(error)]
        return "not refused"


def stainless(make: Callable[..., Any], amake: Callable[..., Any], prefix: str = "/v1") -> Sdk:
    """Return an SDK that is generated as OpenAI's is.

    Args:
        make: Its client.
        amake: Its client for event loops.
        prefix: Of the paths, as a part of its base URL.
    """
    named: Any = {"api_key": "k", "max_retries": 0}

    def create(url: str, ask: Ask) -> Any:
        with make(base_url=url + prefix, **named) as client:
            return client.chat.completions.create(**ask)

    def stream(url: str, ask: Ask) -> Any:
        with make(base_url=url + prefix, **named) as client:
            yield from client.chat.completions.create(**ask, stream=True)

    async def acreate(url: str, ask: Ask) -> Any:
        async with amake(base_url=url + prefix, **named) as client:
            return await client.chat.completions.create(**ask)

    async def astream(url: str, ask: Ask) -> Any:
        async with amake(base_url=url + prefix, **named) as client:
            chunks = await client.chat.completions.create(**ask, stream=True)
            return [chunk async for chunk in chunks]

    return Sdk(create=create, stream=stream, acreate=acreate, astream=astream)


def about(topic: str, **more: Any) -> Ask:
    """Return a question."""
    return {"model": "some-model", "messages": [{"role": "user", "content": topic}], **more}


def text_of(chunks: Iterable[Any]) -> str:
    """Return the text that *chunks* add up to."""
    return text_told(deltas_of(chunks))


def deltas_of(chunks: Iterable[Any]) -> list[Any]:
    return [chunk.choices[0].delta for chunk in chunks if chunk.choices]


def thought(sdk: Sdk, field: str, **asked: Any) -> Program:
    """Return a program: the thought in *field* of a sample recorded whole, asked for as a stream.

    Args:
        sdk: Who asks.
        field: Of a message and of the deltas of one.
        asked: What makes the provider tell it.
    """

    def thought_then_streamed(url: str) -> Any:
        ask = about("thought", **asked)
        message = sdk.create(url, ask).choices[0].message
        with cachesaver.namespace("other"):
            deltas = deltas_of(sdk.stream(url, ask))
        assert text_told(deltas) == message.content
        return [getattr(message, field), text_told(deltas, field)]

    return thought_then_streamed


def text_told(deltas: Iterable[Any], field: str = "content") -> str:
    return "".join(getattr(delta, field, None) or "" for delta in deltas)


def programs(sdk: Sdk, *others: Program) -> Mapping[str, Program]:
    """Return the programs for *sdk*, and *others*, by their names."""
    several = (sdk.one_five_one,) if sdk.takes_n else ()
    every: tuple[Program, ...] = (
        *(sdk.whole, sdk.streamed, sdk.awaited, sdk.async_streamed),
        *(sdk.whole_then_streamed, sdk.streamed_then_whole),
        *(sdk.tools, sdk.structured, sdk.refused),
        *several,
        *others,
    )
    return {program.__name__: program for program in every}


def contract(named: Mapping[str, Program]) -> type:
    """Return the tests for the programs *named*, to be collected where they are assigned."""
    bought_once = [name for name in named if name != "refused"]
    either_form = [name for name in named if "_then_" in name]

    class Contract:
        @pytest.mark.parametrize("name", bought_once)
        def test_said_again_without_a_call(self, played: Any, name: str) -> None:
            """Given a first run, then every later one gets equal objects, and the provider no call."""
            played.assert_bought_once(name)

        @pytest.mark.parametrize("name", either_form)
        def test_either_form_serves_the_other(self, played: Any, name: str) -> None:
            """Given a sample recorded in one form, when asked for in the other, it says the same."""
            played.assert_one_sample(name)

        def test_a_refusal_is_passed_on_and_stored_nowhere(self, played: Any) -> None:
            first = played.bought["refused"]

            assert first["said"][1] is True, first
            assert first["calls"] > 0
            assert played.again["refused"] == played.fresh["refused"] == first

        def test_of_five_one_was_known(self, played: Any) -> None:
            """Given one sample, when five are asked for, then four are bought; then the first again."""
            one, five, again = played.bought["one_five_one"]["said"]

            assert one == again == five[:1]
            assert len(set(five)) == 5
            assert played.bought["one_five_one"]["calls"] == 2

    if "one_five_one" not in named:
        del Contract.test_of_five_one_was_known
    return Contract
