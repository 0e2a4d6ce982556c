"""What the gateway says in the place of a provider."""

from __future__ import annotations

import orjson
import pytest

from cachesaver.errors import (
    CachesaverError,
    ConfigurationError,
    NotRecordedError,
    NotReplayableError,
    StoreDamagedError,
    UnknownPriceError,
)
from cachesaver.gateway.refusals import SHAPES, Refusal, refusal_of, shape_of

MISS = NotRecordedError(
    "POST x", fingerprint="f" * 64, namespace="a", wanted=1, free=0, near="near"
)

RETRIED = {408, 409, 425, 429, *range(500, 600)}
"""openai 3.57, anthropic 2.14, google-genai 3.6, botocore 1.44."""


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_carries_the_message(shape: str) -> None:
    refusal = Refusal(412, "not_recorded", "nothing is recorded")

    assert b"nothing is recorded" in refusal.body(shape)
    assert isinstance(orjson.loads(refusal.body(shape)), dict)
    assert dict(refusal.headers(shape))["x-should-retry"] == "false"


def test_amazon_names_its_errors_in_a_header() -> None:
    assert dict(Refusal(400, "x", "y").headers("aws"))["x-amzn-errortype"] == "cachesaver_x"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MISS, 412),
        (NotReplayableError("POST x", "why"), 412),
        (UnknownPriceError("m"), 402),
        (ConfigurationError("no"), 400),
        (StoreDamagedError("no", location="x"), 500),
    ],
)
def test_each_error_of_ours_has_a_status(error: CachesaverError, status: int) -> None:
    refusal = refusal_of(error)

    assert refusal.status == status
    assert refusal.message == str(error)


def test_no_sdk_tries_a_miss_again() -> None:
    assert refusal_of(MISS).status not in RETRIED


@pytest.mark.parametrize(
    ("dialect", "shape"),
    [
        *(("openai.chat", "openai"), ("anthropic.messages", "anthropic"), ("", "openai")),
        *(("gemini.generate", "google"), ("bedrock.converse", "aws"), ("ollama.chat", "text")),
    ],
)
def test_a_dialect_has_a_shape(dialect: str, shape: str) -> None:
    assert shape_of(dialect) == shape
