"""Chat completions by OpenAI's own SDK, over a socket, from tiny models of random weights."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any, Literal

import openai
import pydantic
import pytest

USER: list[Any] = [{"role": "user", "content": "the quick"}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"to": {"enum": ["x", "y"]}},
                "required": ["to"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("go", "stay")
]

needs_llguidance = pytest.mark.skipif(
    find_spec("llguidance") is None, reason="needs cachesaver[structured]"
)


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    given: dict[str, Any] = {"model": "tiny", "messages": USER, "max_tokens": 12, **fields}
    return client.chat.completions.create(**given)


def said(answer: Any) -> list[str]:
    return [choice.message.content for choice in answer.choices]


def test_a_whole_answer(client: openai.OpenAI) -> None:
    answer = ask(client, extra_body={"ignore_eos": True})

    assert answer.object == "chat.completion"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (
        12,
        12 + answer.usage.prompt_tokens,
    )
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0
    assert answer.system_fingerprint.startswith("fp_")


@pytest.mark.parametrize("n", [1, 3])
def test_a_stream_says_what_the_whole_says(client: openai.OpenAI, n: int) -> None:
    fields = {"seed": 11, "n": n, "logprobs": True, "top_logprobs": 2, "max_tokens": 30}
    whole = ask(client, **fields)

    chunks = [*ask(client, **fields, stream=True, stream_options={"include_usage": True})]

    streamed = dict.fromkeys(range(n), "")
    reports: dict[int, list[Any]] = {at: [] for at in range(n)}
    finishes = {}
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        streamed[choice.index] += choice.delta.content or ""
        reports[choice.index] += choice.logprobs.content if choice.logprobs else []
        if choice.finish_reason:
            finishes[choice.index] = choice.finish_reason
    assert [streamed[at] for at in range(n)] == said(whole)
    assert [reports[at] for at in range(n)] == [each.logprobs.content for each in whole.choices]
    assert [finishes[at] for at in range(n)] == [each.finish_reason for each in whole.choices]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len(chunks) > n * 4


def test_usage_says_what_was_read_before(client: openai.OpenAI) -> None:
    """Given a talk that goes on, then what it had before, and the whole when asked again, is cached."""
    talk: list[Any] = [{"role": "user", "content": "a talk that is told in this test alone"}]
    longer = [*talk, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "on"}]

    first, again, more = (
        ask(client, messages=said, max_tokens=2, n=2).usage for said in (talk, talk, longer)
    )

    assert first.prompt_tokens_details.cached_tokens < first.prompt_tokens // 2
    assert again.prompt_tokens_details.cached_tokens == again.prompt_tokens == first.prompt_tokens
    shared = more.prompt_tokens_details.cached_tokens
    assert first.prompt_tokens // 2 < shared < more.prompt_tokens


def test_n_samples_are_n_requests_with_first_indexes(client: openai.OpenAI) -> None:
    together = ask(client, n=4, seed=3)

    apart = [
        ask(client, seed=3, extra_headers={"x-cachesaver-first-index": str(at)}) for at in range(4)
    ]

    assert [said(each)[0] for each in apart] == said(together)
    assert len(set(said(together))) == 4
    assert [choice.sample for choice in together.choices] == [0, 1, 2, 3]


def test_later_samples_are_those_that_more_at_once_would_have_been(client: openai.OpenAI) -> None:
    eight = ask(client, n=8, seed=3)

    later = ask(client, n=4, seed=3, extra_headers={"x-cachesaver-first-index": "4"})

    assert said(later) == said(eight)[4:]


def test_a_sample_without_a_seed_can_be_drawn_again(client: openai.OpenAI) -> None:
    first = ask(client, n=2)
    other = first.choices[1]

    again = ask(
        client, seed=other.seed, extra_headers={"x-cachesaver-first-index": str(other.sample)}
    )

    assert said(again) == [other.message.content]
    assert ask(client).choices[0].seed != other.seed


def test_stop_strings_cut_the_text(client: openai.OpenAI) -> None:
    """Given what is said without, when a part of it over borders of tokens is a stop, it ends there."""
    free = said(ask(client, seed=8, max_tokens=40, extra_body={"ignore_eos": True}))[0]
    stop = free[10:14]
    before = free[: free.index(stop)]

    whole = ask(client, seed=8, max_tokens=40, stop=["@@@", stop], extra_body={"ignore_eos": True})
    chunks = [
        *ask(client, seed=8, max_tokens=40, stop=stop, stream=True, extra_body={"ignore_eos": True})
    ]

    assert said(whole) == [before]
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens < 40
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == before
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_logprobs_are_those_of_the_tokens(client: openai.OpenAI) -> None:
    answer = ask(client, logprobs=True, top_logprobs=3, temperature=0)
    report = answer.choices[0].logprobs.content

    for token in report:
        assert token.logprob <= 0
        assert [each.logprob for each in token.top_logprobs] == sorted(
            (each.logprob for each in token.top_logprobs), reverse=True
        )
        assert token.top_logprobs[0].logprob == token.logprob  # the likeliest is taken
    spelt = b"".join(bytes(token.bytes) for token in report)
    assert spelt.decode(errors="replace") == said(answer)[0]
    assert ask(client).choices[0].logprobs is None


def test_how_it_is_drawn_is_the_requests_own(client: openai.OpenAI) -> None:
    likeliest = said(ask(client, temperature=0))

    assert said(ask(client, top_p=0)) == likeliest
    assert said(ask(client, extra_body={"top_k": 1})) == likeliest
    assert said(ask(client, extra_body={"min_p": 1.0})) == likeliest
    assert said(ask(client, seed=1)) != likeliest
    # 68 is the token of one letter: nothing else is said.
    assert len(set(said(ask(client, logit_bias={68: 100}))[0])) == 1
    penalised = said(ask(client, temperature=0, logit_bias={68: 20, 69: 20}, frequency_penalty=2))
    assert len(set(penalised[0])) > 1


@needs_llguidance
def test_a_parsed_answer_fits_its_model(client: openai.OpenAI) -> None:
    class Weather(pydantic.BaseModel):
        city: Literal["Paris", "Rome"]
        is_warm: bool

    answer = client.chat.completions.parse(
        model="tiny", messages=USER, response_format=Weather, max_tokens=100, n=2
    )

    for choice in answer.choices:
        assert isinstance(choice.message.parsed, Weather)
        assert choice.finish_reason == "stop"


@needs_llguidance
def test_a_schema_too_large_to_be_followed_is_a_400(client: openai.OpenAI) -> None:
    fields = {f"p{at}": {"type": "integer"} for at in range(1700)}
    schema = {"type": "object", "properties": fields, "additionalProperties": False}
    asked: Any = {"type": "json_schema", "json_schema": {"name": "large", "schema": schema}}

    with pytest.raises(openai.BadRequestError, match="this schema is too large") as raised:
        client.chat.completions.create(model="tiny", messages=USER, response_format=asked)

    assert raised.value.param == "response_format"


@needs_llguidance
def test_any_object(client: openai.OpenAI) -> None:
    answer = ask(
        client, response_format={"type": "json_object"}, max_tokens=200, logit_bias={97: 5}
    )

    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(said(answer)[0]), dict)
    assert said(answer)[0].startswith("{")


@needs_llguidance
@pytest.mark.parametrize("stream", [False, True])
def test_a_function_that_is_named_is_called(client: openai.OpenAI, stream: bool) -> None:  # noqa: FBT001
    choice: Any = {"type": "function", "function": {"name": "stay"}}

    if stream:
        with client.chat.completions.stream(
            model="tiny", messages=USER, tools=TOOLS, tool_choice=choice, max_tokens=80
        ) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = ask(client, tools=TOOLS, tool_choice=choice, max_tokens=80)

    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "stay"
    assert json.loads(call.function.arguments)["to"] in ("x", "y")
    assert answer.choices[0].finish_reason == "stop"


@needs_llguidance
def test_a_call_that_is_required_is_made(client: openai.OpenAI) -> None:
    answer = ask(client, tools=TOOLS, tool_choice="required", max_tokens=80, n=4, seed=2)

    for choice in answer.choices:
        (call,) = choice.message.tool_calls
        assert call.function.name in ("go", "stay")
        assert json.loads(call.function.arguments)["to"] in ("x", "y")
        assert choice.finish_reason == "tool_calls"
    again = ask(client, tools=TOOLS, tool_choice="required", max_tokens=80, n=4, seed=2)
    assert [each.message.tool_calls for each in again.choices] == [
        each.message.tool_calls for each in answer.choices
    ]


def test_a_conversation_with_calls_is_taken(client: openai.OpenAI) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "go", "arguments": '{"to": "x"}'}}
    turns = [
        *USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "went"},
    ]

    assert ask(client, messages=turns, tools=TOOLS).choices[0].message.role == "assistant"
