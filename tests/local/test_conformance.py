"""What `transformers serve` (5.23) gets wrong, each as a test on ours.

Seen by running it; /docs/how-to/local-models.md tells users. A row is one of its defects.
"""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
from importlib.util import find_spec
from typing import Any

import httpx
import openai
import pytest

import local_app
from cachesaver.local.server import Server

USER: list[Any] = [{"role": "user", "content": "the quick brown fox"}]
GO_ON = {"ignore_eos": True}

needs_llguidance = pytest.mark.skipif(
    find_spec("llguidance") is None, reason="needs cachesaver[structured]"
)


@pytest.fixture(scope="module")
def server() -> Any:
    with local_app.start() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    given: dict[str, Any] = {
        "model": "tiny",
        "messages": USER,
        "max_tokens": 20,
        "extra_body": GO_ON,
    }
    return client.chat.completions.create(**{**given, **fields})


def text(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def test_n_is_not_ignored(client: openai.OpenAI) -> None:
    assert len({choice.message.content for choice in ask(client, n=5).choices}) == 5


def test_logprobs_are_not_ignored(client: openai.OpenAI) -> None:
    assert len(ask(client, logprobs=True, logit_bias={70: 100}).choices[0].logprobs.content) == 20


@needs_llguidance
def test_a_response_format_is_not_ignored(client: openai.OpenAI) -> None:
    schema = {"name": "s", "schema": {"enum": ["yes", "no"]}}

    answer = ask(client, response_format={"type": "json_schema", "json_schema": schema})

    assert json.loads(text(answer)) in ("yes", "no")


@needs_llguidance
def test_a_tool_choice_is_not_ignored(client: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    tool: Any = {"type": "function", "function": {"name": "go", "parameters": parameters}}

    answer = ask(client, tools=[tool], tool_choice="required", max_tokens=60)

    assert answer.choices[0].message.tool_calls[0].function.name == "go"


def test_what_is_not_supported_is_never_ignored(client: openai.OpenAI) -> None:
    for name in ("prediction", "reasoning_effort", "invented"):
        with pytest.raises(openai.BadRequestError) as raised:
            ask(client, extra_body={name: "low"})
        assert raised.value.param == name


def test_the_stop_text_is_not_left_in_the_answer(client: openai.OpenAI) -> None:
    free = text(ask(client, seed=5))
    stop = free[6:9]

    answer = ask(client, seed=5, stop=stop)

    assert text(answer) == free[: free.index(stop)]
    assert answer.choices[0].finish_reason == "stop"


def test_the_first_requests_settings_do_not_rule_later_ones(client: openai.OpenAI) -> None:
    """Given requests under way together, each with its own settings, then each has its own answer."""
    settings: list[dict[str, Any]] = [
        {"temperature": 0},
        {"temperature": 2, "seed": 1},
        {"temperature": 0.5, "seed": 2, "top_p": 0.5},
        {"seed": 3, "logit_bias": {70: 100}},
        {"seed": 4, "max_tokens": 5},
    ]
    alone = [text(ask(client, **each)) for each in settings]

    with concurrent.futures.ThreadPoolExecutor(len(settings)) as pool:
        together = [*pool.map(lambda each: text(ask(client, **each)), settings)]

    assert together == alone
    assert len(set(alone)) == len(alone)


def test_seeds_are_reproducible_under_concurrency(client: openai.OpenAI) -> None:
    alone = text(ask(client, seed=77))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        crowd = [pool.submit(ask, client, seed=77 if at % 4 == 0 else at) for at in range(16)]
        among = [text(crowd[at].result()) for at in range(0, 16, 4)]

    assert among == [alone] * 4


def test_a_stream_ends_with_done(server: Server) -> None:
    body = {"model": "tiny", "messages": USER, "max_tokens": 3, "stream": True}

    lines = httpx.post(f"{server.openai_url}/chat/completions", json=body).text.split("\n\n")

    assert lines[-2:] == ["data: [DONE]", ""]


def test_an_unknown_model_is_a_404_in_openais_shape(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        ask(client, model="other")

    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


def test_there_are_embeddings(client: openai.OpenAI) -> None:
    (vector,) = client.embeddings.create(model="tiny-bert", input="the fox").data

    assert len(vector.embedding) == 16


def test_a_whole_answer_is_cancelled_when_its_client_leaves(server: Server) -> None:
    """Given a long answer that is not streamed, when its client gives up, then its slot is free at once."""

    def metric(name: str) -> int:
        lines = httpx.get(f"{server.url}/metrics").text.splitlines()
        (line,) = (each for each in lines if each.startswith(f"cachesaver_local_{name}{{"))
        return int(line.rpartition(" ")[2])

    before = metric("cancelled_total")
    body = {"model": "tiny", "messages": USER, "max_tokens": 480, **GO_ON}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.openai_url}/chat/completions", json=body, timeout=0.2)

    until = time.monotonic() + 2
    while metric("cancelled_total") == before and time.monotonic() < until:
        time.sleep(0.01)
    assert metric("cancelled_total") == before + 1
    assert metric("running") == 0


def test_a_prompt_larger_than_the_cache_kills_nothing() -> None:
    """Given a cache of 64 tokens, when a prompt of 200 comes, then it is refused and others go on."""
    with (
        Server([local_app.served_writer(cells=64)]) as small,
        openai.OpenAI(base_url=small.openai_url, api_key="none", max_retries=0) as client,
    ):
        for _ in range(3):
            with pytest.raises(openai.BadRequestError, match="maximum context length is 64"):
                client.completions.create(model="tiny", prompt=[5] * 200)
        answer = client.completions.create(
            model="tiny", prompt=[5] * 8, max_tokens=9, extra_body=GO_ON
        )

    assert answer.usage is not None
    assert answer.usage.completion_tokens == 9


def test_many_at_once_share_their_steps(server: Server, client: openai.OpenAI) -> None:
    """Given sixteen requests together, then the model is asked for far fewer steps than one by one."""

    def steps() -> int:
        lines = httpx.get(f"{server.url}/metrics").text.splitlines()
        (line,) = (each for each in lines if each.startswith("cachesaver_local_steps_total{"))
        return int(line.rpartition(" ")[2])

    before = steps()
    ready = threading.Barrier(16)

    def one(at: int) -> str:
        ready.wait(10)
        return text(ask(client, seed=at, max_tokens=100))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        said = [*pool.map(one, range(16))]

    assert len(set(said)) == 16
    assert steps() - before < 16 * 99 / 2


def test_too_many_at_once_are_told_to_come_back() -> None:
    """Given one place and nobody who may wait, when a second asks, then it is a 429; later it is served."""
    with (
        Server([local_app.served_writer(rows=1, waiting=0)]) as small,
        openai.OpenAI(base_url=small.openai_url, api_key="none", max_retries=0) as client,
    ):
        with ask(client, max_tokens=480, stream=True) as chunks:
            next(iter(chunks))
            with pytest.raises(openai.RateLimitError) as raised:
                ask(client)
        patient = client.with_options(max_retries=5)
        assert text(ask(patient, seed=1))

    assert raised.value.code == "rate_limit_exceeded"
    assert raised.value.type == "requests"
    assert raised.value.response.headers["retry-after"] == "1"
