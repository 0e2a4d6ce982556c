from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.cohere_embed import CohereEmbed, CohereEmbedV1
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

URL = "https://api.cohere.com/v2/embed"
ASK: Body = {"model": "embed-v4.0", "input_type": "search_document", "texts": ["a", "b", "c"]}
DIALECT = CohereEmbed()


def request(body: Body, *headers: tuple[str, str], url: str = URL) -> Request:
    return Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())


def fingerprint(body: Body, dialect: CohereEmbed = DIALECT) -> str:
    return identify(request(body), dialect).fingerprint


def answer(*texts: str, **more: Any) -> Body:
    return {
        "id": "i",
        "texts": list(texts),
        "embeddings": {"float": [[0.5, len(text)] for text in texts], "int8": [[1]] * len(texts)},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3 * len(texts)}},
        "response_type": "embeddings_by_type",
        **more,
    }


def response(body: object) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json"), ("num_tokens", "9"), ("x", "y")),
        chunks=(json.dumps(body).encode(),),
    )


def split(body: Body, *texts: str) -> list[Body]:
    bodies = DIALECT.inputs({**ASK, "texts": list(texts)})
    return [json.loads(each.body) for each in DIALECT.split_inputs(response(body), bodies)]


def joined(*bodies: Body) -> Body:
    told: Body = json.loads(DIALECT.join(list(map(response, bodies))).body)
    return told


@pytest.mark.parametrize(
    "more",
    [{"priority": 3}, {"truncate": "END"}, {"truncate": None}, {"embedding_types": ["float"]}],
)
def test_what_does_not_shape_the_answer_does_not_count(more: Body) -> None:
    assert fingerprint({**ASK, **more}) == fingerprint(ASK)


@pytest.mark.parametrize(
    "more",
    [
        {"truncate": "NONE"},
        {"input_type": "search_query"},
        {"embedding_types": ["int8"]},
        {"output_dimension": 1536},
        {"max_tokens": 8},
        {"texts": ["b", "a", "c"]},
    ],
)
def test_all_other_fields_count(more: Body) -> None:
    assert fingerprint({**ASK, **more}) != fingerprint(ASK)


@pytest.mark.parametrize("field", ["texts", "images", "inputs"])
def test_it_is_told_by_what_is_to_be_embedded(field: str) -> None:
    assert DIALECT.recognises(request(ASK), {field: ["x"]})
    assert not DIALECT.recognises(request(ASK), {field: []})
    assert not DIALECT.recognises(request(ASK), {field: "x"})


def test_version_1_has_a_list_where_no_type_is_asked_for() -> None:
    first = CohereEmbedV1()

    assert fingerprint({**ASK, "embedding_types": ["float"]}, first) != fingerprint(ASK, first)
    assert fingerprint({**ASK, "truncate": "END"}, first) == fingerprint(ASK, first)


def test_a_batch_is_its_inputs() -> None:
    assert DIALECT.deterministic
    assert DIALECT.inputs(ASK) == tuple({**ASK, "texts": [text]} for text in "abc")
    images = {"model": "m", "images": ["x", "y"], "texts": None}
    assert DIALECT.inputs(images) == ({**images, "images": ["x"]}, {**images, "images": ["y"]})


TOGETHER: list[Body] = [
    {"texts": ["a"]},
    {"inputs": [{"content": []}, {"content": []}]},
    {"texts": ["a", "b"], "images": ["x"]},
    {"texts": "ab"},
    {},
]


@pytest.mark.parametrize("body", TOGETHER)
def test_what_cannot_be_taken_apart_is_one_question(body: Body) -> None:
    (only,) = DIALECT.inputs(body)

    assert only is body


def test_only_what_is_missing_is_asked_for() -> None:
    coded = ("content-encoding", "gzip")
    packed = Request(
        method="POST", url=URL, headers=(coded,), body=gzip.compress(json.dumps(ASK).encode())
    )

    for asked in (request(ASK), packed):
        part = DIALECT.ask_inputs(asked, ASK, [2, 0])
        assert json.loads(part.body) == {**ASK, "texts": ["c", "a"]}
        assert coded not in part.headers
    assert DIALECT.ask_inputs(request(ASK), ASK, [0, 1, 2]).body == request(ASK).body
    whole: Body = {"inputs": [{}, {}]}
    assert DIALECT.ask_inputs(request(whole), whole, [0]).body == request(whole).body


def test_each_input_gets_its_own_answer() -> None:
    one, other = split(answer("a", "bb"), "a", "bb")

    costs = [part["meta"]["billed_units"]["input_tokens"] for part in (one, other)]
    assert costs == [2, 4]
    assert one == {**answer("a"), "meta": one["meta"]}
    assert other == {**answer("bb"), "meta": other["meta"], "id": "i-1"}
    assert joined(one, other) == answer("a", "bb")
    assert joined(other, one)["texts"] == ["bb", "a"]


