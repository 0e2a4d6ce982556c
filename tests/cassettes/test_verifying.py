"""Live answers held against a cassette, with the official SDK over real sockets."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import cachesaver
from cachesaver.cassettes.verifying import VerifyingStore
from cachesaver.errors import CassetteDriftError, NotRecordedError
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores.testing import a_run, buy

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


def ask(url: str, text: str = "Hi", **more: Any) -> Any:
    with openai.OpenAI(
        base_url=f"{url}/v1", api_key="x", max_retries=more.pop("retries", 0)
    ) as client:
        messages: Any = [{"role": "user", "content": text}]
        chat: Any = client.chat.completions
        return chat.create(model="gpt-5-mini", messages=messages, **more)


def streamed(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        assert list(client.chat.completions.create(model="gpt-5", messages=messages, stream=True))


def claude_streamed(url: str) -> None:
    with (
        anthropic.Anthropic(base_url=url, api_key="x") as client,
        client.messages.stream(
            model="claude-haiku-4-5", max_tokens=99, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        assert stream.get_final_text()


def embedded(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        assert client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])


PROGRAMS: dict[str, Callable[[str], object]] = {
    "whole": ask,
    "streamed": streamed,
    "another's stream": claude_streamed,
    "tools": lambda url: ask(url, "Call get_weather for Rome.", tools=[WEATHER]),
    "several": lambda url: ask(url, n=3),
    "embeddings": embedded,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_other_samples_of_the_same_shape_are_no_drift_and_nothing_is_written(
    rehearsal: Rehearsal, path: Path, program: str
) -> None:
    with cachesaver.use_cassette(path):
        PROGRAMS[program](rehearsal.url)
    before, bought = path.read_bytes(), rehearsal.calls().calls

    with cachesaver.use_cassette(path, record_mode="verify"):
        PROGRAMS[program](rehearsal.url)

    assert rehearsal.calls().calls > bought
    assert path.read_bytes() == before


def drifted(path: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, path.read_text())
    assert count
    path.write_text(text)


@pytest.mark.parametrize(
    ("program", "pattern", "by", "told"),
    [
        ("whole", '"finish_reason": "stop"', '"finish_reason": "length"', "length -> stop"),
        ("streamed", '"finish_reason": "stop"', '"finish_reason": "length"', "length -> stop"),
        ("another's stream", "end_turn", "max_tokens", "max_tokens -> end_turn"),
        (
            "tools",
            '"name": "get_weather", "arg',
            '"name": "get_time", "arg',
            "get_time -> get_weather",
        ),
        ("tools", r'city\\":', r'town\\":', "city is new"),
        ("embeddings", '"object": "embedding"', '"objekt": "embedding"', "object is new"),
    ],
)
def test_another_shape_is_told_at_the_end_of_the_block(
    rehearsal: Rehearsal, path: Path, program: str, pattern: str, by: str, told: str
) -> None:
    with cachesaver.use_cassette(path):
        PROGRAMS[program](rehearsal.url)
    drifted(path, pattern, by)

    with (
        pytest.raises(CassetteDriftError, match=told) as caught,
        cachesaver.use_cassette(path, record_mode="verify"),
    ):
        PROGRAMS[program](rehearsal.url)

    assert len(caught.value.drift) == (2 if program == "embeddings" else 1)


def test_a_question_that_is_not_recorded_is_drift(rehearsal: Rehearsal, path: Path) -> None:
    with (
        pytest.raises(CassetteDriftError, match=r"How are you[^\n]*\n    it is not recorded"),
        cachesaver.use_cassette(path, record_mode="verify"),
    ):
        ask(rehearsal.url, "How are you?")

    assert not path.exists()


def test_an_error_that_was_the_last_word_is_told_with_what_the_block_raised(
    rehearsal: Rehearsal, path: Path
) -> None:
    with cachesaver.use_cassette(path):
        ask(rehearsal.url)

    with (
        pytest.raises(openai.InternalServerError) as caught,
        cachesaver.use_cassette(path, record_mode="verify"),
    ):
        ask(rehearsal.url, extra_headers={"x-rehearsal-fault": "500"})

    assert "status: 200 -> 500" in caught.value.__notes__[0]


def test_an_error_that_was_tried_again_is_none(rehearsal: Rehearsal, path: Path) -> None:
    faulty = {"x-rehearsal-fault": "429;times=1;retry-after=0.01"}
    with cachesaver.use_cassette(path, record_errors=True):
        ask(rehearsal.url)
        with pytest.raises(openai.RateLimitError):
            ask(rehearsal.url, "Bye", extra_headers={"x-rehearsal-fault": "429"})

    with cachesaver.use_cassette(path, record_mode="verify"):
        ask(rehearsal.url, extra_headers=faulty, retries=1)
        with pytest.raises(openai.RateLimitError):
            ask(rehearsal.url, "Bye", extra_headers={"x-rehearsal-fault": "429"})


def test_one_recorded_answer_of_that_shape_is_enough(rehearsal: Rehearsal, path: Path) -> None:
    with cachesaver.use_cassette(path):
        ask(rehearsal.url)
        ask(rehearsal.url)
    path.write_text(path.read_text().replace('"finish_reason": "stop"', '"finish_reason": "x"', 1))

    with cachesaver.use_cassette(path, record_mode="verify"):
        ask(rehearsal.url)


def test_nothing_recorded_is_given(path: Path) -> None:
    with cachesaver.use_cassette(path, record_mode="none"), pytest.raises(NotRecordedError):
        ask("http://127.0.0.1:9")
    store = VerifyingStore(path)

    assert buy(store, a_run(), "a", "b") == [0, 1]
    store.close()

    assert not path.exists()
    assert [each.differences for each in store.drift] == [("it is not recorded",)]
