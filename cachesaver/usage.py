"""Reading usage blocks: how many tokens a call cost, in the spelling of any provider we know.

A table, with the source of each row. A provider belongs here where its block says other things, or
the same in other words; what is counted inside another number must not be counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

__all__ = ["SPELLINGS", "Spelling", "Tokens", "tokens_of", "total_of"]

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one call cost in tokens.

    Attributes:
        prompt: All that was read, whatever follows included.
        answer: All that was written, for all samples; reasoning included.
        cached: Of *prompt*, read from the provider's cache.
        written: Of *prompt*, written to the provider's cache.
        written_hour: Of *written*, for an hour.
        heard: Of *prompt*, audio.
        spoken: Of *answer*, audio.
    """

    prompt: int = 0
    answer: int = 0
    cached: int = 0
    written: int = 0
    written_hour: int = 0
    heard: int = 0
    spoken: int = 0

    @property
    def total(self) -> int:
        """All tokens, each once."""
        return self.prompt + self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a provider says it: for each number, the paths whose values are added up.

    Attributes:
        total: Where all tokens stand; what exceeds prompt and answer is answer that was not shown.
    """

    prompt: Sequence[Path]
    answer: Sequence[Path]
    total: Path = ()
    cached: Sequence[Path] = ()
    written: Sequence[Path] = ()
    written_hour: Sequence[Path] = ()
    heard: Sequence[Path] = ()
    spoken: Sequence[Path] = ()


SPELLINGS = (
    # The first whose prompt or answer is there is the one that counts.
    #
    # OpenAI chat, https://platform.openai.com/docs/api-reference/chat/object: details are parts of
    # the number beside them. DeepSeek's prompt_cache_hit_tokens and Mistral's num_cached_tokens are
    # parts of prompt_tokens too (https://api-docs.deepseek.com/api/create-chat-completion,
    # https://docs.mistral.ai/api). xAI leaves reasoning out of completion_tokens, and has it in
    # total_tokens (https://docs.x.ai/docs/guides/reasoning).
    Spelling(
        prompt=[("prompt_tokens",)],
        answer=[("completion_tokens",)],
        total=("total_tokens",),
        cached=[
            ("prompt_tokens_details", "cached_tokens"),
            ("prompt_cache_hit_tokens",),
            ("num_cached_tokens",),
        ],
        heard=[("prompt_tokens_details", "audio_tokens")],
        spoken=[("completion_tokens_details", "audio_tokens")],
    ),
    # Anthropic, https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching: the prompt is
    # input_tokens *and* what was read from and written to the cache. OpenAI responses has the same
    # first names, and its cached tokens are part of input_tokens
    # (https://platform.openai.com/docs/api-reference/responses/object).
    Spelling(
        prompt=[
            ("input_tokens",),
            ("cache_creation_input_tokens",),
            ("cache_read_input_tokens",),
        ],
        answer=[("output_tokens",)],
        total=("total_tokens",),
        cached=[("cache_read_input_tokens",), ("input_tokens_details", "cached_tokens")],
        written=[("cache_creation_input_tokens",)],
        written_hour=[("cache_creation", "ephemeral_1h_input_tokens")],
        # https://platform.openai.com/docs/api-reference/audio/json-object
        heard=[("input_token_details", "audio_tokens")],
    ),
    # Gemini, https://ai.google.dev/api/generate-content#UsageMetadata: cached content is part of
    # promptTokenCount; thoughts and the prompts of tools stand beside.
    Spelling(
        prompt=[("promptTokenCount",), ("toolUsePromptTokenCount",)],
        answer=[("candidatesTokenCount",), ("thoughtsTokenCount",)],
        total=("totalTokenCount",),
        cached=[("cachedContentTokenCount",)],
    ),
    # Gemini's interactions, https://ai.google.dev/api/interactions-api: thoughts and the prompts of
    # tools stand beside, too.
    Spelling(
        prompt=[("total_input_tokens",), ("total_tool_use_tokens",)],
        answer=[("total_output_tokens",), ("total_thought_tokens",)],
        total=("total_tokens",),
        cached=[("total_cached_tokens",)],
    ),
    # Bedrock Converse, https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    Spelling(
        prompt=[("inputTokens",), ("cacheReadInputTokens",), ("cacheWriteInputTokens",)],
        answer=[("outputTokens",)],
        total=("totalTokens",),
        cached=[("cacheReadInputTokens",)],
        written=[("cacheWriteInputTokens",)],
    ),
    # Bedrock's own counts of InvokeModel, whatever the family (headers of a whole answer, metrics at
    # the end of a stream: recorded exchanges); then Llama's and Titan's in their bodies,
    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    Spelling(
        prompt=[
            ("inputTokenCount",),
            ("cacheReadInputTokenCount",),
            ("cacheWriteInputTokenCount",),
        ],
        answer=[("outputTokenCount",)],
        cached=[("cacheReadInputTokenCount",)],
        written=[("cacheWriteInputTokenCount",)],
    ),
    Spelling(prompt=[("prompt_token_count",)], answer=[("generation_token_count",)]),
    Spelling(prompt=[("inputTextTokenCount",)], answer=[]),
    # Cohere, https://docs.cohere.com/reference/chat and .../embed: `tokens` also has instructions of
    # Cohere's own, which are not billed (and which `cached_tokens` counts too).
    Spelling(
        prompt=[("billed_units", "input_tokens"), ("billed_units", "image_tokens")],
        answer=[("billed_units", "output_tokens")],
    ),
    Spelling(
        prompt=[("tokens", "input_tokens")],
        answer=[("tokens", "output_tokens")],
        cached=[("cached_tokens",)],
    ),
    # Ollama, https://github.com/ollama/ollama/blob/main/docs/api.md
    Spelling(prompt=[("prompt_eval_count",)], answer=[("eval_count",)]),
    # Vertex AI's embeddings, .../generative-ai/docs/model-reference/text-embeddings-api
    Spelling(prompt=[("token_count",)], answer=[]),
    # Details of a stream of text-generation-inference:
    # https://github.com/huggingface/text-generation-inference/blob/main/router/src/lib.rs
    Spelling(prompt=[("input_length",)], answer=[("generated_tokens",)]),
    # Embeddings and the like may say no more: https://docs.voyageai.com/reference/embeddings-api
    Spelling(prompt=[("total_tokens",)], answer=[]),
)


def tokens_of(usage: Mapping[str, object]) -> Tokens | None:
    """Return what the usage block of one call says; None when it says nothing we know."""
    spelling = _spelling(usage)
    return None if spelling is None else _read(usage, spelling)


def total_of(usage: Mapping[str, object]) -> int:
    """Return all tokens of the usage block of one call, each once; 0 when it says nothing we know.

    The `total` of `tokens_of`, without its parts.
    """
    spelling = _spelling(usage)
    return 0 if spelling is None else sum(_sides(usage, spelling))


def _spelling(usage: Mapping[str, object]) -> Spelling | None:
    if not usage:
        return None
    for spelling in SPELLINGS:
        for path in (*spelling.prompt, *spelling.answer):
            if _at(usage, path) is not None:
                return spelling
    return None


def _sides(usage: Mapping[str, object], spelling: Spelling) -> tuple[int, int]:
    """Return all that was read and all that was written."""
    prompt, answer = _sum(usage, spelling.prompt), _sum(usage, spelling.answer)
    total = _at(usage, spelling.total) if spelling.total else None
    return prompt, max(answer, (total or 0) - prompt)


def _read(usage: Mapping[str, object], spelling: Spelling) -> Tokens:
    prompt, answer = _sides(usage, spelling)
    cached = min(_most(usage, spelling.cached), prompt)
    written = min(_sum(usage, spelling.written), prompt - cached)
    return Tokens(
        prompt=prompt,
        answer=answer,
        cached=cached,
        written=written,
        written_hour=min(_sum(usage, spelling.written_hour), written),
        heard=min(_sum(usage, spelling.heard), prompt),
        spoken=min(_sum(usage, spelling.spoken), _sum(usage, spelling.answer)),
    )


def _sum(usage: Mapping[str, object], paths: Sequence[Path]) -> int:
    if len(paths) == 1:  # as nearly always
        return _at(usage, paths[0]) or 0
    return sum([_at(usage, path) or 0 for path in paths])


def _most(usage: Mapping[str, object], paths: Sequence[Path]) -> int:
    """One thing in several words, such as DeepSeek's: not to be added."""
    return max((_at(usage, path) or 0 for path in paths), default=0)


def _at(usage: Mapping[str, object], path: Path) -> int | None:
    found = usage.get(path[0])
    for name in path[1:]:
        if not isinstance(found, Mapping):
            return None
        found = cast("Mapping[str, object]", found).get(name)
    if type(found) is int and 0 <= found < _BOUND:  # as all of them are, but for the odd one
        return found
    if found is None or isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return int(found) if 0 <= found < _BOUND else None


_BOUND = 10**15
"""As in `cachesaver.dialects.sharing`: from here on a number counts nothing, nor does NaN."""
