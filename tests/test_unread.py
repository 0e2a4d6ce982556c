"""What counts of an API that nobody reads: every header but transport, without being told."""

from __future__ import annotations

import pytest

from cachesaver.credentials import ACCOUNT_HEADERS, SECRET_HEADERS
from cachesaver.exchange import Request
from cachesaver.unread import NOISE, digest, unread_names


def counting(*headers: tuple[str, str]) -> list[str]:
    return list(unread_names(Request(method="POST", url="https://x.test/", headers=headers)))


@pytest.mark.parametrize(
    "name",
    [
        *("X-Acme-Model", "X-Amzn-SageMaker-Target-Model", "Accept-Language", "x-amz-target"),
        *("helicone-target-url", "openai-beta", "x-acme-key"),
    ],
)
def test_what_may_shape_an_answer_counts(name: str) -> None:
    assert counting((name, "a")) == [name.lower()]


@pytest.mark.parametrize(
    "name",
    [
        *sorted(NOISE),
        *("X-Stainless-Retry-Count", "x-cachesaver-request-id", "X-B3-TraceId"),
        *("X-Forwarded-For", "x-datadog-trace-id", "Sec-Fetch-Mode"),
    ],
)
def test_transport_does_not(name: str) -> None:
    assert counting((name, "a")) == []


def test_credentials_and_accounts_do_not() -> None:
    assert NOISE >= SECRET_HEADERS | ACCOUNT_HEADERS


def test_to_accept_anything_says_nothing() -> None:
    assert counting(("accept", "*/*")) == []
    assert counting(("accept", "image/png")) == ["accept"]


def test_a_digest_tells_apart_and_does_not_tell() -> None:
    values = ["llama3-8b", "llama3-70b", "", "\udce9"]

    assert len({digest(value) for value in values}) == len(values)
    assert all(len(digest(value)) == 16 for value in values)
    assert "llama" not in digest("llama3-8b")
