"""Inputs taken apart and put together, with embeddings standing for all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.openai_embeddings import CompatibleEmbeddings
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

Body = dict[str, Any]

DIALECT = CompatibleEmbeddings()
URL = "http://localhost:8000/v1/embeddings"
ASK: Body = {"model": "m", "input": ["a", "bb", "a longer one"]}

TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=6)
VECTORS = st.lists(st.floats(-1, 1), min_size=1, max_size=3)
USAGES = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 10**6), "total_tokens": st.integers(0, 10**6)},
    optional={"cost": st.decimals(0, 1, places=9).map(float), "is_byok": st.booleans()},
)


def answered(items: list[Body], **more: object) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json; charset=utf-8"), ("x-request-id", "r")),
        chunks=(json.dumps({"object": "list", "data": items, "model": "m"} | more).encode(),),
    )


def vectors(*numbers: float) -> list[Body]:
    return [
        {"object": "embedding", "index": index, "embedding": [number]}
        for index, number in enumerate(numbers)
    ]


def read(response: Response) -> Body:
    body: Body = json.loads(response.body)
    return body


@given(TEXTS, st.data())
def test_what_is_split_joins_to_what_it_was(texts: list[str], data: st.DataObject) -> None:
    usage = data.draw(USAGES)
    items = [
        {"object": "embedding", "index": index, "embedding": data.draw(VECTORS)}
        for index in range(len(texts))
    ]
    response = answered(items, **({} if usage is None else {"usage": usage}))

    parts = DIALECT.split_inputs(response, DIALECT.inputs({"model": "m", "input": texts}))

    assert len(parts) == len(texts)
    assert all(read(part)["data"][0]["index"] == 0 for part in parts)
    assert read(DIALECT.join(parts)) == read(response)


@given(TEXTS, st.data())
def test_the_shares_of_the_usage_add_up_exactly(texts: list[str], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, 10**6))
    response = answered(vectors(*range(len(texts))), usage={"prompt_tokens": total})

    parts = DIALECT.split_inputs(response, DIALECT.inputs({"model": "m", "input": texts}))

    assert sum(read(part)["usage"]["prompt_tokens"] for part in parts) == total


def test_a_longer_input_had_more_of_the_tokens() -> None:
    response = answered(vectors(0, 1, 2), usage={"prompt_tokens": 30, "total_tokens": 30})

    parts = DIALECT.split_inputs(response, DIALECT.inputs(ASK))

    assert [read(part)["usage"]["total_tokens"] for part in parts] == [5, 7, 18]


def test_answers_in_another_order_are_told_by_their_index() -> None:
    response = answered(vectors(0, 1, 2)[::-1])

    parts = DIALECT.split_inputs(response, DIALECT.inputs(ASK))

    assert [read(part)["data"][0]["embedding"] for part in parts] == [[0], [1], [2]]


def test_answers_without_an_index_stand_in_order() -> None:
    items = [{"embedding": [each["index"]]} for each in vectors(0, 1, 2)]
    response = answered(items)

    parts = DIALECT.split_inputs(response, DIALECT.inputs(ASK))

    assert [read(part)["data"] for part in parts] == [[item] for item in items]
    assert read(DIALECT.join(parts)) == read(response)


@pytest.mark.parametrize(
    "places", [[0, 0, 0], [0, 1], [1, 2, 3], [0, 1, "2"], [0, None, 2], [0, 1, True]]
)
def test_answers_that_cannot_be_told_apart_are_refused(places: list[object]) -> None:
    items = [{"index": place, "embedding": [1]} for place in places]

    with pytest.raises(DialectError):
        DIALECT.split_inputs(answered(items), DIALECT.inputs(ASK))


def test_one_answer_to_one_input_stays_as_the_provider_wrote_it() -> None:
    response = answered(vectors(0))

    assert DIALECT.split_inputs(response, DIALECT.inputs({**ASK, "input": "a"})) == (response,)


def test_several_answers_to_one_input_are_refused() -> None:
    with pytest.raises(DialectError, match="one answer for each input"):
        DIALECT.split_inputs(answered(vectors(0, 1)), DIALECT.inputs({**ASK, "input": "a"}))


def test_the_head_of_an_answer_is_kept_and_its_id_made_the_inputs_own() -> None:
    response = answered(vectors(0, 1, 2), id="emb-1")

    first, second, _ = DIALECT.split_inputs(response, DIALECT.inputs(ASK))

    assert (read(first)["id"], read(second)["id"]) == ("emb-1", "emb-1-1")
    assert second.header("x-request-id") == "r"
    assert second.header("content-type") == "application/json; charset=utf-8"


def test_a_sum_that_would_leave_one_out_is_not_given() -> None:
    with_usage = answered(vectors(0), usage={"prompt_tokens": 3})

    joined = DIALECT.join([with_usage, answered(vectors(1))])

    assert "usage" not in read(joined)
    assert [item["index"] for item in read(joined)["data"]] == [0, 1]


def test_vectors_of_two_models_are_never_one_batch() -> None:
    """Given a name that has moved on since the first was bought, then the two are not mixed."""
    one, other = (answered(vectors(0.1), model=name) for name in ("e-001", "e-002"))

    assert read(DIALECT.join([one, one]))["model"] == "e-001"
    with pytest.raises(DialectError, match="several models"):
        DIALECT.join([one, other])


def test_nothing_joins_to_nothing() -> None:
    with pytest.raises(DialectError, match="nothing to join"):
        DIALECT.join([])


class TestAskInputs:
    def request(self, body: Body, *headers: tuple[str, str]) -> Request:
        return Request(method="POST", url=URL, body=json.dumps(body).encode(), headers=headers)

    def test_some_in_their_order_and_everything_else_as_it_was(self) -> None:
        body = {"input": ["a", "b", "c"], "model": "m", "dimensions": 5}

        asked = DIALECT.ask_inputs(self.request(body), body, [2, 0])

        assert json.loads(asked.body) == {**body, "input": ["c", "a"]}
        assert asked.header("content-length") == str(len(asked.body))

    def test_all_of_them_are_the_request_itself(self) -> None:
        request = self.request(ASK)

        assert DIALECT.ask_inputs(request, ASK, [0, 1, 2]) is request

    def test_what_was_compressed_is_not_any_more(self) -> None:
        request = self.request(ASK, ("content-encoding", "gzip"))

        asked = DIALECT.ask_inputs(request, ASK, [1])

        assert asked.header("content-encoding") is None
        assert json.loads(asked.body)["input"] == ["bb"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"data": []}',
        b'{"data": {}}',
        b'{"data": [1]}',
        b'{"data": [{"index": 0}]}',
        b'{"data": [{"embedding": []}]}',
        b'{"data": [{"embedding": [null, 1]}]}',
        b'{"data": [{"embedding": ""}]}',
        b'{"error": {"message": "no"}}',
        b'{"data": [{"embedding": [1]}], "error": "half of it failed"}',
    ],
)
def test_what_is_no_complete_answer_is_not_sound(body: bytes) -> None:
    assert not DIALECT.sound(Response(status=200, chunks=(body,)))


def test_model_and_usage_are_the_providers() -> None:
    assert DIALECT.usage(answered(vectors(0), usage={"total_tokens": 3})) == (
        "m",
        {"total_tokens": 3},
    )
    assert DIALECT.usage(answered(vectors(0), model=None, usage=None)) == ("", {})
