"""Embeddings by OpenAI's own SDK, over a socket."""

from __future__ import annotations

import math
from typing import Any

import openai
import pytest

import local_app
from cachesaver.local.app.embeddings import texts_of
from cachesaver.local.app.other_asks import EmbeddingAsk
from cachesaver.local.app.served import Served
from cachesaver.local.app.tongue import Tongue
from cachesaver.local.encoding import TextEncoder

TEXTS = ["the", "the quick brown fox", "jumps"]


def ask(client: openai.OpenAI, **fields: Any) -> Any:
    given: dict[str, Any] = {"model": "tiny-bert", "input": TEXTS, **fields}
    return client.embeddings.create(**given)


def vectors(answer: Any) -> list[list[float]]:
    return [each.embedding for each in answer.data]


@pytest.mark.parametrize("lowers", [False, True])
def test_a_text_is_written_in_small_letters_where_the_model_wants_that(*, lowers: bool) -> None:
    encoder = TextEncoder(local_app.bert(), lowers=lowers)
    served = Served(name="b", tongue=Tongue(local_app.tokenizer()), encoder=encoder)

    (shouted,), (said,) = (
        texts_of(served, EmbeddingAsk(model="b", input=text))[1] for text in ("THE fox", "the fox")
    )

    assert (list(shouted) == list(said)) is lowers
    assert texts_of(served, EmbeddingAsk(model="b", input=[5, 6]))[1] == [[5, 6]]


def test_each_text_has_its_vector(client: openai.OpenAI) -> None:
    """Given texts of several lengths, then each has the vector that it has alone."""
    together = vectors(ask(client))

    for text, vector in zip(TEXTS, together, strict=True):
        assert vectors(ask(client, input=text))[0] == pytest.approx(vector, abs=1e-5)
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
    assert together[0] != together[1]


def test_both_spellings_are_the_same(client: openai.OpenAI) -> None:
    assert vectors(ask(client, encoding_format="float")) == vectors(ask(client))


def test_inputs_may_be_token_ids(client: openai.OpenAI) -> None:
    ids = [local_app.tokenizer().encode(each) for each in TEXTS]

    assert vectors(ask(client, input=ids)) == vectors(ask(client))
    assert ask(client).usage.prompt_tokens == sum(map(len, ids))


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("context_length_exceeded", {"input": "the " * 100}),
        ("invalid_value", {"input": [[400]]}),
        ("invalid_value", {"input": ""}),
        ("unsupported_parameter", {"dimensions": 8}),
        ("model_not_supported", {"model": "tiny"}),
        ("model_not_found", {"model": "other"}),
    ],
)
def test_what_it_cannot_take_is_refused(
    client: openai.OpenAI, code: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        ask(client, **fields)

    assert raised.value.code == code


def test_as_many_dimensions_as_there_are(client: openai.OpenAI) -> None:
    assert len(vectors(ask(client, dimensions=16))[0]) == 16


def test_an_encoder_writes_nothing(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="ask /v1/embeddings"):
        client.chat.completions.create(
            model="tiny-bert", messages=[{"role": "user", "content": "hi"}]
        )
