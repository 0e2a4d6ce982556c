from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.gemini_stream import chunks_of, is_complete, response_of
from cachesaver.errors import DialectError

Chunk = dict[str, Any]


def chunk(*parts: object, index: object = 0, **more: object) -> Chunk:
    """A chunk with these parts of one candidate; *more* are the candidate's other fields."""
    numbered = {} if index is None else {"index": index}
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, **numbered, **more}],
        "modelVersion": "m-1",
        "responseId": "r",
    }


def last(*parts: object, index: object = 0, **more: object) -> Chunk:
    return chunk(*parts, index=index, finishReason="STOP", **more)


def parts_of(*chunks: Chunk) -> object:
    told: Chunk = response_of(chunks)
    (candidate,) = told["candidates"]
    return candidate["content"]["parts"]


# -- parts


def test_text_is_run_together() -> None:
    assert parts_of(chunk({"text": "Hel"}), chunk({"text": "lo"}, {"text": "!"}), last()) == [
        {"text": "Hello!"}
    ]


def test_thoughts_and_answers_are_kept_apart() -> None:
    told = parts_of(
        chunk({"text": "h", "thought": True}),
        chunk({"text": "m", "thought": True}),
        chunk({"text": "a"}),
        last({"text": "h", "thought": True}),
    )

    assert told == [
        {"text": "hm", "thought": True},
        {"text": "a"},
        {"text": "h", "thought": True},
    ]


def test_the_empty_text_that_carries_the_end_is_no_part() -> None:
    call: Chunk = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "s"}

    assert parts_of(chunk(call), last({"text": ""})) == [call]
    assert parts_of(last({"text": ""})) == [{"text": ""}]


def test_a_signature_stays_on_the_part_that_brought_it() -> None:
    signed = {"text": "", "thoughtSignature": "s"}

    assert parts_of(chunk({"text": "a"}), chunk(signed), last({"text": "b"})) == [
        {"text": "a"},
        signed,
        {"text": "b"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionCall": {"name": "f"}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"toolCall": {"id": "t"}, "thoughtSignature": "s"},
        {"text": "a", "partMetadata": {"k": 1}},
        {"ofTomorrow": {}},
    ],
)
def test_other_parts_are_kept_each(part: dict[str, object]) -> None:
    assert parts_of(chunk({"text": "a"}), chunk(part), chunk(part), last({"text": "b"})) == [
        {"text": "a"},
        part,
        part,
        {"text": "b"},
    ]


@pytest.mark.parametrize(
    "piece",
    [
        {"functionCall": {"name": "f", "willContinue": True}},
        {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}},
        {"functionCall": {}},
        {"functionCall": "f"},
        "text",
    ],
)
def test_a_call_without_its_beginning_or_its_end_is_refused(piece: object) -> None:
    with pytest.raises(DialectError):
        response_of([chunk(piece), last()])


def test_sound_told_in_pieces_is_refused() -> None:
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AA=="}}

    assert parts_of(last(sound)) == [sound]
    with pytest.raises(DialectError):
        response_of([chunk(sound), last(sound)])


# -- what stands beside them


def test_counts_are_the_last_chunks() -> None:
    told = response_of(
        [
            {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 3}},
            {**last({"text": "b"}), "usageMetadata": {"promptTokenCount": 3, "x": 1}},
        ]
    )

    assert told["usageMetadata"] == {"promptTokenCount": 3, "x": 1}
    assert (told["modelVersion"], told["responseId"]) == ("m-1", "r")


def test_what_ends_a_candidate_may_be_told_again_and_again() -> None:
    """As Gemini 1.x did in every chunk."""
    told = response_of(
        [
            chunk({"text": "a"}, finishReason="STOP", safetyRatings=[1]),
            chunk({"text": "b"}, finishReason="MAX_TOKENS", safetyRatings=[2]),
        ]
    )

    assert told["candidates"] == [
        {
            "content": {"parts": [{"text": "ab"}], "role": "model"},
            "index": 0,
            "finishReason": "MAX_TOKENS",
            "safetyRatings": [2],
        }
    ]


@pytest.mark.parametrize("field", ["groundingMetadata", "citationMetadata", "logprobsResult"])
def test_what_is_told_once_is_kept_and_what_is_told_differently_refused(field: str) -> None:
    told: Chunk = {field: {"a": [1]}}
    other: Chunk = {field: {"a": [2]}}

    assert response_of([chunk(**told), last(**told)]) == response_of([chunk(), last(**told)])
    with pytest.raises(DialectError):
        response_of([chunk(**told), last(**other)])


@pytest.mark.parametrize("field", ["responseId", "modelVersion", "promptFeedback", "ofTomorrow"])
def test_chunks_of_two_responses_are_refused(field: str) -> None:
    with pytest.raises(DialectError):
        response_of([{**chunk(), field: "one"}, {**last(), field: "other"}])


def test_candidates_are_told_apart_by_index_and_put_in_order() -> None:
    told: Chunk = response_of(
        [
            chunk({"text": "b"}, index=1),
            chunk({"text": "a"}, index=None),  # ProtoJSON leaves out a zero
            last({"text": "B"}, index=1),
            last({"text": "A"}, index=None),
        ]
    )

    assert [
        (candidate.get("index"), candidate["content"]["parts"]) for candidate in told["candidates"]
    ] == [(None, [{"text": "aA"}]), (1, [{"text": "bB"}])]


