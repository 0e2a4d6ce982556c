"""huggingface_hub's text generation as it is, against a server of one's own."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GenerationError, OverloadedError

import cachesaver
from cachesaver.rehearsal import Rehearsal

NAMES_HOST = True
"""The client posts to /, a path that anybody has."""


def made(url: str) -> Any:
    return huggingface_hub.InferenceClient(model=url, token="k")


def amade(url: str) -> Any:
    return huggingface_hub.AsyncInferenceClient(model=url, token="k")


def items(found: Any) -> list[Any]:
    """What is in a list that may not be there."""
    return list(found or ())


def texts(stream: Any) -> Any:
    """What a program makes of a stream with details: its tokens, and the last one's own."""
    told = list(stream)
    last = told[-1]
    return {
        "text": last.generated_text,
        "tokens": [dict(each.token) for each in told],
        "tops": [[dict(token) for token in items(each.top_tokens)] for each in told],
        "end": [last.details.finish_reason, last.details.generated_tokens, last.details.seed],
    }


def of_whole(answer: Any) -> Any:
    details = answer.details
    return {
        "text": answer.generated_text,
        "tokens": [dict(token) for token in details.tokens],
        "tops": [[dict(token) for token in items(top)] for top in items(details.top_tokens)],
        "end": [details.finish_reason, details.generated_tokens, details.seed],
    }


def posted(url: str, path: str, body: Any) -> str:
    """What a client of no SDK reads at *path*."""
    with httpx2.Client() as client:
        return client.post(url + path, json=body).text


# --- programs: functions of the rehearsal's address


def text(url: str) -> Any:
    said = [made(url).text_generation("text", max_new_tokens=12) for _ in range(2)]
    assert said[0] != said[1]
    return said


async def async_text(url: str) -> Any:
    async with amade(url) as client:
        return await client.text_generation("async text", max_new_tokens=12)


def streamed(url: str) -> Any:
    with made(url) as client:  # a stream ends with its client
        return list(client.text_generation("streamed", max_new_tokens=12, stream=True))


async def async_streamed(url: str) -> Any:
    async with amade(url) as client:
        stream = await client.text_generation("async streamed", stream=True, details=True)
        return [dict(each) async for each in stream]


def detailed(url: str) -> Any:
    answer = made(url).text_generation("detailed", details=True, return_full_text=True)
    assert answer.generated_text.startswith("detailed")
    return of_whole(answer)


def best_of(url: str) -> Any:
    return of_whole(made(url).text_generation("best", details=True, best_of=2, do_sample=True))


def either_form_of_a_plain_text(url: str) -> Any:
    """Without details the two forms are two questions, each with a sample of its own."""
    generate = made(url).text_generation
    return [generate("plain"), "".join(generate("plain", stream=True))]


def at_generate(url: str) -> Any:
    body = {"inputs": "at generate", "parameters": {"max_new_tokens": 5}}
    whole = posted(url, "/generate", body)
    assert "generated_text" in json.loads(whole)
    return [whole, posted(url, "/generate_stream", body)]


def whole_then_streamed(url: str) -> Any:
    """A sample recorded whole, and asked for as a stream."""
    generate, ask = made(url).text_generation, {"details": True, "top_n_tokens": 2}
    whole = of_whole(generate("whole, then streamed", **ask))
    with cachesaver.namespace("other"):
        return [whole, texts(generate("whole, then streamed", stream=True, **ask))]


def streamed_then_whole(url: str) -> Any:
    generate, ask = made(url).text_generation, {"details": True, "top_n_tokens": 1}
    stream = texts(generate("streamed, then whole", stream=True, **ask))
    with cachesaver.namespace("other"):
        return [stream, of_whole(generate("streamed, then whole", **ask))]


def at_generate_then_at_generate_stream(url: str) -> Any:
    body = {"inputs": "at both", "parameters": {"details": True}}
    whole = json.loads(posted(url, "/generate", body))["generated_text"]
    with cachesaver.namespace("other"):
        events = posted(url, "/generate_stream", body).split("data:")
    return [whole, json.loads(events[-1])["generated_text"]]


async def gathered(url: str) -> Any:
    async with amade(url) as client:
        said = await asyncio.gather(*(client.text_generation("gathered") for _ in range(4)))
    assert len(set(said)) == 4
    return said


PROGRAMS = {
    program.__name__: program
    for program in (
        text,
        async_text,
        streamed,
        async_streamed,
        detailed,
        best_of,
        either_form_of_a_plain_text,
        at_generate,
        whole_then_streamed,
        streamed_then_whole,
        at_generate_then_at_generate_stream,
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


# --- what goes wrong


@pytest.fixture
def provider() -> Iterator[Rehearsal]:
    with Rehearsal(seed=0) as provider:
        yield provider


@pytest.fixture(params=[True, False], ids=["saved", "plain"])
def saved(request: Any, provider: Rehearsal, tmp_path: Path) -> Iterator[str]:
    """The provider's address, with cachesaver installed and without."""
    if not request.param:
        yield provider.url
        return
    with cachesaver.install(store=tmp_path, hosts=["127.0.0.1"], strict=True, quiet=True):
        yield provider.url


Clients = Callable[..., Any]
"""Makes the text generation of a client that provokes a fault; it is closed with the test."""


@pytest.fixture
def asking() -> Iterator[Clients]:
    with contextlib.ExitStack() as opened:

        def made(url: str, fault: str = "") -> Any:
            headers = {"x-rehearsal-fault": fault} if fault else {}
            client = huggingface_hub.InferenceClient(model=url, token="k", headers=headers)
            ask: Any = opened.enter_context(client).text_generation
            return partial(ask, "Say something.", details=True)

        yield made


def test_an_error_answer(saved: str, provider: Rehearsal, asking: Clients) -> None:
    for _ in range(2):
        with pytest.raises(GenerationError):
            asking(saved, "500")()

    assert provider.calls().total.failed == 2
    assert asking(saved)().generated_text


def test_an_error_in_a_stream(saved: str, provider: Rehearsal, asking: Clients) -> None:
    """Given a stream that tells of an error, then so does the client, and nothing is kept of it."""
    for _ in range(2):
        with pytest.raises(OverloadedError):
            list(asking(saved, "error-event;after=2")(stream=True))

    assert provider.calls().total.calls == 2
    assert list(asking(saved)(stream=True))[-1].generated_text


def test_who_walks_away_after_the_last_event_has_a_sample(
    provider: Rehearsal, asking: Clients, tmp_path: Path
) -> None:
    with cachesaver.install(store=tmp_path, hosts=["127.0.0.1"], strict=True, quiet=True):
        for namespace in ("a", "b"):
            with cachesaver.namespace(namespace):
                for event in asking(provider.url)(stream=True):
                    if event.generated_text is not None:
                        break

    assert provider.calls().total.calls == 1
