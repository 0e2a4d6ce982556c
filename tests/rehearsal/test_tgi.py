"""Text generation inference, judged by huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import ValidationError

from cachesaver.rehearsal import Rehearsal

ASK: Any = {"prompt": "Hello", "details": True}


@pytest.fixture
def generate(rehearsal: Rehearsal) -> Iterator[Any]:
    with huggingface_hub.InferenceClient(model=rehearsal.url, token="k") as client:
        yield client.text_generation


@pytest.mark.parametrize("more", [{}, {"max_new_tokens": 4}, {"stop": ["] "]}])
def test_a_stream_adds_up_to_the_whole_answer(
    rehearsal: Rehearsal, generate: Any, more: Any
) -> None:
    whole = generate(**ASK, **more, top_n_tokens=2)
    rehearsal.reset()

    told = list(generate(**ASK, **more, top_n_tokens=2, stream=True))

    last, details = told[-1], whole.details
    assert last.generated_text == whole.generated_text
    assert [each.token.text for each in told] == [token.text for token in details.tokens]
    assert [each.top_tokens for each in told] == details.top_tokens
    assert last.details.finish_reason == details.finish_reason
    assert last.details.generated_tokens == details.generated_tokens == len(told)
    said = [token.text for token in details.tokens if not token.special]
    assert "".join(said) == whole.generated_text


def test_why_it_ended(generate: Any) -> None:
    assert generate(**ASK).details.finish_reason == "eos_token"
    assert generate(**ASK, max_new_tokens=1).details.finish_reason == "length"
    assert generate(**ASK, stop=["] "]).details.finish_reason == "stop_sequence"


def test_details_are_told_to_who_asks_for_them(generate: Any) -> None:
    assert isinstance(generate("Hello"), str)
    assert generate("Hello", return_full_text=True).startswith("Hello")
    assert all(isinstance(text, str) for text in generate("Hello", stream=True))


def test_its_own_paths_say_which_form(rehearsal: Rehearsal) -> None:
    body = {"inputs": "Hello", "parameters": {"max_new_tokens": 2}}

    whole = httpx2.post(f"{rehearsal.url}/generate", json=body)
    stream = httpx2.post(f"{rehearsal.url}/generate_stream", json=body)

    assert list(whole.json()) == ["generated_text"]
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.text.count("data: ") == 2


def test_what_cannot_be_streamed_is_refused(rehearsal: Rehearsal, generate: Any) -> None:
    with pytest.raises(ValidationError, match="best_of"):
        generate(**ASK, best_of=2, stream=True)

    broken = httpx2.post(
        f"{rehearsal.url}/generate_stream",
        json={"inputs": "Hello"},
        headers={"x-rehearsal-fault": "error-event;after=1"},
    )
    assert broken.text.endswith('"error_type":"overloaded"}\n\n')