def test_a_candidate_need_not_have_content() -> None:
    assert response_of([{"candidates": [{"finishReason": "SAFETY"}]}]) == {
        "candidates": [{"finishReason": "SAFETY"}]
    }


def test_a_refused_prompt_is_an_answer() -> None:
    blocked: Chunk = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"a": 1}}

    assert is_complete([blocked])
    assert response_of([blocked]) == blocked
    assert list(chunks_of(blocked)) == [blocked]


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [{}],
        [chunk({"text": "a"})],
        [last(index=0), chunk(index=1)],
        [last(), {"error": {"code": 503}}],
        [{"promptFeedback": {"safetyRatings": []}}],
        [{"promptFeedback": "SAFETY"}],
        [{"candidates": {}}],
        [{"candidates": ["a"]}],
        [last(index="0")],
        [chunk(finishReason="")],
    ],
)
def test_what_breaks_off_or_is_malformed_is_not_complete(chunks: list[Chunk]) -> None:
    assert not is_complete(chunks)
    with pytest.raises(DialectError):
        response_of(chunks)


@pytest.mark.parametrize(
    "content", ["text", {"parts": {"text": "a"}}, {"parts": ["a"]}, {"parts": [None]}]
)
def test_malformed_content_is_refused(content: object) -> None:
    with pytest.raises(DialectError):
        response_of([{"candidates": [{"content": content, "finishReason": "STOP"}]}])


# -- the other way


def test_every_part_is_a_chunk_and_the_last_says_the_rest() -> None:
    told: Chunk = {
        "candidates": [
            {
                "content": {
                    "parts": [{"text": "a"}, {"functionCall": {"name": "f"}}],
                    "role": "model",
                },
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "promptFeedback": {"safetyRatings": []},
        "usageMetadata": {"totalTokenCount": 9},
        "modelVersion": "m-1",
    }

    assert list(chunks_of(told)) == [
        {
            "candidates": [{"content": {"parts": [{"text": "a"}], "role": "model"}, "index": 0}],
            "promptFeedback": {"safetyRatings": []},
            "modelVersion": "m-1",
        },
        {
            "candidates": [
                {
                    "content": {"parts": [{"functionCall": {"name": "f"}}], "role": "model"},
                    "finishReason": "STOP",
                    "index": 0,
                }
            ],
            "usageMetadata": {"totalTokenCount": 9},
            "modelVersion": "m-1",
        },
    ]


@pytest.mark.parametrize("told", [{}, {"error": {}}, chunk({"text": "a"})])
def test_what_is_no_complete_response_is_refused(told: Chunk) -> None:
    with pytest.raises(DialectError):
        list(chunks_of(told))


Drawn = st.SearchStrategy[Any]

WORDS: Drawn = st.text(max_size=3)
PARTS: Drawn = st.one_of(
    st.fixed_dictionaries(
        {"text": WORDS}, optional={"thought": st.just(True), "thoughtSignature": WORDS}
    ),
    st.fixed_dictionaries(
        {"functionCall": st.fixed_dictionaries({"name": WORDS, "args": st.just({"a": 1})})},
        optional={"thoughtSignature": WORDS},
    ),
    st.fixed_dictionaries({"executableCode": st.fixed_dictionaries({"code": WORDS})}),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
)
CONTENT: Drawn = st.fixed_dictionaries(
    {}, optional={"parts": st.lists(PARTS, max_size=5), "role": st.just("model")}
)
CANDIDATES: Drawn = st.fixed_dictionaries(
    {"finishReason": st.sampled_from(["STOP", "MAX_TOKENS", 1])},
    optional={
        "content": CONTENT,
        "groundingMetadata": st.just({"g": 1}),
        "safetyRatings": st.just([]),
        "tokenCount": st.integers(0, 9),
    },
)


BESIDE: Drawn = st.fixed_dictionaries(
    {},
    optional={
        "usageMetadata": st.just({"promptTokenCount": 1}),
        "modelVersion": WORDS,
        "responseId": WORDS,
        "promptFeedback": st.just({"safetyRatings": ["r"]}),
        "ofTomorrow": st.just([1]),
    },
)


@st.composite
def responses(draw: st.DrawFn) -> Chunk:
    candidates: list[Chunk] = draw(st.lists(CANDIDATES, min_size=1, max_size=3))
    numbered = draw(st.booleans())
    return {
        "candidates": [
            {**candidate, "index": place} if numbered or place else candidate
            for place, candidate in enumerate(candidates)
        ],
        **draw(BESIDE),
    }


def texts(told: Chunk) -> list[str]:
    """The text of each candidate, as the SDK's `response.text` has it."""
    return [
        "".join(
            part.get("text", "")
            for part in candidate.get("content", {}).get("parts", [])
            if not part.get("thought")
        )
        for candidate in told["candidates"]
    ]


@given(responses())
def test_a_response_told_in_chunks_says_the_same(told: Chunk) -> None:
    """Once its texts are run together, it is the same for good, to the last field."""
    before = copy.deepcopy(told)
    first = response_of([*chunks_of(told)])

    assert told == before
    assert texts(first) == texts(told)
    assert {**first, "candidates": 0} == {**told, "candidates": 0}
    assert response_of([*chunks_of(first)]) == first
