"""Usage blocks in every spelling: nothing counted twice, nothing left out."""

from __future__ import annotations

from typing import Any

import pytest
from genai_prices import extract_usage
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.usage import Tokens, tokens_of, total_of

BLOCKS: dict[str, tuple[dict[str, Any], Tokens]] = {
    "openai chat: cached and reasoning tokens are parts": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 3},
        },
        Tokens(prompt=100, answer=50, cached=60, heard=5, spoken=3),
    ),
    "deepseek says cached twice": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64},
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        Tokens(prompt=100, answer=50, cached=64),
    ),
    "xai leaves reasoning out of the completion": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "total_tokens": 150,
            "completion_tokens_details": {"reasoning_tokens": 40},
        },
        Tokens(prompt=100, answer=50),
    ),
    "openai responses": (
        {
            "input_tokens": 100,
            "output_tokens": 50,
            "total_tokens": 150,
            "input_tokens_details": {"cached_tokens": 60},
            "output_tokens_details": {"reasoning_tokens": 40},
        },
        Tokens(prompt=100, answer=50, cached=60),
    ),
    "openai transcriptions: of sound": (
        {
            "type": "tokens",
            "input_tokens": 17,
            "input_token_details": {"text_tokens": 2, "audio_tokens": 15},
            "output_tokens": 10,
            "total_tokens": 27,
        },
        Tokens(prompt=17, answer=10, heard=15),
    ),
    "anthropic: the cache stands beside": (
        {
            "input_tokens": 10,
            "output_tokens": 50,
            "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        },
        Tokens(prompt=1210, answer=50, cached=1000, written=200, written_hour=50),
    ),
    "gemini: thoughts and the prompts of tools stand beside": (
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 60,
            "toolUsePromptTokenCount": 7,
            "candidatesTokenCount": 10,
            "thoughtsTokenCount": 40,
            "totalTokenCount": 157,
        },
        Tokens(prompt=107, answer=50, cached=60),
    ),
    "gemini's interactions: the same, in other words": (
        {
            "total_input_tokens": 100,
            "total_cached_tokens": 60,
            "total_tool_use_tokens": 7,
            "total_output_tokens": 10,
            "total_thought_tokens": 40,
            "total_tokens": 157,
        },
        Tokens(prompt=107, answer=50, cached=60),
    ),
    "vertex embeddings": (
        {"token_count": 7, "billableCharacterCount": 30},
        Tokens(prompt=7),
    ),
    "bedrock converse": (
        {
            "inputTokens": 10,
            "outputTokens": 50,
            "totalTokens": 1060,
            "cacheReadInputTokens": 900,
            "cacheWriteInputTokens": 100,
        },
        Tokens(prompt=1010, answer=50, cached=900, written=100),
    ),
    "bedrock's own counts of any family": (
        {
            "inputTokenCount": 10,
            "outputTokenCount": 50,
            "cacheReadInputTokenCount": 900,
            "cacheWriteInputTokenCount": 100,
        },
        Tokens(prompt=1010, answer=50, cached=900, written=100),
    ),
    "llama on bedrock": (
        {"prompt_token_count": 5, "generation_token_count": 10},
        Tokens(prompt=5, answer=10),
    ),
    "titan's embeddings": ({"inputTextTokenCount": 4}, Tokens(prompt=4)),
    "cohere: what is billed": (
        {
            "billed_units": {"input_tokens": 5, "output_tokens": 9},
            "tokens": {"input_tokens": 70, "output_tokens": 10},
            "cached_tokens": 64,
        },
        Tokens(prompt=5, answer=9),
    ),
    "cohere: what was read, where nothing is billed": (
        {"tokens": {"input_tokens": 70, "output_tokens": 10}, "cached_tokens": 64},
        Tokens(prompt=70, answer=10, cached=64),
    ),
    "cohere: embeddings of texts and images": (
        {"billed_units": {"input_tokens": 5, "image_tokens": 9}},
        Tokens(prompt=14),
    ),
    "ollama": ({"prompt_eval_count": 26, "eval_count": 298}, Tokens(prompt=26, answer=298)),
    "text-generation-inference": (
        {"input_length": 4, "generated_tokens": 12},
        Tokens(prompt=4, answer=12),
    ),
    "embeddings": ({"prompt_tokens": 8, "total_tokens": 8}, Tokens(prompt=8)),
    "a total alone": ({"total_tokens": 8}, Tokens(prompt=8)),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_token_is_counted_once(name: str) -> None:
    block, tokens = BLOCKS[name]

    assert tokens_of(block) == tokens
    assert tokens.total == tokens.prompt + tokens.answer


@pytest.mark.parametrize(
    "block", [{}, {"cost": 3}, {"prompt_tokens": None}, {"prompt_tokens": True}, {"tokens": 3}]
)
def test_what_says_nothing_is_not_nothing(block: dict[str, Any]) -> None:
    """A call without a usage block was not free."""
    assert tokens_of(block) is None


@pytest.mark.parametrize("odd", [-5, float("nan"), float("inf"), 10**30, "7", [1]])
def test_what_is_no_count_counts_nothing(odd: object) -> None:
    block = {"prompt_tokens": odd, "completion_tokens": 3, "total_tokens": odd}

    assert tokens_of(block) == Tokens(answer=3)


@pytest.mark.parametrize(
    ("usage", "total"),
    [
        ({}, 0),
        ({"total_tokens": 7, "prompt_tokens": 3, "completion_tokens": 4}, 7),
        ({"prompt_tokens": 3, "completion_tokens": 4}, 7),
        ({"totalTokenCount": 9, "promptTokenCount": 4}, 9),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "cache_read_input_tokens": 30,
                "cache_creation_input_tokens": 400,
            },
            433,
        ),
        ({"total_tokens": None, "input_tokens": "many", "output_tokens": 2}, 2),
    ],
)
def test_the_tokens_of_a_usage_block(usage: dict[str, object], total: int) -> None:
    assert total_of(usage) == total


FLAVOURS = {
    "openai chat: cached and reasoning tokens are parts": ("openai", "chat"),
    "openai responses": ("openai", "responses"),
    "anthropic: the cache stands beside": ("anthropic", "default"),
    "deepseek says cached twice": ("deepseek", "chat"),
    "bedrock converse": ("aws", "default"),
    "cohere: what is billed": ("cohere", "default"),
    "cohere: what was read, where nothing is billed": ("cohere", "tokens"),
}


@pytest.mark.parametrize("name", FLAVOURS)
def test_it_reads_what_genai_prices_reads(name: str) -> None:
    """Given a response whose provider is known, then both readers count the same tokens."""
    block, tokens = BLOCKS[name]
    provider, flavour = FLAVOURS[name]

    theirs: Any = extract_usage({"usage": block}, provider_id=provider, api_flavor=flavour).usage

    assert (theirs.input_tokens, theirs.output_tokens) == (tokens.prompt, tokens.answer)
    assert (theirs.cache_read_tokens or 0) == tokens.cached


names = st.sampled_from(sorted({name for block, _ in BLOCKS.values() for name in block}))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just("7"),
    lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(names, values))
def test_parts_are_never_more_than_the_whole(block: dict[str, object]) -> None:
    tokens = tokens_of(block) or Tokens()

    assert min(tokens.prompt, tokens.answer) >= 0
    assert 0 <= tokens.cached + tokens.written <= tokens.prompt
    assert 0 <= tokens.written_hour <= tokens.written
    assert tokens.heard <= tokens.prompt
    assert tokens.spoken <= tokens.answer
    assert total_of(block) == tokens.total
