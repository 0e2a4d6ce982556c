"""The cohere SDK as it is: what it makes of recorded answers is what it made of the live ones.

Its own mark tells its requests from others on the rehearsal's address, so nothing is named here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
from cohere.core.api_error import ApiError

import cachesaver

MODEL = "command-a-03-2025"
EMBED: Any = {"model": "embed-v4.0", "input_type": "search_document"}
RANK: Any = {
    "model": "rerank-v3.5",
    "query": "river",
    "documents": ["a stone", "a river", "a bird"],
}
DOCUMENTS: Any = [{"id": "d", "data": {"title": "T", "text": "The river is long."}}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
OLD_WEATHER: Any = {
    "name": "get_weather",
    "description": "The weather.",
    "parameter_definitions": {"city": {"type": "str", "required": True}},
}


def made(url: str) -> Any:
    return cohere.ClientV2(api_key="k", base_url=url, max_retries=0)


def amade(url: str) -> Any:
    return cohere.AsyncClientV2(api_key="k", base_url=url, max_retries=0)


def old(url: str) -> Any:
    return cohere.Client(api_key="k", base_url=url, max_retries=0)


def about(topic: str) -> Any:
    return {"model": MODEL, "messages": [{"role": "user", "content": topic}]}


def dumped(answer: Any) -> Any:
    return answer.model_dump(mode="json", warnings=False)


def aggregated(events: Any) -> Any:
    """The text and the last word of a stream, as a program puts them together."""
    text = "".join(
        event.delta.message.content.text or "" for event in events if event.type == "content-delta"
    )
    return [text, dumped(events[-1].delta)]


# --- programs: functions of the rehearsal's address


def whole(url: str) -> Any:
    return [dumped(made(url).chat(**about("whole"))) for _ in range(2)]


async def awaited(url: str) -> Any:
    async with amade(url) as client:
        return dumped(await client.chat(**about("awaited")))


def streamed(url: str) -> Any:
    return [dumped(event) for event in made(url).chat_stream(**about("streamed"))]


async def async_streamed(url: str) -> Any:
    async with amade(url) as client:
        return [dumped(event) async for event in client.chat_stream(**about("async streamed"))]


def left_at_the_last_word(url: str) -> Any:
    """A consumer that never reads the closing `[DONE]`."""
    told: list[Any] = []
    for event in made(url).chat_stream(**about("left early")):
        told.append(dumped(event))
        if event.type == "message-end":
            break
    return told


def tools(url: str) -> Any:
    """A call, its result sent back, and the last word."""
    client, ask = made(url), about("Call get_weather for Rome.")
    first = client.chat(**ask, tools=[WEATHER])
    (call,) = first.message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    ask["messages"] += [first.message.model_dump(exclude_none=True), result]
    return [dumped(first), dumped(client.chat(**ask, tools=[WEATHER]))]


def tools_streamed(url: str) -> Any:
    stream = made(url).chat_stream(**about("Call get_weather now."), tools=[WEATHER])
    return [dumped(event) for event in stream]


def structured(url: str) -> Any:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    format_ = {"type": "json_object", "json_schema": schema}
    return dumped(made(url).chat(**about("structured"), response_format=format_))


def everything(url: str) -> Any:
    """Thought, text, citations and log probabilities, whole and then as a stream."""
    ask = {**about("everything"), "documents": DOCUMENTS, "thinking": {"type": "enabled"}}
    answer = made(url).chat(**ask, logprobs=True)
    with cachesaver.namespace("other"):
        events = list(made(url).chat_stream(**ask, logprobs=True))
    text, end = aggregated(events)
    assert text == answer.message.content[1].text
    assert end["usage"] == dumped(answer.usage)
    cited = [e.delta.message.citations for e in events if e.type == "citation-start"]
    assert cited == answer.message.citations != []
    told = [e.logprobs for e in events if e.type == "content-delta"]
    assert told == answer.logprobs
    return [dumped(answer), [dumped(event) for event in events]]


def whole_then_streamed(url: str) -> Any:
    text = made(url).chat(**about("whole, then streamed")).message.content[0].text
    with cachesaver.namespace("other"):
        events = list(made(url).chat_stream(**about("whole, then streamed")))
    return [text, aggregated(events)[0]]


def streamed_then_whole(url: str) -> Any:
    events = list(made(url).chat_stream(**about("streamed, then whole")))
    with cachesaver.namespace("other"):
        answer = made(url).chat(**about("streamed, then whole"))
    return [answer.message.content[0].text, aggregated(events)[0]]


def tools_streamed_then_whole(url: str) -> Any:
    ask = about("Call get_weather, streamed, then whole.")
    events = list(made(url).chat_stream(**ask, tools=[WEATHER]))
    arguments = [
        event.delta.message.tool_calls.function.arguments
        for event in events
        if event.type == "tool-call-delta"
    ]
    with cachesaver.namespace("other"):
        (call,) = made(url).chat(**ask, tools=[WEATHER]).message.tool_calls
    return [call.function.arguments, "".join(arguments)]


async def gathered(url: str) -> Any:
    async with amade(url) as client:
        asked = [client.chat(**about("gathered")) for _ in range(4)]
        answers = await asyncio.gather(*asked)
    assert len({answer.message.content[0].text for answer in answers}) == 4
    return [dumped(answer) for answer in answers]


def version_1(url: str) -> Any:
    return dumped(old(url).chat(message="one", chat_history=[{"role": "USER", "message": "zero"}]))


def version_1_streamed(url: str) -> Any:
    return [dumped(event) for event in old(url).chat_stream(message="one, streamed")]


def version_1_tools(url: str) -> Any:
    first = old(url).chat(message="Call get_weather.", tools=[OLD_WEATHER])
    results = [{"call": dumped(call), "outputs": [{"sky": "blue"}]} for call in first.tool_calls]
    second = old(url).chat(
        message="", chat_history=first.chat_history, tools=[OLD_WEATHER], tool_results=results
    )
    return [dumped(first), dumped(second)]


def version_1_whole_then_streamed(url: str) -> Any:
    ask: Any = {"message": "one, whole, then streamed", "documents": [{"text": "x"}]}
    answer = old(url).chat(**ask)
    with cachesaver.namespace("other"):
        events = list(old(url).chat_stream(**ask))
    assert dumped(events[-1].response) == dumped(answer)
    cited = [each for e in events if e.event_type == "citation-generation" for each in e.citations]
    assert cited == answer.citations
    return [answer.text, "".join(e.text for e in events if e.event_type == "text-generation")]


def version_1_streamed_then_whole(url: str) -> Any:
    ask: Any = {"message": "Call get_weather, whole.", "tools": [OLD_WEATHER]}
    events = list(old(url).chat_stream(**ask))
    with cachesaver.namespace("other"):
        answer = old(url).chat(**ask)
    assert dumped(answer) == dumped(events[-1].response)
    return [str(answer.tool_calls), str(events[-2].tool_calls)]


def embedded(url: str) -> Any:
    """Two batches that overlap: what is in both has one embedding."""
    kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    one = made(url).embed(**EMBED, texts=["a", "b", "a"], embedding_types=kinds)
    two = made(url).embed(**EMBED, texts=["c", "b"], embedding_types=kinds)
    assert one.texts == ["a", "b", "a"]
    for kind in ("float_", *kinds[1:]):
        first, second = getattr(one.embeddings, kind), getattr(two.embeddings, kind)
        assert first[0] == first[2] != first[1] == second[1], kind
    return [dumped(one), dumped(two)]


def embedded_in_threads(url: str) -> Any:
    """200 texts: the SDK makes three requests of them, in threads."""
    answer = old(url).embed(model="embed-english-v3.0", texts=[str(n) for n in range(200)])
    assert len(answer.embeddings) == 200
    return dumped(answer)


async def async_embedded(url: str) -> Any:
    async with cohere.AsyncClient(api_key="k", base_url=url) as client:
        answer = await client.embed(
            model="embed-english-v3.0", texts=[str(n) for n in range(100, 300)]
        )
    return dumped(answer)


def embedded_images(url: str) -> Any:
    return dumped(
        made(url).embed(**EMBED, images=["data:image/png;base64,AA==", "data:image/gif;x"])
    )


def embedded_inputs(url: str) -> Any:
    inputs: Any = [{"content": [{"type": "text", "text": text}]} for text in "ab"]
    return dumped(made(url).embed(**EMBED, inputs=inputs))


def ranked(url: str) -> Any:
    best = made(url).rerank(**RANK, top_n=2)
    assert best.results[0].index == 1
    return [dumped(best), dumped(old(url).rerank(**RANK, return_documents=True))]


async def async_ranked(url: str) -> Any:
    async with amade(url) as client:
        return dumped(await client.rerank(**RANK, max_tokens_per_doc=9))


def tokenized(url: str) -> Any:
    tokens = made(url).tokenize(text="hello world", model=MODEL, offline=False)
    text = made(url).detokenize(tokens=tokens.tokens, model=MODEL, offline=False)
    assert text.text == "hello world"
    return [dumped(tokens), dumped(text)]


PROGRAMS = {
    program.__name__: program
    for program in (
        whole,
        awaited,
        streamed,
        async_streamed,
        left_at_the_last_word,
        tools,
        tools_streamed,
        structured,
        everything,
        whole_then_streamed,
        streamed_then_whole,
        tools_streamed_then_whole,
        gathered,
        version_1,
        version_1_streamed,
        version_1_tools,
        version_1_whole_then_streamed,
        version_1_streamed_then_whole,
        embedded,
        embedded_in_threads,
        async_embedded,
        embedded_images,
        embedded_inputs,
        ranked,
        async_ranked,
        tokenized,
    )
}

CALLS = {
    "whole": 2,
    "embedded": 2,  # the second for what the first did not have
    "embedded_in_threads": 3,
    "async_embedded": 2,  # of three batches, the first is known by then
    "ranked": 2,
}
"""Requests that reach the provider the first time; one where nothing is said."""


# --- what must be true of them


@pytest.mark.parametrize("name", PROGRAMS)
def test_said_again_without_a_call(played: Any, name: str) -> None:
    """Given a first run, then every later one gets equal objects, and the provider no call."""
    played.assert_bought_once(name)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "_then_" in name])
def test_either_form_serves_the_other(played: Any, name: str) -> None:
    """Given a sample recorded in one form, when asked for in the other, then it says the same."""
    played.assert_one_sample(name)


@pytest.mark.parametrize("name", CALLS)
def test_no_more_is_bought_than_is_needed(played: Any, name: str) -> None:
    assert played.bought[name]["calls"] == CALLS[name]


# --- what goes wrong


def failing(fault: str) -> Any:
    return {"additional_headers": {"x-rehearsal-fault": fault}}


@pytest.fixture
def client(rehearsal: Any) -> Iterator[Any]:
    with made(rehearsal.url) as client:
        yield client


@pytest.fixture
def session() -> Iterator[cachesaver.Session]:
    with cachesaver.install(store="memory://", quiet=True, strict=True) as session:
        yield session


def ask(client: Any, name: str, **options: Any) -> Any:
    match name:
        case "chat":
            return client.chat(**about("x"), **options)
        case "stream":
            return list(client.chat_stream(**about("x"), **options))
        case "embed":
            return client.embed(**EMBED, texts=["a", "b"], **options)
        case _:
            return client.rerank(**RANK, **options)


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("name", ["chat", "stream", "embed", "rerank"])
def test_an_error_is_the_sdks_own_and_is_not_kept(
    client: Any, session: cachesaver.Session, name: str, status: int
) -> None:
    with pytest.raises(ApiError) as raised:
        ask(client, name, request_options=failing(str(status)))

    assert raised.value.status_code == status
    assert set(raised.value.body) == {"id", "message"}
    assert session.store.summary().samples == 0


@pytest.mark.parametrize(
    ("fault", "end"), [("error-event", "message-end"), ("cut-stream", "RemoteProtocolError")]
)
def test_a_stream_that_breaks_is_passed_on_and_not_kept(
    client: Any, session: cachesaver.Session, fault: str, end: str
) -> None:
    told = list[str]()
    try:
        for event in client.chat_stream(
            **about("broken"), request_options=failing(f"{fault};after=4")
        ):
            told.append(event.type)
    except Exception as error:  # noqa: BLE001  # the client library's own
        told.append(type(error).__name__)

    assert told[:2] == ["message-start", "content-start"]
    assert told[-1] == end
    assert session.store.summary().samples == 0