def test_what_counts_the_batch_is_not_said_of_a_part() -> None:
    bodies = DIALECT.inputs({**ASK, "texts": ["a", "b"]})

    parts = DIALECT.split_inputs(response(answer("a", "b")), bodies)

    for each in (*parts, DIALECT.join(parts)):
        assert each.header("num_tokens") is None
        assert each.header("x") == "y"


def test_embeddings_in_one_list_stay_in_one() -> None:
    told = answer("a", "b", embeddings=[[1.0], [2.0]], response_type="embeddings_floats")

    one, other = split(told, "a", "b")

    assert (one["embeddings"], other["embeddings"]) == ([[1.0]], [[2.0]])
    assert joined(one, other) == told


def test_images_have_their_own_particulars() -> None:
    told = answer("", "", texts=[], images=[{"width": 1}, {"width": 2}])

    one, other = split(told, "x", "y")

    assert (one["images"], other["images"]) == ([{"width": 1}], [{"width": 2}])
    assert one["texts"] == []
    assert joined(one, other) == told


def test_warnings_are_said_once_and_no_meta_is_none() -> None:
    told = answer("a", "b", meta={"warnings": ["old model"]})

    assert [part["meta"] for part in split(told, "a", "b")] == [{"warnings": ["old model"]}] * 2
    assert joined(*split(told, "a", "b"))["meta"] == {"warnings": ["old model"]}
    bare = {name: value for name, value in told.items() if name != "meta"}
    assert joined(*split(bare, "a", "b")) == bare


@pytest.mark.parametrize(
    "told",
    [
        answer("a"),
        answer("a", "b", "c"),
        answer("a", "b", embeddings={"float": [[1], [2]], "int8": [[1]]}),
        answer("a", "b", embeddings={"float": [[1], [2]], "int8": None}),
        answer("a", "b", embeddings=None),
        answer("a", "b", texts=["a"]),
        answer("a", "b", images=[{}]),
    ],
)
def test_an_answer_that_has_not_one_of_each_is_refused(told: Body) -> None:
    with pytest.raises(DialectError):
        split(told, "a", "b")


def test_one_input_has_one_answer() -> None:
    whole = response(answer("a"))

    assert DIALECT.split_inputs(whole, [{"texts": ["a"]}]) == (whole,)
    both = response(answer("a", "b"))
    assert DIALECT.split_inputs(both, [TOGETHER[1]]) == (both,)
    with pytest.raises(DialectError):
        DIALECT.split_inputs(both, [{"texts": ["a"]}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (answer("a"), answer("b", embeddings=[[1]])),
        (answer("a"), answer("b", embeddings={"float": [[1]]})),
        (answer("a"), {**answer("b"), "texts": None}),
        (answer("a"), {}),
    ],
)
def test_answers_of_different_kinds_are_not_joined(one: Body, other: Body) -> None:
    with pytest.raises(DialectError):
        joined(one, other)


def test_one_answer_is_itself_and_none_is_none() -> None:
    only = response(answer("a"))

    assert DIALECT.join([only]) is only
    with pytest.raises(DialectError):
        DIALECT.join([])


@pytest.mark.parametrize(
    ("body", "sound"),
    [
        (answer("a"), True),
        (answer("a", embeddings=[[1]]), True),
        (answer(), False),
        ({"id": "i", "message": "model not found"}, False),
        ([1], False),
    ],
)
def test_sound_is_what_has_embeddings(body: object, *, sound: bool) -> None:
    assert DIALECT.sound(response(body)) is sound


def test_usage_is_what_is_billed() -> None:
    assert DIALECT.usage(response(answer("a"))) == ("", {"billed_units": {"input_tokens": 3}})


COUNTS = st.integers(0, 10**6) | st.decimals(0, 10**3, places=2).map(float)


@given(
    st.lists(st.text(max_size=20), min_size=2, max_size=6),
    st.dictionaries(st.sampled_from(["input_tokens", "image_tokens", "images"]), COUNTS),
    st.data(),
)
def test_what_is_split_is_joined_and_its_cost_adds_up(
    texts: list[str], counts: Body, data: st.DataObject
) -> None:
    """Given any batch, when it is split, then joined, then it is what it was, to the last unit."""
    told = answer(*texts, meta={"billed_units": counts, "tokens": counts})
    parts = split(told, *texts)

    assert [part["texts"] for part in parts] == [[text] for text in texts]
    assert joined(*parts) == told
    chosen = data.draw(st.lists(st.sampled_from(range(len(texts))), min_size=2))
    again = joined(*(parts[place] for place in chosen))
    assert again["texts"] == [texts[place] for place in chosen]
    assert again["embeddings"]["float"] == [[0.5, len(texts[place])] for place in chosen]
