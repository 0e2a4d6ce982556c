"""Who answers at which address: what a URL alone tells of a provider.

Tables only, and the few functions that read a URL or a pattern for one. A row carries its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import urlsplit

from cachesaver.dialects.jsontext import is_list, is_object

__all__ = [
    "DETERMINISTIC_OR_STATEFUL",
    "NO_MODEL_PATHS",
    "ONE_CHOICE",
    "OPENAI",
    "RESPONSES",
    "address_of",
    "host_of",
    "is_named",
    "is_named_host",
    "path_of",
    "refused",
    "stateful",
]

OPENAI = re.compile(r"(?:[a-z]{2}\.)?api\.openai\.com")
"""https://platform.openai.com/docs/guides/your-data#data-residency-controls: regions by prefix."""

RESPONSES_HOSTS: Mapping[str, str] = MappingProxyType(
    {
        OPENAI.pattern: "https://platform.openai.com/docs/api-reference/responses",
        r"[\w-]+\.(?:openai|services\.ai|cognitiveservices)\.azure\.com": (
            "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses"
        ),
        r"api\.x\.ai": "https://docs.x.ai/docs/api-reference#create-new-response",
        r"api\.groq\.com": "https://console.groq.com/docs/responses-api",
        r"openrouter\.ai": "https://openrouter.ai/docs/api-reference/responses-api/overview",
        r"api\.deepseek\.com": "recorded exchanges",
        r"chatgpt\.com": "the Codex CLI's back end: recorded exchanges",
    }
)
RESPONSES = re.compile("|".join(RESPONSES_HOSTS))
"""Hosts of which we know that `/responses` is OpenAI's Responses API."""

ONE_CHOICE: Mapping[str, str] = MappingProxyType(
    {
        "api.groq.com": "https://console.groq.com/docs/openai: N, if supplied, must be 1 (or 400)",
    }
)
"""Hosts whose chat completions refuse `n` above 1. Those that merely ignore it need no row."""

NO_MODEL_PATHS = re.compile(r"/openai/deployments/[^/]+/")
"""https://learn.microsoft.com/azure/ai-foundry/openai/reference: the path names the deployment."""

DETERMINISTIC_OR_STATEFUL: Mapping[str, str] = MappingProxyType(
    {
        # Answers that are the same at every draw: a second draw must not buy them again, and the
        # pipeline of samples would. They pass through until they have a way of their own.
        "embeddings": "deterministic",
        "embed": "deterministic",
        "moderations": "deterministic",
        "rerank": "deterministic",
        "tokenize": "deterministic",
        "detokenize": "deterministic",
        "count_tokens": "deterministic",
        "count-tokens": "deterministic",
        "input_tokens": "deterministic",
        # Calls that change or start something on the server: an answer from a store would name
        # what is not there, or leave undone what was asked.
        "files": "state on the server",
        "uploads": "state on the server",
        "batches": "a job, polled",
        "batchGenerateContent": "https://ai.google.dev/api/batch-api: a job, polled",
        "jobs": "a job, polled",
        "predictions": "https://replicate.com/docs/reference/http: a job, polled",
        "trainings": "a job, polled",
        "videos": "a job, polled",
        "fine_tuning": "a job, polled",
        "assistants": "state on the server",
        "threads": "state on the server",
        "conversations": "state on the server",
        "vector_stores": "state on the server",
        "containers": "state on the server",
        "evals": "state on the server",
        "skills": "state on the server",
        "realtime": "a session",
        "cachedContents": "state on the server",
        "fileSearchStores": "state on the server",
        "agentAliases": "Amazon Bedrock's agents: a session",
        "cancel": "changes a job",
        "compact": "shortens a conversation, https://platform.openai.com/docs/api-reference/responses",
        "countTokens": "deterministic",
        "embedContent": "deterministic",
        "batchEmbedContents": "deterministic",
        "/api/pull": "https://github.com/ollama/ollama/blob/main/docs/api.md: loads a model",
        "/api/push": "the same: sends a model",
        "/api/create": "the same: makes a model",
        "/api/copy": "the same: names a model",
    }
)
"""Path segments (or whole paths) that keep a POST from being taken for a request for a sample,
even on a host the user named."""


def host_of(url: str) -> str:
    """Return the host of *url*, lower case, without port; empty where there is none."""
    return _parts(url)[0]


def address_of(url: str) -> str:
    """Return `host:port` of *url*, the scheme's port where it names none."""
    host, port, _ = _parts(url)
    return f"{host}:{port}"


def path_of(url: str) -> str:
    """Return the path of *url* without its query."""
    return _parts(url)[2]


def is_named(url: str, patterns: Sequence[str]) -> bool:
    """Tell whether the host of *url* is one of *patterns*: hosts, `*` for any part, a port or none.

    Used like::

        is_named("http://llm.acme.test:8000/v1/x", ["*.acme.test", "localhost:8000"])
    """
    address = address_of(url)
    return any(_pattern(p).fullmatch(address) is not None for p in patterns)


def is_named_host(host: str, patterns: Sequence[str]) -> bool:
    """Tell whether some port of *host* may be one of *patterns*."""
    return any(_host_pattern(p).fullmatch(host) is not None for p in patterns)


def refused(url: str, body: Mapping[str, object]) -> str:
    """Return why no store may answer a request on a host the user named; empty if one may."""
    path = path_of(url)
    for segment in (path, *path.split("/")):
        if reason := DETERMINISTIC_OR_STATEFUL.get(segment.rpartition(":")[2]):
            return reason
    return stateful(url, body)


def stateful(url: str, body: Mapping[str, object]) -> str:
    """Return what the body says about state on the server or a job; empty if nothing."""
    if body.get("background") is True or body.get("deferred") is True:
        return "a job, polled"
    at_responses = path_of(url).endswith("/responses")
    if at_responses and (body.get("conversation") or _works_in_container(body)):
        return "state on the server"
    return ""


_PORTS: Mapping[str, int | str] = MappingProxyType({"http": 80, "https": 443})


@lru_cache(maxsize=1024)
def _parts(url: str) -> tuple[str, str, str]:
    """Host, port and path; all empty for what is no URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, "")
        return (parts.hostname or "").lower(), str(port), parts.path
    except ValueError:
        return "", "", ""


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    """A user's host pattern as one for `host:port`."""
    host, port = _cut(pattern)
    return _glob(f"{host}:{port}")


@lru_cache(maxsize=256)
def _host_pattern(pattern: str) -> re.Pattern[str]:
    return _glob(_cut(pattern)[0])


def _cut(pattern: str) -> tuple[str, str]:
    """Host and port of a user's pattern, which may be an origin; brackets of IPv6 removed."""
    bare = pattern.strip().lower().rpartition("//")[2].rstrip("/")
    host, colon, port = bare.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = bare, "*"
    return host.strip("[]"), port


def _glob(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"))


def _works_in_container(body: Mapping[str, object]) -> bool:
    """Whether a tool runs in a container that was there before (so it may find and leave files)."""
    tools = body.get("tools")
    for tool in tools if is_list(tools) else ():
        for field in ("container", "environment"):
            place = tool.get(field) if is_object(tool) else None
            if isinstance(place, str) or (is_object(place) and "container_id" in place):
                return True
    return False
