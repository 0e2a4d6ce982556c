from __future__ import annotations

import json

import pytest

from cachesaver.dialects.cohere_tokens import CohereTokens
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

DIALECT = CohereTokens()
ASK = Request(method="POST", url="https://api.cohere.com/v1/tokenize", body=b"{}")


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def test_a_question_has_one_answer_and_is_never_taken_apart() -> None:
    body = {"model": "m", "tokens": [1, 2]}

    assert DIALECT.deterministic
    assert DIALECT.inputs(body) == (body,)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"model": "m", "text": "x"}, True),
        ({"model": "m", "tokens": [1]}, True),
        ({"model": "m", "tokens": [True]}, False),
        ({"model": "m", "prompt": "x"}, False),
        ({"text": "x"}, False),
    ],
)
def test_it_is_told_by_text_or_tokens_and_a_model(body: dict[str, object], *, found: bool) -> None:
    assert DIALECT.recognises(ASK, body) is found


@pytest.mark.parametrize(
    ("body", "sound"),
    [({"tokens": []}, True), ({"text": "x"}, True), ({"message": "x"}, False), ([1], False)],
)
def test_sound_is_what_has_tokens_or_text(body: object, *, sound: bool) -> None:
    assert DIALECT.sound(response(body)) is sound


def test_it_costs_nothing() -> None:
    assert DIALECT.usage(response({"text": "x", "meta": {"api_version": {}}})) == ("", {})
    with pytest.raises(DialectError):
        DIALECT.usage(response([1]))
