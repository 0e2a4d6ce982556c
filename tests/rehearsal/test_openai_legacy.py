"""Text completions and embeddings, judged by the openai SDK."""

from __future__ import annotations

import math
from typing import Any

import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal
from cachesaver.rehearsal.openai_legacy import EmbeddingsApi

ASK: Any = {"model": "gpt-3.5-turbo-instruct", "prompt": "Once upon a time"}
EMBED: Any = {"model": "text-embedding-3-small", "input": ["one", "two"]}


def raw(create: Any, **ask: Any) -> bytes:
    body: bytes = create(**ask).http_response.read()
    return body


def test_completions_satisfy_the_sdks_types_strictly(openai_client: Any) -> None:
    create = openai_client.completions.with_raw_response.create

    Completion.model_validate_json(raw(create, **ASK, n=2), strict=True)
    *chunks, last = decode(raw(create, **ASK, n=2, stream=True))

    assert last.data == "[DONE]"
    # The SDK's type requires a finish_reason that the API leaves null until the end.
    told = [event.data for event in chunks if '"finish_reason":null' not in event.data]
    assert len(told) == 2
    for event in told:
        assert Completion.model_validate_json(event, strict=True)


def test_a_streamed_completion_joins_to_the_whole_one(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    whole = openai_client.completions.create(**ASK, n=2)
    rehearsal.reset()

    chunks = list(
        openai_client.completions.create(
            **ASK, n=2, stream=True, stream_options={"include_usage": True}
        )
    )

    texts = ["", ""]
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert chunks[-1].usage == whole.usage


def test_sixteen_tokens_is_the_limit_unless_another_is_given(openai_client: Any) -> None:
    usual = openai_client.completions.create(**ASK)
    short = openai_client.completions.create(**ASK, max_tokens=0)

    assert usual.usage.completion_tokens <= 16
    assert usual.choices[0].finish_reason == "length"
    assert (short.choices[0].text, short.usage.completion_tokens) == ("", 0)


def test_several_prompts_at_once_are_refused_rather_than_mixed_up(openai_client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="one 'prompt'"):
        openai_client.completions.create(**ASK | {"prompt": ["a", "b"]})


def test_token_ids_are_a_prompt(openai_client: Any) -> None:
    assert openai_client.completions.create(**ASK | {"prompt": [1, 2]}).choices[0].text
    assert openai_client.completions.create(**ASK | {"prompt": [[1, 2]]}).choices[0].text


def test_an_embedding_depends_on_its_text_and_model_only(
    rehearsal: Rehearsal, openai_client: Any
) -> None:
    both = openai_client.embeddings.create(**EMBED).data
    alone = openai_client.embeddings.create(**EMBED | {"input": "two"}, encoding_format="float")
    other = openai_client.embeddings.create(**EMBED | {"model": "other"}).data

    assert both[1].embedding == alone.data[0].embedding
    assert both[0].embedding != both[1].embedding != other[1].embedding
    assert math.isclose(sum(x * x for x in both[0].embedding), 1.0, rel_tol=1e-6)
    assert rehearsal.calls().of("openai.embeddings").prompt_tokens == 5


def test_embeddings_satisfy_the_sdks_types_strictly(openai_client: Any) -> None:
    body = raw(
        openai_client.embeddings.with_raw_response.create,
        **EMBED,
        encoding_format="float",
        dimensions=3,
    )

    answer = CreateEmbeddingResponse.model_validate_json(body, strict=True)

    assert [len(each.embedding) for each in answer.data] == [3, 3]


def test_embeddings_are_not_streamed() -> None:
    api = EmbeddingsApi()

    assert not api.read("", EMBED | {"stream": True}).stream
    assert list(api.stream(api.read("", EMBED), ())) == []


@pytest.mark.parametrize("wrong", [[], [1.5], {"a": 1}, ""])
def test_what_is_no_input_is_refused(openai_client: Any, wrong: object) -> None:
    with pytest.raises(openai.BadRequestError):
        openai_client.embeddings.create(**EMBED | {"input": wrong})


def test_token_ids_are_an_input(openai_client: Any) -> None:
    one = openai_client.embeddings.create(**EMBED | {"input": [1, 2]}).data
    two = openai_client.embeddings.create(**EMBED | {"input": [[1, 2], [3]]}).data

    assert (len(one), len(two)) == (1, 2)
    assert one[0].embedding == two[0].embedding
