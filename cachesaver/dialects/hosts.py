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
    "NO_MODEL_PATHS",
    "OPENAI",
    "RESPONSES",
    "VERTEX",
    "address_of",
    "host_of",
    "is_named",
    "is_named_host",
    "may_be",
    "path_of",
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

VERTEX = r"(?:[a-z0-9-]+-)?aiplatform(?:\.[a-z0-9-]+\.rep|\.mtls)?\.googleapis\.com:443"
"""Vertex AI, for all and by region: https://cloud.google.com/vertex-ai/docs/reference/rest and as the
google-genai package has it. For `host:port`."""

NO_MODEL_PATHS = re.compile(r"/openai/deployments/[^/]+/")
"""https://learn.microsoft.com/azure/ai-foundry/openai/reference: the path names the deployment."""


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


def may_be(host: str, addresses: re.Pattern[str]) -> bool:
    """Tell whether some port of *host* may be one of *addresses*, a pattern for `host:port`."""
    ports = _PORT.findall(addresses.pattern)
    return not ports or any(addresses.fullmatch(f"{host}:{port}") for port in ports)


def stateful(url: str, body: Mapping[str, object]) -> str:
    """Return what the body says about state on the server or a job; empty if nothing."""
    if body.get("background") is True or body.get("deferred") is True:
        return "a job, polled"
    path = path_of(url)
    if path.endswith("/responses") and (body.get("conversation") or _works_in_container(body)):
        return "state on the server"
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool: reused by its id
    if path.endswith("/messages") and _is_container(body.get("container")):
        return "state on the server"
    # https://docs.cohere.com/v1/reference/chat: creates or resumes a conversation that is kept.
    if path.endswith("/v1/chat") and body.get("conversation_id") is not None:
        return "state on the server"
    if path.endswith("/interactions") and any(body.get(name) for name in _OF_AGENTS):
        return "a job, polled"
    return ""


_OF_AGENTS = ("agent", "environment", "webhook_config")
"""https://ai.google.dev/api/interactions-api: an agent works in the background, or in a place that it
changes."""

_PORT = re.compile(r":(\d+)")

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


def _is_container(place: object) -> bool:
    """Whether *place* is a container that was there before; without an id, one is made for the call."""
    return isinstance(place, str) or (is_object(place) and place.get("id") is not None)


def _works_in_container(body: Mapping[str, object]) -> bool:
    """Whether a tool runs in a container that was there before (so it may find and leave files)."""
    tools = body.get("tools")
    for tool in tools if is_list(tools) else ():
        for field in ("container", "environment"):
            place = tool.get(field) if is_object(tool) else None
            if isinstance(place, str) or (is_object(place) and "container_id" in place):
                return True
    return False
