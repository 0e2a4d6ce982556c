from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cachesaver.canonical import parse_body
from cachesaver.dialects import recognise
from cachesaver.dialects.openai_embeddings import CompatibleEmbeddings
from cachesaver.exchange import Request, Response, without_headers
from cachesaver.identity import identify, inputs_of
from recordings import read_corpus
from recordings.provider import plain

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/embeddings"
VOYAGE = "https://api.voyageai.com/v1/embeddings"
VLLM = "http://localhost:8000/v1/embeddings"
ASK: Body = {"model": "m", "input": "hi"}


def asked(url: str, body: Body, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=url, body=json.dumps(body).encode(), headers=headers)


def fingerprints(url: str, body: Body) -> list[str]:
    """Of each input."""
    request = asked(url, body)
    dialect = recognise(request, body)
    assert dialect is not None
    # As the SDKs write it; other spellings are read as carefully.
    question = identify(request, dialect)
    return [each.fingerprint for each in inputs_of(question)]


@pytest.mark.parametrize("url", [OPENAI, VOYAGE, VLLM])
def test_an_input_is_one_question_whatever_it_comes_with(url: str) -> None:
    alone, listed = fingerprints(url, ASK), fingerprints(url, {**ASK, "input": ["hi"]})
    among = fingerprints(url, {**ASK, "input": ["a", "hi", "b", "hi"]})

    assert alone == listed == [among[1]] == [among[3]]
    assert len(set(among)) == 3


def test_token_ids_are_one_input() -> None:
    alone = fingerprints(OPENAI, {**ASK, "input": [1, 2]})

    assert alone == [fingerprints(OPENAI, {**ASK, "input": [[3], [1, 2]]})[1]]
    assert alone != fingerprints(OPENAI, {**ASK, "input": [1]})


@pytest.mark.parametrize(
    "asked", [["a", {"image": "b"}], [{"text": "a"}, {"text": "b"}], ["a", "b"]]
)
def test_texts_and_images_are_taken_apart(asked: list[object]) -> None:
    bodies = CompatibleEmbeddings().inputs({"model": "m", "input": asked})

    assert bodies == tuple({"model": "m", "input": [each]} for each in asked)


def test_late_chunks_stay_together() -> None:
    body = {"model": "m", "input": ["a", "b"], "late_chunking": True}

    assert CompatibleEmbeddings().inputs(body) == (body,)


@pytest.mark.parametrize("url", [OPENAI, VOYAGE, VLLM])
@pytest.mark.parametrize("extra", [{"dimensions": None}, {"user": None}])
def test_fields_that_do_not_shape_the_answer_do_not_count(url: str, extra: Body) -> None:
    assert fingerprints(url, {**ASK, **extra}) == fingerprints(url, ASK)


def test_a_user_is_a_label_only_where_that_is_documented() -> None:
    assert fingerprints(OPENAI, {**ASK, "user": "u"}) == fingerprints(OPENAI, ASK)
    assert fingerprints(VLLM, {**ASK, "user": "u"}) != fingerprints(VLLM, ASK)


@pytest.mark.parametrize("url", [OPENAI, VOYAGE, VLLM])
@pytest.mark.parametrize(
    "extra",
    [
        {"metadata": {"a": "b"}},
        {"encoding_format": "base64"},
        {"dimensions": 5},
        {"input_type": "query"},
        {"task": "retrieval.query"},
        {"truncation": False},
        {"output_dtype": "int8"},
    ],
)
def test_all_other_fields_count(url: str, extra: Body) -> None:
    assert fingerprints(url, {**ASK, **extra}) != fingerprints(url, ASK)


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        (OPENAI, {"encoding_format": "float"}),
        (VOYAGE, {"truncation": True}),
        (VOYAGE, {"output_dtype": "float"}),
    ],
)
def test_a_default_is_dropped_only_where_it_is_documented(url: str, extra: Body) -> None:
    assert fingerprints(url, {**ASK, **extra}) == fingerprints(url, ASK)
    assert fingerprints(VLLM, {**ASK, **extra}) != fingerprints(VLLM, ASK)


@pytest.mark.parametrize(
    "header", [("authorization", "AWS4-HMAC-SHA256 x"), ("x-portkey-config", "c")]
)
def test_what_cannot_be_changed_or_kept_with_the_question_passes_through(
    header: tuple[str, str],
) -> None:
    assert recognise(asked(VLLM, ASK, header), ASK) is None


def test_every_recorded_answer_is_split_and_joined_to_what_it_was(corpus: Path) -> None:
    seen = 0

    for exchange in read_corpus(corpus):
        request = exchange.request
        dialect = request and recognise(request, parse_body(request).members)
        if not isinstance(dialect, CompatibleEmbeddings) or exchange.response.status != 200:
            continue
        assert request is not None
        response = Response(
            status=200,
            headers=without_headers(exchange.response.headers, ["content-encoding"]),
            chunks=(plain(exchange.response),),
        )
        bodies = dialect.inputs(parse_body(request).members)
        assert dialect.sound(response), exchange.name
        parts = dialect.split_inputs(response, bodies)
        assert all(dialect.sound(part) for part in parts), exchange.name
        assert json.loads(dialect.join(parts).body) == json.loads(response.body), exchange.name
        seen += 1

    assert seen == 40
