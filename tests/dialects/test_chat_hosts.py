from __future__ import annotations

import re
from pathlib import Path

import pytest

from cachesaver.dialects.chat_hosts import (
    CHAT_HOSTS,
    ELSEWHERE,
    ON_OPENAI,
    PARTICULAR,
    SERVERS,
    SIGNED,
    ChatHost,
    serving,
)

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "compatible-providers.md"

HOSTS = {
    # A host, and the row that says what is known of it.
    "api.openai.com": "OpenAI",
    "eu.api.openai.com": "OpenAI",
    "api.mistral.ai": "Mistral",
    "codestral.mistral.ai": "Mistral",
    "api.groq.com": "Groq",
    "api.together.xyz": "Together",
    "api.together.ai": "Together",
    "api.fireworks.ai": "Fireworks",
    "openrouter.ai": "OpenRouter",
    "api.deepseek.com": "DeepSeek",
    "api.x.ai": "xAI",
    "us-east-1.api.x.ai": "xAI",
    "api.cerebras.ai": "Cerebras",
    "router.huggingface.co": "Hugging Face",
    "x1.us-east-1.aws.endpoints.huggingface.cloud": "Hugging Face",
    "api.studio.nebius.ai": "Nebius, Novita, Hyperbolic",
    "api.novita.ai": "Nebius, Novita, Hyperbolic",
    "api.hyperbolic.xyz": "Nebius, Novita, Hyperbolic",
    "api.perplexity.ai": "Perplexity",
    "api.githubcopilot.com": "GitHub Copilot",
    "api.business.githubcopilot.com": "GitHub Copilot",
    "models.github.ai": "GitHub Models",
    "models.inference.ai.azure.com": "GitHub Models",
    "acme.openai.azure.com": "Azure OpenAI",
    "acme.cognitiveservices.azure.com": "Azure OpenAI",
    "acme.services.ai.azure.com": "Azure AI inference",
    "acme.eastus2.models.ai.azure.com": "Azure AI inference, one model",
    "acme.eastus2.inference.ai.azure.com": "Azure AI inference, one model",
    "myorg-acct.snowflakecomputing.com": "Snowflake",
    "api.z.ai": "Zhipu (Z.AI)",
    "open.bigmodel.cn": "Zhipu (Z.AI)",
    "api.moonshot.ai": "Moonshot (Kimi)",
    "api.venice.ai": "Venice",
    "integrate.api.nvidia.com": "NVIDIA",
    "dbc-1.cloud.databricks.com": "Databricks",
}


def rows(host: str) -> list[str]:
    return [row.name for row in CHAT_HOSTS if re.fullmatch(row.hosts, host)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_in_the_row_that_is_about_it(host: str) -> None:
    name = HOSTS[host]

    assert rows(host)[0] == name
    assert serving(host).name in (name, "elsewhere")


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_that_only_looks_like_one_is_taken_for_it(host: str) -> None:
    assert rows(f"{host}.evil.test") == rows(host.replace(".", "x")) == []


def test_every_row_is_about_some_host() -> None:
    assert {row.name for row in CHAT_HOSTS} == set(HOSTS.values())


@pytest.mark.parametrize("row", [*CHAT_HOSTS, *SERVERS, SIGNED], ids=repr)
def test_every_row_says_where_it_is_written(row: ChatHost) -> None:
    assert re.search(r"https://|recorded exchanges|its SDK, \S+ \d", row.source)
    assert all(re.search(r"https://|SDK, \S+ \d", reason) for reason in row.noise.values())
    assert row.known


def test_a_row_without_particulars_is_served_as_any_host_is() -> None:
    assert serving("api.cerebras.ai") is serving("localhost") is serving("") is ELSEWHERE
    assert not ELSEWHERE.is_particular


@pytest.mark.parametrize("row", PARTICULAR, ids=repr)
def test_a_row_with_particulars_has_a_dialect_of_its_own(row: ChatHost) -> None:
    hosts = [host for host, name in HOSTS.items() if name == row.name]

    assert row.is_particular
    assert row is not ON_OPENAI
    assert [serving(host) for host in hosts] == [row] * len(hosts)
    assert hosts or row is SIGNED


@pytest.mark.parametrize("row", [*CHAT_HOSTS, *SERVERS], ids=repr)
def test_the_page_for_users_says_what_the_table_says(row: ChatHost) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert f"| {row.name} |" in page
    assert f"| {row.known} |" in page
