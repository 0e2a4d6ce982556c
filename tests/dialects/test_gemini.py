from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver import dialects
from cachesaver.dialects.gemini import Gemini
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import Dropped, identify

Object = dict[str, Any]

DIALECT = Gemini()
STUDIO = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
VERTEX = (
    "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
    "/publishers/google/models/gemini-2.5-flash"
)
BODY: Object = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
PART = {"content": {"parts": [{"text": "a"}], "role": "model"}, "finishReason": "STOP"}
ANSWER: Object = {
    "candidates": [{**PART, "index": 0}],
    "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 1, "totalTokenCount": 3},
    "modelVersion": "gemini-2.5-flash",
}
TWO: Object = {**ANSWER, "candidates": [{**PART, "index": 0}, {**PART, "index": 1}]}


def request(url: str = f"{STUDIO}:generateContent", body: object = BODY) -> Request:
    return Request(method="POST", url=url, body=json.dumps(body).encode())


WHOLE = request()
EVENTS = request(f"{STUDIO}:streamGenerateContent?key=k&alt=sse")
ARRAY = request(f"{STUDIO}:streamGenerateContent?key=k")


def response(body: bytes | object) -> Response:
    return Response(
        status=200, chunks=(body if isinstance(body, bytes) else json.dumps(body).encode(),)
    )


# -- what is ours


@pytest.mark.parametrize(
    "base",
    [
        STUDIO,
        VERTEX,
        "https://generativelanguage.googleapis.com/v1beta/tunedModels/t",
        "https://generativelanguage.googleapis.com/v1beta/dynamic/d",
        # without a project, by an API key; for all regions, several, or one's own machines
        "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m",
        "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google/models/m",
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/meta/models/m",
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/123",
        "https://1.us-central1-2.prediction.vertexai.goog/v1/projects/p/locations/l/endpoints/1",
    ],
)
@pytest.mark.parametrize(
    "method", [":generateContent", ":streamGenerateContent", "%3AgenerateContent"]
)
def test_both_methods_are_ours_on_studio_vertex_and_elsewhere(base: str, method: str) -> None:
    path = (base + method).partition("/v1")[2]

    assert any(re.search(f"(?:{endpoint})$", path) for endpoint in DIALECT.endpoints)
    assert DIALECT.recognises(request(base + method), BODY)


@pytest.mark.parametrize("asked", [WHOLE, EVENTS, ARRAY, request(f"{VERTEX}:generateContent")])
def test_the_registry_knows_it(asked: Request) -> None:
    assert dialects.wants("gateway.test", asked.url.partition("/v1")[2])
    assert isinstance(dialects.recognise(asked, BODY), Gemini)


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/m:batchGenerateContent",
        "/v1beta/models/m:countTokens",
        "/v1beta/models/m:embedContent",
        "/v1beta/models/m:generateAnswer",
        "/v1beta/models/m:predict",
        "/v1beta/models/m",
        "/v1beta/cachedContents",
        "/v1beta/interactions",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude:rawPredict",
    ],
)
def test_neighbours_are_not(path: str) -> None:
    assert not any(re.search(f"(?:{endpoint})$", path) for endpoint in DIALECT.endpoints)
    assert not DIALECT.recognises(request(f"https://x.test{path}"), BODY)


@pytest.mark.parametrize(
    "contents",
    [None, [], "hi", {"parts": []}, ["hi"], [{"role": "user"}], [{"parts": "hi"}]],
)
def test_another_shape_is_not_recognised(contents: object) -> None:
    assert not DIALECT.recognises(WHOLE, {**BODY, "generationConfig": [contents]})
    assert not DIALECT.recognises(WHOLE, {"contents": contents})


# -- what is the question


def test_path_and_query_lose_only_what_selects_the_form() -> None:
    target = DIALECT.target

    whole = target("/v1/models/m:generateContent", "key=k")
    assert target("/v1/models/m:streamGenerateContent", "key=k") == whole
    assert target("/v1/models/m:streamGenerateContent", "key=k&alt=sse") == whole
    assert target("/v1/models/m:streamGenerateContent", "%24alt=sse&key=k") == whole
    assert target("/v1/models/m%3AstreamGenerateContent", "alt=json&key=k") == whole
    assert target("/v1/models/m:generateContent", "$alt=json%3Benum-encoding=int") == (
        "/v1/models/m:generateContent",
        "$alt=json%3Benum-encoding=int",
    )


def fingerprint(asked: Request = WHOLE, **more: object) -> str:
    body = json.dumps({**BODY, **more}).encode()
    return identify(asked.with_body(body), DIALECT).fingerprint


