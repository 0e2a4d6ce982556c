from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.rerank import CohereRerank, Rerank, TeiRerank
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

COHERE = "https://api.cohere.com/v2/rerank"
OTHER = "http://localhost:8000/v1/rerank"
MARK = ("x-fern-sdk-name", "cohere")
RANK: Body = {"model": "m", "query": "q", "documents": ["x", "y"]}
TEI: Body = {"query": "q", "texts": ["x", "y"]}
ALL = (Rerank(), CohereRerank(), TeiRerank())


def ask(url: str, body: Body, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())


def fingerprint(url: str, **more: Any) -> str:
    request = ask(url, {**RANK, **more})
    dialect = recognise(request, {**RANK, **more})
    assert dialect is not None
    return identify(request, dialect).fingerprint


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


@pytest.mark.parametrize("more", [{"priority": 3}, {"return_documents": False}, {"top_n": None}])
def test_what_cohere_documents_counts_not_at_cohere_and_elsewhere_it_does(more: Body) -> None:
    assert fingerprint(COHERE, **more) == fingerprint(COHERE)
    assert fingerprint(OTHER, **more) != fingerprint(OTHER)


@pytest.mark.parametrize("url", [COHERE, OTHER])
@pytest.mark.parametrize(
    "more", [{"top_n": 1}, {"documents": ["y", "x"]}, {"query": "r"}, {"return_documents": True}]
)
def test_all_else_counts(url: str, more: Body) -> None:
    assert fingerprint(url, **more) != fingerprint(url)


def test_a_request_has_one_dialect_and_a_named_host_does_not_change_it() -> None:
    for request, kind in (
        (ask(COHERE, RANK), CohereRerank),
        (ask(OTHER, RANK, MARK), CohereRerank),
        (ask(OTHER, RANK), Rerank),
    ):
        assert [type(each) for each in ALL if each.recognises(request, RANK)] == [kind]
        assert type(recognise(request, RANK, hosts=["*"])) is kind


def test_documents_are_one_question_together() -> None:
    """A score may depend on the documents beside, and the best few do not tell of the others."""
    for dialect in ALL:
        assert dialect.deterministic
        assert dialect.inputs(RANK) == (RANK,)


@pytest.mark.parametrize(
    "body",
    [
        {"query": "q", "documents": ["x"]},
        {**RANK, "model": ""},
        {**RANK, "documents": []},
        {**RANK, "documents": [1]},
        {**RANK, "query": 1},
    ],
)
def test_the_common_form_names_a_model_a_query_and_documents(body: Body) -> None:
    assert not Rerank().recognises(ask(OTHER, body), body)
    assert Rerank().recognises(ask(OTHER, RANK), {**RANK, "query": {"image": "x"}})


TEI_OR_NOT: list[tuple[Body, bool]] = [
    (TEI, True),
    ({**TEI, "truncate": True, "return_text": True}, True),
    ({**TEI, "user": "me"}, False),
    ({**TEI, "texts": []}, False),
    ({**TEI, "texts": [{}]}, False),
    ({"texts": ["x"]}, False),
]


@pytest.mark.parametrize(("body", "found"), TEI_OR_NOT)
def test_the_other_form_has_no_field_but_its_own(body: Body, *, found: bool) -> None:
    assert TeiRerank().recognises(ask(OTHER, body), body) is found


ANSWERS: dict[str, tuple[object, str, Body]] = {
    "cohere": (
        {
            "id": "i",
            "results": [{"index": 1, "relevance_score": 0.7}],
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        },
        "",
        {"billed_units": {"search_units": 1}},
    ),
    "jina, vllm and llama.cpp": (
        {
            "model": "m",
            "results": [{"index": 0, "relevance_score": -4.7, "document": {"text": "x"}}],
            "usage": {"total_tokens": 13},
        },
        "m",
        {"total_tokens": 13},
    ),
    "voyage": (
        {
            "object": "list",
            "data": [{"index": 0, "relevance_score": 0.5}],
            "model": "rerank-2.5",
            "usage": {"total_tokens": 12},
        },
        "rerank-2.5",
        {"total_tokens": 12},
    ),
    "tei": ([{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}], "", {}),
    "none of them": ({"results": [], "usage": {"prompt_tokens": 55}}, "", {"prompt_tokens": 55}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_in_all_forms_are_sound_and_tell_their_usage(name: str) -> None:
    body, model, usage = ANSWERS[name]

    assert Rerank().sound(response(body))
    assert Rerank().usage(response(body)) == (model, usage)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 501, "message": "no reranking"}},
        {"error": "x", "results": []},
        {"message": "model not found"},
        {"results": [{"index": 0}]},
        {"results": [{"relevance_score": 0.5}]},
        {"results": [1]},
        {"results": {}},
        "x",
        None,
    ],
)
def test_errors_are_not(body: object) -> None:
    assert not Rerank().sound(response(body))


@pytest.mark.parametrize("answer", [{"results": []}, []])
def test_an_answer_that_ranks_nothing_is_kept_only_where_nothing_was_asked_for(
    answer: object,
) -> None:
    """Given a hiccup, then it is not the answer for ever; what `top_n: 0` gives is."""
    nothing = response(answer)

    with pytest.raises(DialectError, match="ranks nothing"):
        Rerank().split_inputs(nothing, [{"top_n": 3}])
    with pytest.raises(DialectError, match="ranks nothing"):
        Rerank().split_inputs(nothing, [{}])
    assert Rerank().split_inputs(nothing, [{"top_n": 0}]) == (nothing,)


def test_what_is_no_json_is_no_answer() -> None:
    broken = Response(status=200, chunks=(b"x",))

    assert not Rerank().sound(broken)
    with pytest.raises(DialectError):
        Rerank().usage(broken)
