"""Completions by OpenAI's own SDK, over a socket."""

from __future__ import annotations

from typing import Any

import openai
import pytest

import local_app
from cachesaver.local.app.tongue import Tongue

PROMPT = "the quick brown fox"


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    given: dict[str, Any] = {"model": "tiny", "prompt": PROMPT, "seed": 4, **fields}
    return client.completions.create(**given)


def texts(answer: Any) -> list[str]:
    return [choice.text for choice in answer.choices]


def test_sixteen_tokens_unless_said_otherwise(client: openai.OpenAI) -> None:
    body = {"ignore_eos": True}

    assert ask(client, extra_body=body).usage.completion_tokens == 16
    assert ask(client, extra_body=body, max_tokens=3).usage.completion_tokens == 3


def test_prompts_have_their_samples_in_order(client: openai.OpenAI) -> None:
    answer = ask(client, prompt=["the", PROMPT], n=2)

    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert texts(answer)[2:] == texts(ask(client, n=2))
    assert texts(answer)[:2] == texts(ask(client, prompt="the", n=2))


def test_prompts_may_be_token_ids(client: openai.OpenAI) -> None:
    ids = local_app.tokenizer().encode(PROMPT)

    assert texts(ask(client, prompt=ids)) == texts(ask(client))
    assert texts(ask(client, prompt=[ids])) == texts(ask(client))


def test_an_echo_begins_with_the_prompt(client: openai.OpenAI) -> None:
    plain, echoed = texts(ask(client, n=2)), texts(ask(client, n=2, echo=True))

    assert echoed == [PROMPT + each for each in plain]


@pytest.mark.parametrize("fields", [{"echo": True, "n": 2}, {"logprobs": 2, "n": 2}])
def test_a_stream_says_what_the_whole_says(client: openai.OpenAI, fields: dict[str, Any]) -> None:
    whole = ask(client, **fields)

    chunks = [*ask(client, **fields, stream=True, stream_options={"include_usage": True})]

    streamed = {0: "", 1: ""}
    reported: dict[int, list[Any]] = {0: [], 1: []}
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        streamed[choice.index] += choice.text
        reported[choice.index] += choice.logprobs.text_offset if choice.logprobs else []
    assert [streamed[0], streamed[1]] == texts(whole)
    if "logprobs" in fields:
        assert [reported[0], reported[1]] == [each.logprobs.text_offset for each in whole.choices]
    assert chunks[-1].usage == whole.usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details}
    )


def test_a_report_fits_the_text(client: openai.OpenAI) -> None:
    letters = {str(token): 50 for token in range(70, 90)}
    (choice,) = ask(client, logprobs=3, logit_bias=letters).choices
    report = choice.logprobs

    assert len(report.tokens) == len(report.token_logprobs) == len(report.text_offset)
    assert len(set(report.tokens)) > 4
    for token, offset in zip(report.tokens, report.text_offset, strict=True):
        assert choice.text[offset:].startswith(token)
    assert all(len(top) == 3 for top in report.top_logprobs)


@pytest.mark.parametrize(
    ("param", "fields"),
    [
        ("prompt", {"prompt": [400]}),
        ("prompt", {"prompt": ""}),
        ("prompt", {"prompt": "the " * 600}),
        ("logit_bias", {"logit_bias": {"400": 1}}),
    ],
)
def test_what_the_model_cannot_take_is_refused(
    client: openai.OpenAI, param: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        ask(client, **fields)

    assert raised.value.param == param


@pytest.mark.parametrize(("prompts", "n"), [(1025, 1), (9, 114), (1024, 128)])
def test_prompts_times_n_have_an_end(
    client: openai.OpenAI, prompts: int, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more samples than a request may ask for, then it is refused before a prompt is read."""
    read: list[str] = []

    def encode(_: Tongue, text: str, **__: bool) -> list[int]:
        read.append(text)
        return [5]

    monkeypatch.setattr(Tongue, "encode", encode)

    with pytest.raises(openai.BadRequestError, match="at most 1024") as raised:
        ask(client, prompt=["the"] * prompts, n=n)

    assert (raised.value.param, raised.value.code) == ("prompt", "too_many_samples")
    assert raised.value.type == "invalid_request_error"
    assert not read


def test_as_many_samples_as_a_request_may_ask_for(client: openai.OpenAI) -> None:
    answer = ask(client, prompt=["the"] * 8, n=128, max_tokens=1)

    assert len(answer.choices) == 1024