def test_one_question_asked_in_several_ways_is_one() -> None:
    asked = fingerprint()

    assert fingerprint(EVENTS) == fingerprint(ARRAY) == asked
    assert fingerprint(generationConfig={"candidateCount": 4}) == asked
    assert fingerprint(generationConfig={}) == fingerprint(tools=None) == asked
    assert fingerprint(labels={"team": "t"}, serviceTier="flex", store=False) == asked


def test_different_questions_are_different() -> None:
    asked = [
        fingerprint(),
        fingerprint(request(f"{STUDIO}-lite:generateContent")),
        fingerprint(request(f"{STUDIO}:generateContent?$alt=json;enum-encoding=int")),
        fingerprint(generationConfig={"temperature": 1.0}),
        fingerprint(generationConfig={"seed": 1, "candidateCount": 4}),
        fingerprint(safetySettings=[]),
        fingerprint(cachedContent="cachedContents/c"),
    ]

    assert len(set(asked)) == len(asked)


def test_the_path_says_whether_to_stream() -> None:
    assert not DIALECT.wants_stream(WHOLE, {"stream": True})
    assert DIALECT.wants_stream(EVENTS, {})
    assert DIALECT.wants_stream(ARRAY, {})
    assert not DIALECT.wants_stream(request("http://[::1"), {})


@pytest.mark.parametrize(
    "field", ["generationConfig.candidateCount", "labels", "serviceTier", "store"]
)
def test_what_does_not_shape_the_answer_is_volatile(field: str) -> None:
    assert "https://" in DIALECT.volatile[field]


@pytest.mark.parametrize(
    "field",
    [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "cachedContent",
        "generationConfig",
        "generationConfig.seed",
        "generationConfig.temperature",
    ],
)
def test_what_may_shape_it_is_not(field: str) -> None:
    assert field not in DIALECT.volatile


def test_a_configuration_of_nothing_is_none() -> None:
    assert dict(DIALECT.defaults) == {"generationConfig": {}, "generation_config": {}}
    assert DIALECT.null_is_absent


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({}, 1),
        ({"generationConfig": {}}, 1),
        ({"generationConfig": {"candidateCount": 3}}, 3),
        ({"generation_config": {"candidate_count": 3}}, 3),
        ({"generationConfig": {"candidateCount": 3.0}}, 3),
        ({"generationConfig": {"candidateCount": "3"}}, 3),
        ({"generationConfig": {"candidateCount": 8}}, 8),
        ({"generationConfig": {"candidateCount": 9}}, 1),
        ({"generationConfig": {"candidateCount": 10**400}}, 1),
        ({"generationConfig": {"candidateCount": 0}}, 1),
        ({"generationConfig": {"candidateCount": -1}}, 1),
        ({"generationConfig": {"candidateCount": 1.5}}, 1),
        ({"generationConfig": {"candidateCount": float("nan")}}, 1),
        ({"generationConfig": {"candidateCount": "many"}}, 1),
        ({"generationConfig": {"candidateCount": None}}, 1),
        ({"generationConfig": [3]}, 1),
    ],
)
def test_candidate_count_is_the_count(config: Object, count: int) -> None:
    assert DIALECT.count({**BODY, **config}) == count


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"generationConfig": {"candidateCount": 4}}),
        (
            {"generationConfig": {"seed": 1}},
            {"generationConfig": {"seed": 1, "candidateCount": 4}},
        ),
        (
            {"generation_config": {"candidate_count": 2}},
            {"generation_config": {"candidate_count": 4}},
        ),
        ({"generationConfig": None}, {"generationConfig": {"candidateCount": 4}}),
    ],
)
def test_asking_for_more_keeps_the_spelling(before: Object, after: Object) -> None:
    body = {**BODY, **before}
    asked = DIALECT.ask(request(body=body), body, 4)

    assert json.loads(asked.body) == {**BODY, **after}
    assert asked.header("content-length") == str(len(asked.body))
    assert DIALECT.count(json.loads(asked.body)) == 4


def test_a_request_that_asks_for_as_many_is_left_alone() -> None:
    body = {**BODY, "generationConfig": {"candidateCount": 2}}

    assert DIALECT.ask(WHOLE, BODY, 1) is WHOLE
    assert DIALECT.ask(asked := request(body=body), body, 2) is asked


def test_a_compressed_request_is_asked_again_uncompressed() -> None:
    packed = Request(method="POST", url=WHOLE.url, headers=(("Content-Encoding", "gzip"),))

    assert DIALECT.ask(packed, BODY, 2).header("content-encoding") is None


# -- what is an answer


@pytest.mark.parametrize("form", [WHOLE, EVENTS, ARRAY])
def test_an_answer_is_sound_in_every_form(form: Request) -> None:
    made = response(ANSWER) if form is WHOLE else DIALECT.stream(response(ANSWER), form, {})

    assert DIALECT.sound(made)
    assert DIALECT.fits(made, form, {})
    assert DIALECT.streamed(made) is (form is not WHOLE)
    assert not DIALECT.finished(made.body[-4096:]), "only the end of the body tells"


