"""What a request may cost is read from its body, in any provider's spelling."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.estimates import LIMITS, MEDIUM_TOKENS, Estimate, estimated, model_of


@pytest.mark.parametrize("path", LIMITS, ids=".".join)
def test_the_answer_is_bounded_by_what_the_body_says(path: tuple[str, ...]) -> None:
    body: Any = 77
    for name in reversed(path):
        body = {name: body}

    assert estimated(body).answer == 77


@pytest.mark.parametrize("odd", [None, True, 0, -1, "77", [77], float("nan"), 10**12, {}])
def test_what_bounds_nothing_is_no_bound(odd: object) -> None:
    assert estimated({"max_tokens": odd, "generationConfig": odd}).answer is None


def test_of_two_bounds_the_larger_counts() -> None:
    assert estimated({"max_tokens": 5, "max_completion_tokens": 9.0}).answer == 9


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("https://api.openai.com/v1/chat/completions", {"model": "gpt-5-mini"}, "gpt-5-mini"),
        (
            "https://x.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent?key=k",
            {},
            "gemini-2.5-flash",
        ),
        ("https://x.googleapis.com/v1beta/x", {"model": "models/gemini-9"}, "gemini-9"),
        ("https://a.openai.azure.com/openai/deployments/mine/chat/completions", {}, "mine"),
        (
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a.b-v1%3A0/converse",
            {},
            "a.b-v1:0",
        ),
        ("https://x.test/v1/chat", {"model": 3}, ""),
        ("", {}, ""),
    ],
)
def test_the_model_is_found_in_body_or_path(url: str, body: dict[str, object], model: str) -> None:
    assert estimated(body, url=url).model == model


def test_the_url_keeps_no_secret() -> None:
    estimate = estimated({}, url="https://user:pass@x.test/v1/chat?key=secret")

    assert estimate == Estimate(url="https://x.test/v1/chat", prompt=0)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/embeddings",
        "/v1/rerank",
        "/v1/models/m:embedContent",
        "/v1/models/m:computeTokens",
        "/v1/publishers/google/models/text-embedding-005:predict",
        "/v1/publishers/anthropic/models/count-tokens:rawPredict",
        "/v1/messages/count_tokens",
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        "/model/anthropic.claude-sonnet-4-5%3A0/count-tokens",
    ],
)
def test_some_endpoints_write_no_answer(path: str) -> None:
    assert estimated({"model": "m"}, url=f"https://x.test{path}").answer == 0


def test_text_counts_by_its_bytes() -> None:
    short, long = ({"messages": [{"role": "user", "content": "a" * n}]} for n in (300, 3300))

    assert estimated(long).prompt - estimated(short).prompt == 1000
    assert estimated({"input": "\u6f22" * 100}).prompt >= 100
    assert estimated({"input": "\ud800"}).prompt > 0


def test_a_prompt_of_tokens_counts_them() -> None:
    assert estimated({"prompt": list(range(1000))}).prompt >= 1000


IMAGE = "A" * 1_000_000
MEDIA: dict[str, dict[str, object]] = {
    "openai chat": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
    "openai responses": {"type": "input_image", "image_url": f"data:image/png;base64,{IMAGE}"},
    "openai by address": {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
    "openai audio": {"type": "input_audio", "input_audio": {"data": IMAGE, "format": "wav"}},
    "openai file": {"type": "file", "file": {"file_data": IMAGE}},
    "anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
    },
    "anthropic by address": {"type": "image", "source": {"type": "url", "url": "https://x.test/a"}},
    "gemini": {"inlineData": {"mimeType": "image/png", "data": IMAGE}},
    "gemini, snake": {"inline_data": {"mime_type": "image/png", "data": IMAGE}},
    "gemini by address": {"fileData": {"fileUri": "https://x.test/a"}},
    "bedrock": {"image": {"format": "png", "source": {"bytes": IMAGE}}},
    "bedrock by address": {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://a"}}}},
    "data address": {"picture": f"data:image/png;base64,{IMAGE}"},
}


@pytest.mark.parametrize("name", MEDIA)
def test_a_medium_counts_by_a_fixed_number(name: str) -> None:
    prompt = estimated({"content": [MEDIA[name]]}).prompt

    assert MEDIUM_TOKENS <= prompt < MEDIUM_TOKENS + 50


def test_deep_nesting_is_counted() -> None:
    body: Any = "text"
    for _ in range(20_000):
        body = {"a": [body]}

    assert estimated(body).prompt > 10_000


TEXTS = ["", "a", "type", "base64", "data", "image_url", "num_predict", "data:x;base64,", "\ud800"]
texts = st.sampled_from(TEXTS)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.dictionaries(texts, inner) | st.lists(inner),
)


@given(st.dictionaries(st.sampled_from(["model", "options", "max_tokens", "source"]), values))
def test_any_body_has_an_estimate(body: dict[str, object]) -> None:
    estimate = estimated(body, samples=2, url="https://x.test/v1/chat")

    assert estimate.samples == 2
    assert estimate.prompt >= 0
    assert estimate.answer is None or estimate.answer > 0


@pytest.mark.parametrize(
    ("url", "body", "model"),
    [
        ("https://h.test/v1/chat/completions", {"model": "gpt-5"}, "gpt-5"),
        ("https://h.test/model/amazon.nova-lite-v1%3A0/converse", {}, "amazon.nova-lite-v1:0"),
        ("https://h.test/v1/chat/completions", {"model": 3}, ""),
    ],
)
def test_a_request_names_its_model_in_its_body_or_its_path(
    url: str, body: dict[str, object], model: str
) -> None:
    assert model_of(body, url) == model
