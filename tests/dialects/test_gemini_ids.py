"""Ids that frameworks make up for Gemini's function calls, new in every run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.gemini import Gemini
from cachesaver.dialects.gemini_ids import with_numbered_ids
from cachesaver.exchange import Request
from cachesaver.identity import Dropped, Question, identify

URL = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"


def body(*calls: str, results: tuple[str, ...], camel: bool = True) -> dict[str, Any]:
    """A conversation with a call under each of the ids *calls*, and a result for each of *results*."""
    call, result = (
        ("functionCall", "functionResponse") if camel else ("function_call", "function_response")
    )
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "How is it in Paris and in Rome?"}]},
            {
                "role": "model",
                "parts": [{call: {"id": each, "name": "f", "args": {}}} for each in calls],
            },
            {
                "role": "user",
                "parts": [
                    {result: {"id": each, "name": "f", "response": {"result": place}}}
                    for place, each in enumerate(results)
                ],
            },
        ]
    }


def question(asked: dict[str, Any], dropped: list[Dropped] | None = None) -> Question:
    request = Request(method="POST", url=URL, body=json.dumps(asked).encode())
    return identify(request, Gemini(), dropped=dropped)


# As Strands Agents, Pydantic AI, Inspect, LangChain and LiteLLM write them.
MADE_UP = (
    ("tooluse_wdL_4KiewAkXSTwfSMwoQA", "tooluse_SrpC5xAdXEl422Cjs0lM7g"),
    ("pyd_ai_0b6ac1b1dd7b4e1cba0b7d3f0b0d8ee2", "pyd_ai_6a1f39bb4f9947d4a2c7e5f0f7f1f9aa"),
    ("get_weather_Ayc5rcLrVLbVmuFwQkDbv3", "get_weather_fTgYM2Gkj5c2iFzXrHj3ab"),
    ("7c9e6679-7425-40de-944b-e07fc1f90ae7", "550e8400-e29b-41d4-a716-446655440000"),
    ("call_7c9e6679-7425-40de-944b-e07fc1f90ae7", "call_550e8400-e29b-41d4-a716-446655440000"),
)


@pytest.mark.parametrize("pair", MADE_UP)
@pytest.mark.parametrize("camel", [True, False])
def test_which_id_was_made_up_does_not_matter(pair: tuple[str, str], *, camel: bool) -> None:
    one, other = (question(body(each, results=(each,), camel=camel)) for each in pair)

    assert one.fingerprint == other.fingerprint


def test_which_result_is_whose_does_matter() -> None:
    """Given two calls at once, when their results change places, then it is another question."""
    straight = question(body("id-one", "id-two", results=("id-one", "id-two")))
    again = question(body("id-new", "id-old", results=("id-new", "id-old")))
    crossed = question(body("id-one", "id-two", results=("id-two", "id-one")))

    assert straight.fingerprint == again.fingerprint != crossed.fingerprint


def test_ids_that_the_provider_gave_stay() -> None:
    given = body("okz0loqw", "55jh6i4d", results=("okz0loqw", "55jh6i4d"))

    assert with_numbered_ids(given) is given


def test_an_id_more_is_another_question() -> None:
    one = question(body("id-one", "id-one", results=("id-one",)))
    two = question(body("id-one", "id-two", results=("id-one",)))

    assert one.fingerprint != two.fingerprint


def test_it_is_explained() -> None:
    dropped: list[Dropped] = []

    question(body("id-one", results=("id-one",)), dropped)

    assert (
        Dropped(where="body, made-up ids", why="they tie its parts together, which is kept")
        in dropped
    )


def test_the_request_is_left_alone() -> None:
    given = body("id-one", results=("id-one",))

    with_numbered_ids(given)

    assert given == body("id-one", results=("id-one",))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("parts"), inner),
)


@given(_JSON)
def test_what_is_no_conversation_stays(contents: object) -> None:
    given = {"contents": contents}

    assert with_numbered_ids(given) == given


@given(st.permutations(["first", "second", "third"]))
def test_any_renaming_gives_the_same(names: list[str]) -> None:
    """Given distinct ids, then those that stand in their places make the same question."""
    a, b, c = names

    assert with_numbered_ids(body(a, b, c, results=(b, a))) == with_numbered_ids(
        body("x", "y", "z", results=("y", "x"))
    )
