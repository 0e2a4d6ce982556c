"""The providers that the gateway knows by name, and the hosts that calls may go to by address.

Data, each row with its source. A row may enter when a dialect of ours reads what its provider says;
a variable, when a client that is named with it reads that variable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from cachesaver.dialects.chat_hosts import CHAT_HOSTS
from cachesaver.dialects.providers import HOSTS

__all__ = ["PROVIDERS", "RESERVED", "Provider", "is_known", "named", "of_origin"]

RESERVED = frozenset({"http", "https", "ns", "replicate", "id", "run", "key", "cachesaver"})
"""First parts of a path that mean something else than a provider."""


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider by name.

    Attributes:
        name: The first part of the path: `/openai/v1/...`.
        origin: Where its calls go; what is behind the name in the path is put behind it.
        source: Where the address is written down.
        errors: The shape of its error bodies; a key of `refusals.SHAPES`.
        variables: Environment variables that hold its base URL, by what stands behind the name in
            it; `cachesaver run --gateway` sets them.
    """

    name: str
    origin: str
    source: str
    errors: str = "openai"
    variables: Mapping[str, str] = field(default_factory=_none)


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        name="openai",
        origin="https://api.openai.com",
        source="openai 3.57, openai-node, Codex; OPENAI_API_BASE: litellm 1.106 and older clients",
        variables=MappingProxyType({"OPENAI_BASE_URL": "/v1", "OPENAI_API_BASE": "/v1"}),
    ),
    Provider(
        name="anthropic",
        origin="https://api.anthropic.com",
        source="anthropic 2.14; Claude Code: https://code.claude.com/docs/en/llm-gateway",
        errors="anthropic",
        variables=MappingProxyType({"ANTHROPIC_BASE_URL": ""}),
    ),
    Provider(
        name="gemini",
        origin="https://generativelanguage.googleapis.com",
        source="google-genai 3.6 and Gemini CLI, which is built on its sister for JavaScript",
        errors="google",
        variables=MappingProxyType({"GOOGLE_GEMINI_BASE_URL": ""}),
    ),
    Provider(
        name="cohere",
        origin="https://api.cohere.com",
        source="cohere 7.3: client_v2, base_client",
        errors="cohere",
        variables=MappingProxyType({"CO_API_URL": ""}),
    ),
    Provider(
        name="groq",
        origin="https://api.groq.com",
        source="groq 1.7: the path begins with /openai/v1",
        variables=MappingProxyType({"GROQ_BASE_URL": ""}),
    ),
    Provider(
        name="together",
        origin="https://api.together.ai",
        source="together 3.1",
        variables=MappingProxyType({"TOGETHER_BASE_URL": ""}),
    ),
    Provider(
        name="fireworks",
        origin="https://api.fireworks.ai",
        source="fireworks-ai 1.2",
        variables=MappingProxyType({"FIREWORKS_BASE_URL": ""}),
    ),
    Provider(
        name="cerebras",
        origin="https://api.cerebras.ai",
        source="cerebras-cloud-sdk 1.91",
        variables=MappingProxyType({"CEREBRAS_BASE_URL": ""}),
    ),
    Provider(
        name="mistral", origin="https://api.mistral.ai", source="mistralai 3.7: SERVER_GLOBAL"
    ),
    Provider(
        name="openrouter",
        origin="https://openrouter.ai",
        source="openrouter 1.3: the path begins with /api/v1",
    ),
    Provider(
        name="deepseek", origin="https://api.deepseek.com", source="https://api-docs.deepseek.com"
    ),
    Provider(name="xai", origin="https://api.x.ai", source="https://docs.x.ai/docs/api-reference"),
    Provider(
        name="perplexity",
        origin="https://api.perplexity.ai",
        source="https://docs.perplexity.ai/api-reference/chat-completions-post",
    ),
    Provider(
        name="huggingface",
        origin="https://router.huggingface.co",
        source="huggingface-hub 2.4: inference/_providers/_common.py",
        errors="text",
    ),
    Provider(
        name="voyage",
        origin="https://api.voyageai.com",
        source="voyageai 0.5: util.get_default_base_url",
    ),
    Provider(
        name="nvidia",
        origin="https://integrate.api.nvidia.com",
        source="https://docs.nvidia.com/nim/large-language-models/reference/api-reference",
    ),
    Provider(
        name="moonshot",
        origin="https://api.moonshot.ai",
        source="https://platform.kimi.ai/docs/api",
    ),
    Provider(name="zai", origin="https://api.z.ai", source="https://docs.z.ai/api-reference"),
    Provider(
        name="ollama",
        # Its variable, OLLAMA_HOST, is also where `ollama serve` listens: it is never set.
        origin="http://127.0.0.1:11434",
        source="ollama 0.6: _parse_host",
        errors="text",
    ),
)

_MORE_HOSTS: Mapping[str, str] = MappingProxyType(
    {
        # a pattern for all of a host: where it is documented
        r"api\.(?:eu|us)\.mistral\.ai": "mistralai 3.7: SERVER_EU, SERVER_US",
    }
)


def named(name: str) -> Provider | None:
    """Return the provider called *name*, or None."""
    return _by_name().get(name)


def of_origin(origin: str) -> Provider | None:
    """Return the provider whose calls go to *origin*, or None."""
    return _by_origin().get(origin)


def is_known(host: str) -> bool:
    """Tell whether *host* (lower case, no port) is one that a provider of the tables answers at."""
    return _hosts().fullmatch(host) is not None


@cache
def _by_name() -> Mapping[str, Provider]:
    return {provider.name: provider for provider in PROVIDERS}


@cache
def _by_origin() -> Mapping[str, Provider]:
    return {provider.origin: provider for provider in PROVIDERS}


@cache
def _hosts() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in _patterns()))


def _patterns() -> Iterator[str]:
    for provider in PROVIDERS:
        scheme, _, host = provider.origin.partition("://")
        if scheme == "https":
            yield re.escape(host)
    yield from (row.hosts for row in CHAT_HOSTS if row.hosts)
    yield from HOSTS
    yield from _MORE_HOSTS