STUMPS: list[Any] = [
    {"error": {"code": 429}},
    [{"error": {"code": 503}}],
    [ANSWER, {"error": {"code": 503}}],
    {},
    [],
    b"",
    b"data: {}\n\n",
    b'[{"candidates":[',
    b"<html>",
    {"candidates": []},
    {"candidates": [{"content": {}}]},
]


@pytest.mark.parametrize("body", STUMPS)
def test_errors_and_stumps_are_not(body: bytes | object) -> None:
    assert not DIALECT.sound(response(body))


def test_a_refused_prompt_is_sound() -> None:
    assert DIALECT.sound(response({"promptFeedback": {"blockReason": "SAFETY"}}))


def test_enums_may_be_numbers() -> None:
    """As with `$alt=json;enum-encoding=int`, which Go clients send."""
    assert DIALECT.sound(response({"candidates": [{"finishReason": 1}]}))


# -- its forms


def test_an_array_stream_is_written_as_google_writes_it() -> None:
    made = DIALECT.stream(response(TWO), ARRAY, {})

    assert made.content_type == "application/json"
    assert [chunk[:4] for chunk in made.chunks] == [b'[{"c', b",\r\n{", b"\n]\n"]
    assert len(json.loads(made.body)) == 2


def test_events_have_no_names() -> None:
    made = DIALECT.stream(response(TWO), EVENTS, {})

    assert made.content_type == "text/event-stream"
    assert [chunk[:9] for chunk in made.chunks] == [b'data: {"c'] * 2


@pytest.mark.parametrize("recorded", [EVENTS, ARRAY])
@pytest.mark.parametrize("wanted", [EVENTS, ARRAY])
def test_one_stream_form_does_not_stand_for_the_other(recorded: Request, wanted: Request) -> None:
    made = DIALECT.stream(response(ANSWER), recorded, {})

    assert DIALECT.fits(made, wanted, {}) is (recorded is wanted)
    assert json.loads(DIALECT.whole(made).body) == ANSWER


def test_a_whole_response_is_whole_already() -> None:
    assert DIALECT.whole(whole := response(ANSWER)) is whole


@pytest.mark.parametrize("line", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_recorded_stream_is_read_whatever_its_line_ends(line: bytes) -> None:
    assert (
        json.loads(DIALECT.whole(response(b"data: " + json.dumps(ANSWER).encode() + line)).body)
        == ANSWER
    )


def test_one_candidate_is_the_sample_as_it_came() -> None:
    streamed = DIALECT.stream(response(ANSWER), EVENTS, {})

    assert DIALECT.split(streamed) == (streamed,)
    assert DIALECT.split(whole := response(ANSWER)) == (whole,)
    assert DIALECT.join([streamed]) is streamed


@pytest.mark.parametrize("form", [WHOLE, EVENTS, ARRAY])
def test_several_candidates_are_samples_whatever_the_form(form: Request) -> None:
    made = response(TWO) if form is WHOLE else DIALECT.stream(response(TWO), form, {})
    samples = DIALECT.split(made)

    assert len(samples) == 2
    assert all(DIALECT.sound(sample) for sample in samples)
    assert json.loads(DIALECT.join(samples).body) == TWO


def test_no_two_samples_look_like_one_response_and_the_first_keeps_its_id() -> None:
    samples = DIALECT.split(response({**TWO, "responseId": "r"}))

    assert [json.loads(each.body)["responseId"] for each in samples] == ["r", "r-1"]
    assert json.loads(DIALECT.join(samples).body) == {**TWO, "responseId": "r"}


def test_joining_takes_streams_and_wholes_alike() -> None:
    made = DIALECT.join([DIALECT.stream(response(ANSWER), EVENTS, {}), response(ANSWER)])

    assert json.loads(made.body)["candidates"] == TWO["candidates"]


def test_joining_nothing_is_an_error_of_ours() -> None:
    with pytest.raises(DialectError):
        DIALECT.join([])


def test_usage_is_the_same_in_every_form() -> None:
    told = ("gemini-2.5-flash", ANSWER["usageMetadata"])

    assert DIALECT.usage(response(ANSWER)) == told
    assert DIALECT.usage(DIALECT.stream(response(ANSWER), EVENTS, {})) == told
    assert DIALECT.usage(DIALECT.stream(response(ANSWER), ARRAY, {})) == told
    assert DIALECT.usage(response({"usageMetadata": 3, "modelVersion": 3})) == ("", {})


# -- attacks

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                [
                    "candidates",
                    "content",
                    "parts",
                    "text",
                    "index",
                    "finishReason",
                    "usageMetadata",
                    "candidatesTokenCount",
                    "candidatesTokensDetails",
                    "tokenCount",
                    "functionCall",
                    "inlineData",
                    "promptFeedback",
                ]
            ),
            inner,
        )
    ),
)


