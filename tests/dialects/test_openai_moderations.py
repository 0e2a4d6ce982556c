from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.openai_moderations import CompatibleModerations
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/moderations"
OTHER = "http://localhost:8000/moderations"
PARTS = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}]
MODEL = {"model": "omni-moderation-latest"}

DIALECT = CompatibleModerations()


def is_recognised(url: str, body: Body, *hosts: str) -> bool:
    request = Request(method="POST", url=url, body=json.dumps(body).encode())
    dialect = recognise(request, body, hosts=hosts)
    return dialect is not None and dialect.name == "openai.moderations"


@pytest.mark.parametrize("asked", ["x", ["x", "y"], PARTS])
def test_an_input_alone_is_enough_where_the_host_tells(asked: object) -> None:
    assert is_recognised(OPENAI, {"input": asked})
    assert is_recognised(OTHER, {"input": asked}, "localhost:8000")
    assert not is_recognised(OTHER, {"input": asked})


def test_elsewhere_the_model_has_to_tell() -> None:
    assert is_recognised(OTHER, {**MODEL, "input": "x"})
    assert not is_recognised(OTHER, {"model": "Golf", "input": "x"})


def test_texts_are_taken_apart_and_parts_are_not() -> None:
    texts, parts = {**MODEL, "input": ["a", "b"]}, {**MODEL, "input": PARTS}

    assert DIALECT.inputs(texts) == ({**MODEL, "input": ["a"]}, {**MODEL, "input": ["b"]})
    assert DIALECT.inputs({**MODEL, "input": "a"}) == ({**MODEL, "input": ["a"]},)
    assert DIALECT.inputs(parts) == (parts,)


def answered(*flags: bool) -> Response:
    results = [{"flagged": flag, "categories": {"hate": flag}} for flag in flags]
    body = {"id": "modr-1", "model": "m", "results": results}
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def test_results_are_split_and_joined_in_order() -> None:
    response = answered(True, False)

    parts = DIALECT.split_inputs(response, DIALECT.inputs({**MODEL, "input": ["a", "b"]}))

    assert [json.loads(part.body)["results"][0]["flagged"] for part in parts] == [True, False]
    assert json.loads(DIALECT.join(parts).body) == json.loads(response.body)


def test_one_result_answers_all_parts() -> None:
    parts = {**MODEL, "input": PARTS}

    assert DIALECT.split_inputs(answered(True), DIALECT.inputs(parts)) == (answered(True),)


def test_a_result_too_few_is_refused() -> None:
    with pytest.raises(DialectError):
        DIALECT.split_inputs(answered(True), DIALECT.inputs({**MODEL, "input": ["a", "b"]}))


@pytest.mark.parametrize("body", [b"{}", b'{"results": []}', b'{"results": [{"flagged": true}]}'])
def test_what_is_no_complete_answer_is_not_sound(body: bytes) -> None:
    assert DIALECT.sound(answered(True))
    assert not DIALECT.sound(Response(status=200, chunks=(body,)))
