"""The table of providers: every row can be called, and no name means two things."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from cachesaver.gateway.providers import PROVIDERS, RESERVED, Provider, is_known, named, of_origin
from cachesaver.gateway.refusals import SHAPES
from cachesaver.gateway.routing import checked_origin


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda each: each.name)
def test_a_row_is_sound(provider: Provider) -> None:
    host = urlsplit(provider.origin).hostname or ""

    assert checked_origin(provider.name, provider.origin) == provider.origin
    assert provider.errors in SHAPES
    assert provider.source
    assert named(provider.name) is of_origin(provider.origin) is provider
    assert is_known(host) or provider.name == "ollama"


def test_names_and_variables_are_told_apart() -> None:
    names = [each.name for each in PROVIDERS]
    variables = [name for each in PROVIDERS for name in each.variables]

    assert len({*names}) == len(names)
    assert not RESERVED & {*names}
    assert len({*variables}) == len(variables)


@pytest.mark.parametrize(
    "host",
    [
        "bedrock-runtime.us-east-1.amazonaws.com",
        "europe-west4-aiplatform.googleapis.com",
        "mine.openai.azure.com",
        "eu.api.openai.com",
    ],
)
def test_hosts_of_known_providers_are_known(host: str) -> None:
    assert is_known(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "api.openai.com.evil.test",
        "evil-api.openai.com.",
        "xapi.openai.com",
        "api-openai.com",
        "s3.us-east-1.amazonaws.com",
        "storage.googleapis.com",
        "127.0.0.1",
        "169.254.169.254",
        "localhost",
        "",
    ],
)
def test_no_other_host_is(host: str) -> None:
    assert not is_known(host)


def test_nobody_is_named_who_is_not_in_the_table() -> None:
    assert named("nobody") is of_origin("https://nobody.test") is None