CONVERSIONS: tuple[Callable[[Response], object], ...] = (
    DIALECT.whole,
    DIALECT.usage,
    DIALECT.split,
    lambda each: DIALECT.join([each, each]),
    lambda each: DIALECT.stream(each, EVENTS, {}),
    lambda each: DIALECT.stream(each, ARRAY, {}),
)


def tried(body: bytes) -> None:
    """Nothing but a DialectError comes out of any of it."""
    for form in (body, b"[%s]" % body, b"data: %s\n\ndata: %s\n\n" % (body, body)):
        given_ = response(form)
        DIALECT.sound(given_)
        DIALECT.streamed(given_)
        DIALECT.fits(given_, EVENTS, {})
        DIALECT.finished(form)
        for convert in CONVERSIONS:
            try:
                convert(given_)
            except DialectError:
                continue


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything_but_a_dialect_error(body: bytes) -> None:
    tried(body)


FULL: Object = {
    **TWO,
    "candidates": [
        {
            "content": {"parts": [{"text": "a"}, {"functionCall": {"name": "f", "args": {}}}]},
            "finishReason": "STOP",
            "tokenCount": 1,
        },
        {**PART, "index": 1, "groundingMetadata": {}},
    ],
    "usageMetadata": {
        "candidatesTokenCount": 3,
        "totalTokenCount": 3,
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 3}],
    },
    "promptFeedback": {"safetyRatings": []},
}


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """A real response with one of its values, anywhere, replaced by something else."""
    body: Any = json.loads(json.dumps(FULL))
    holder = body
    while True:
        keys: list[Any] = [*holder] if hasattr(holder, "keys") else [*range(len(holder))]
        at = draw(st.sampled_from(keys))
        if isinstance(holder[at], str | int) or not holder[at] or draw(st.booleans()):
            holder[at] = draw(JSON)
            return json.dumps(body).encode()
        holder = holder[at]


@given(forged())
def test_a_response_with_one_value_forged_does_no_harm(body: bytes) -> None:
    tried(body)


@given(JSON)
def test_no_request_raises_anything(value: object) -> None:
    for body in ({"contents": value}, {"generationConfig": value}, {"generation_config": value}):
        DIALECT.recognises(WHOLE, body)
        DIALECT.wants_stream(WHOLE, body)
        assert 1 <= DIALECT.count(body) <= 8


@pytest.mark.parametrize("depth", [50, 200, 900, 990, 1000, 5000, 100_000])
def test_depth_is_no_way_in(depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    tried(b'{"candidates":[{"finishReason":"STOP","content":%s}]}' % deep)
    tried(b'{"ofTomorrow":%s,"candidates":[{"finishReason":"STOP","x":%s}]}' % (deep, deep))


def calling(first: str, *, city: str = "Paris", spelled: bool = False) -> bytes:
    """Return the digest of a conversation in which a function was called, its call named *first*."""
    call, result = (
        ("function_call", "function_response")
        if spelled
        else (
            "functionCall",
            "functionResponse",
        )
    )
    contents = [
        {"role": "user", "parts": [{"text": "How is it?"}]},
        {"role": "model", "parts": [{call: {"id": first, "name": "f", "args": {"city": city}}}]},
        {"role": "user", "parts": [{result: {"id": first, "name": "f", "response": {"r": 1}}}]},
    ]
    body = json.dumps({"contents": contents}).encode()
    url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
    return identify(Request(method="POST", url=url, body=body), Gemini()).canonical


@pytest.mark.parametrize("spelled", [False, True])
def test_an_id_that_a_framework_made_up_counts_by_its_place(spelled: bool) -> None:  # noqa: FBT001
    """Given no id from Gemini, when Pydantic AI makes one up in each run, then it asks the same."""
    one, other = (f"pyd_ai_{uuid.uuid4().hex}" for _ in range(2))

    assert calling(one, spelled=spelled) == calling(other, spelled=spelled)
    assert calling(one, city="Rome", spelled=spelled) != calling(other, spelled=spelled)
    assert calling("a1b2c3d4", spelled=spelled) != calling("d4c3b2a1", spelled=spelled)


def test_it_is_explained_that_an_id_counts_by_its_place() -> None:
    part = {"functionCall": {"id": str(uuid.uuid4()), "name": "f"}}
    body = {"contents": [*BODY["contents"], {"role": "model", "parts": [part]}]}

    noted = list[Dropped]()
    identify(request(body=body), DIALECT, dropped=noted)

    assert (
        Dropped(where="body: ids made up by the client", why="they count by their place") in noted
    )
