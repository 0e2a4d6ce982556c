"""Who speaks chat completions, and what of it is known: one row a host, and where it is written.

A row has particulars only where its host documents them, or recordings show them: how many choices
it gives, whether it refuses to be asked for more, which fields of its own cannot shape an answer.
A host without any is asked for what is wanted, and what comes is believed. In doubt a field is part
of the question. No defaults but OpenAI's are dropped: everybody else's depend on the model, or are
not written down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cachesaver.dialects.hosts import OPENAI

__all__ = [
    "CHAT_HOSTS",
    "ELSEWHERE",
    "MISTRAL",
    "ON_OPENAI",
    "PARTICULAR",
    "SERVERS",
    "SIGNED",
    "ChatHost",
    "serving",
]


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChatHost:
    """A host, or servers of one kind, and what chat completions mean there.

    Attributes:
        name: Of who answers.
        hosts: Pattern for all of the host, lower case; empty where no host tells.
        source: Where it is documented: an address, or "recorded exchanges".
        known: What is known of `n`, and what is special, in one sentence.
        choices: The most choices of one answer; None where it is not known.
        refuses: Whether asking for more is an error there: such a request passes through.
        noise: Fields of its own that do not shape the answer, with the reason and source of each.
        headers: Answer-shaping headers of its own, lower case.
        named_by: Fields of the body that may name the model instead of `model`.
        tells_usage: Whether the last chunk of a stream tells its usage unasked (recorded exchanges).
        in_whole: Members that every whole answer has, and no chunk need have (recorded exchanges):
            its own SDK insists on them.
        in_delta: The same of the deltas in a stream.
        is_model: Whether the host serves one model, so that the body need not name it.
    """

    name: str
    hosts: str = ""
    source: str
    known: str
    choices: int | None = None
    refuses: bool = False
    noise: Mapping[str, str] = field(default_factory=_nothing)
    headers: frozenset[str] = frozenset()
    named_by: tuple[str, ...] = ()
    tells_usage: bool = False
    in_whole: Mapping[str, object] = field(default_factory=_nothing)
    in_delta: Mapping[str, object] = field(default_factory=_nothing)
    is_model: bool = False

    @property
    def is_particular(self) -> bool:
        """Whether anything is done otherwise than on a host of which nothing is known."""
        told = (self.tells_usage, self.in_whole, self.in_delta)
        asked = (self.choices, self.noise, self.headers, self.named_by, self.is_model)
        return any(told) or any(asked)

    def __repr__(self) -> str:
        return f"ChatHost({self.name!r})"


def _labels(*names: str, source: str) -> Mapping[str, str]:
    """Fields that elsewhere may choose who answers, and here are labels; *source*: where that is said."""
    return MappingProxyType(dict.fromkeys(names, f"a label: {source}"))


ELSEWHERE = ChatHost(
    name="elsewhere",
    source="nothing",
    known="`n` is asked for up to 128 at a time, and what comes is believed",
)
"""Any other host, and every row without particulars."""

SIGNED = ChatHost(
    name="signed for AWS",
    source="https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html",
    known="none but the caller can change the body, so its `n` stays 1",
    choices=1,
    refuses=True,
)
"""Told by its signature, on whatever host."""

ON_OPENAI = ChatHost(
    name="OpenAI",
    hosts=OPENAI.pattern,
    source="https://platform.openai.com/docs/api-reference/chat/create",
    known="`n` up to 128; defaults are documented",
    choices=128,
    refuses=True,
)

MISTRAL = ChatHost(
    name="Mistral",
    hosts=r"(?:api|codestral)\.mistral\.ai",
    source="its SDK, mistralai 3.7.0; recorded exchanges",
    known="`n` is taken, the prompt is paid once, no maximum is given",
    noise=_labels("metadata", source="its SDK, mistralai 3.7.0"),
    tells_usage=True,
)

CHAT_HOSTS: tuple[ChatHost, ...] = (
    ON_OPENAI,
    MISTRAL,
    ChatHost(
        name="Groq",
        hosts=r"api\.groq\.com",
        source="https://console.groq.com/docs/openai",
        known="`n` above 1 is an error; a stream tells its usage in `x_groq`",
        choices=1,
        refuses=True,
        noise=_labels("user", source="its SDK, groq 1.7.0: to detect abuse"),
        # https://console.groq.com/docs/changelog/compound: which version of a system answers
        headers=frozenset({"groq-model-version"}),
        tells_usage=True,
    ),
    ChatHost(
        name="Together",
        hosts=r"api\.together\.(?:xyz|ai)",
        source="its SDK, together 3.1.1",
        known="`n` is taken, no maximum is given",
        tells_usage=True,
        in_whole=MappingProxyType({"prompt": []}),
        in_delta=MappingProxyType({"role": "assistant"}),
    ),
    ChatHost(
        name="Fireworks",
        hosts=r"api\.fireworks\.ai",
        source="its SDK, fireworks-ai 1.2.30",
        known="`n` up to 128",
        choices=128,
        refuses=True,
        noise=MappingProxyType(
            {
                **_labels("user", "metadata", source="its SDK, fireworks-ai 1.2.30"),
                "prompt_cache_isolation_key": "separates entries of the prompt cache: its SDK, "
                "fireworks-ai 1.2.30",
            }
        ),
    ),
    ChatHost(
        name="OpenRouter",
        hosts=r"openrouter\.ai",
        source="its SDK, openrouter 1.3.84; recorded exchanges",
        known="`n` is accepted and one choice comes; `provider`, `models`, `plugins` and "
        "`session_id` choose who answers and are part of the question",
        choices=1,
        noise=MappingProxyType(
            {
                **_labels("user", "metadata", source="its SDK, openrouter 1.3.84"),
                "usage": "without effect, the usage is always told, "
                "https://openrouter.ai/docs/use-cases/usage-accounting",
                "trace": "labels for observability: its SDK, openrouter 1.3.84",
            }
        ),
        # what is told of the way to the answer, and the way itself: its SDK, openrouter 1.3.84
        headers=frozenset({"x-openrouter-metadata", "x-session-id"}),
        named_by=("models",),
        tells_usage=True,
        in_whole=MappingProxyType({"system_fingerprint": None}),
    ),
    ChatHost(
        name="DeepSeek",
        hosts=r"api\.deepseek\.com",
        source="https://api-docs.deepseek.com/news/news0725; recorded exchanges",
        known="`n` is not documented; `/beta` completes a prefix, or what stands between two texts",
        tells_usage=True,
    ),
    ChatHost(
        name="xAI",
        hosts=r"(?:[a-z0-9-]+\.)?api\.x\.ai",
        source="https://docs.x.ai/docs/guides/deferred-chat-completions; recorded exchanges",
        known="`n` is taken, no maximum is given; an answer that searched the web is a sample too; "
        "`deferred` starts a job and passes through",
    ),
    ChatHost(
        name="Cerebras",
        hosts=r"api\.cerebras\.ai",
        source="its SDK, cerebras-cloud-sdk 1.91.0",
        known="`n` is in its SDK, no maximum is given",
    ),
    ChatHost(
        name="Hugging Face",
        hosts=r"router\.huggingface\.co|[\w.-]+\.endpoints\.huggingface\.cloud",
        source="its SDK, huggingface-hub 2.4.0; recorded exchanges",
        known="hands on to Nebius, Novita, Hyperbolic and others, named in the path or after the "
        "model; whether `n` is taken is theirs",
    ),
    ChatHost(
        name="Nebius, Novita, Hyperbolic",
        hosts=r"api\.(?:studio|tokenfactory)\.nebius\.(?:ai|com)|api\.novita\.ai|api\.hyperbolic\.xyz",
        source="recorded exchanges (behind Hugging Face)",
        known="`n` is not known",
    ),
    ChatHost(
        name="Perplexity",
        hosts=r"api\.perplexity\.ai",
        source="https://docs.perplexity.ai/docs/sonar/openai-compatibility; recorded exchanges",
        known="`n` is not documented; usage grows from chunk to chunk, the last one counts",
        tells_usage=True,
    ),
    ChatHost(
        name="GitHub Copilot",
        hosts=r"api\.(?:[a-z]+\.)?githubcopilot\.com",
        source="recorded exchanges",
        known="`n` is not documented",
    ),
    ChatHost(
        name="GitHub Models",
        hosts=r"models\.github\.ai|models\.inference\.ai\.azure\.com",
        source="https://docs.github.com/en/rest/models/inference",
        known="`n` is not documented",
    ),
    ChatHost(
        name="Azure OpenAI",
        hosts=r"[\w-]+\.(?:openai|cognitiveservices)\.azure\.com",
        source="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
        known="OpenAI's models; whether all its defaults hold is not documented",
        noise=_labels(
            "user",
            "metadata",
            source="https://learn.microsoft.com/azure/ai-foundry/openai/reference-preview",
        ),
    ),
    ChatHost(
        name="Azure AI inference",
        hosts=r"[\w-]+\.services\.ai\.azure\.com",
        source="https://learn.microsoft.com/azure/ai-studio/reference/reference-model-inference-api",
        known="`n` is no field of its own API; `extra-parameters` says what becomes of such",
        headers=frozenset({"extra-parameters"}),
    ),
    ChatHost(
        name="Azure AI inference, one model",
        hosts=r"[\w.-]+\.(?:models|inference)\.ai\.azure\.com",
        source="https://learn.microsoft.com/azure/ai-studio/reference/reference-model-inference-api",
        known="the same; the host is the model, and the body need not name it",
        headers=frozenset({"extra-parameters"}),
        is_model=True,
    ),
    ChatHost(
        name="Snowflake",
        hosts=r"[\w.-]+\.snowflakecomputing\.com",
        source="https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",
        known="`n` is not known",
    ),
    ChatHost(
        name="Zhipu (Z.AI)",
        hosts=r"api\.z\.ai|open\.bigmodel\.cn",
        source="recorded exchanges",
        known="`n` is not known; `thinking` is part of the question",
    ),
    ChatHost(
        name="Moonshot (Kimi)",
        hosts=r"api\.moonshot\.(?:ai|cn)",
        source="https://platform.kimi.ai/docs/api/models-overview",
        known="`n` up to 5; only 1 at a temperature near 0 and of newer models, which is learnt",
        choices=5,
        refuses=True,
    ),
    ChatHost(
        name="Venice",
        hosts=r"api\.venice\.ai",
        source="https://docs.venice.ai/api-reference; recorded exchanges",
        known="`n` is not known; `venice_parameters` are part of the question",
    ),
    ChatHost(
        name="NVIDIA",
        hosts=r"integrate\.api\.nvidia\.com",
        source="https://docs.nvidia.com/nim/large-language-models/reference/api-reference",
        known="vLLM or SGLang behind it",
    ),
    ChatHost(
        name="Databricks",
        hosts=r"[\w.-]+\.(?:cloud\.databricks\.com|azuredatabricks\.net|gcp\.databricks\.com)",
        source="https://learn.microsoft.com/azure/databricks/machine-learning/foundation-models/"
        "api-reference",
        known="`n` is not known; `/serving-endpoints/chat/completions` is read, `/invocations` is not",
    ),
)
"""The first that fits counts."""

PARTICULAR: tuple[ChatHost, ...] = tuple(
    row for row in (*CHAT_HOSTS, SIGNED) if row.is_particular and row is not ON_OPENAI
)
"""Those that need a dialect of their own; OpenAI has one with its defaults."""

SERVERS: tuple[ChatHost, ...] = (
    ChatHost(
        name="vLLM",
        source="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        known="`n` is taken, up to what `VLLM_MAX_N_SEQUENCES` says; `best_of` and `use_beam_search` "
        "pass through, for such choices are not independent; `guided_*`, `prompt_logprobs` and "
        "`return_token_ids` are part of the question",
    ),
    ChatHost(
        name="llama.cpp",
        source="recorded exchanges",
        known="`n` is taken; `cache_prompt` is part of the question",
    ),
    ChatHost(
        name="SGLang, Text Generation Inference, Ollama",
        source="recorded exchanges (Ollama)",
        known="`n` is not known",
    ),
)
"""What people run themselves: their hosts do not tell them apart, and nothing is done otherwise."""


@lru_cache(maxsize=1024)
def serving(host: str) -> ChatHost:
    """Return the row with the particulars of *host* (lower case, no port); `ELSEWHERE` if none has."""
    fits = (row for row in CHAT_HOSTS if re.fullmatch(row.hosts, host))
    row = next(fits, ELSEWHERE)
    return row if row.is_particular else ELSEWHERE
