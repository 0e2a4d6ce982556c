"""Questions and samples are the same after they stood in a cassette."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.cassettes.answers import answer_of, question_members, sample_of
from cachesaver.cassettes.format import Head, document, parse, written
from cachesaver.exchange import Response, Sample

SECONDS = st.floats(0, 1e4).map(lambda value: round(value, 6))
CHUNKS = st.lists(
    st.sampled_from(
        [
            b'data: {"a":1}\n\n',
            b"event: x\ndata: [1, 2]\n\n",
            b": ping\n\n",
            b"data: [DONE]\n\n",
            b'{"done": true}\n',
            b"\xff\x00",
            b'{"a"',
            b":1}",
        ]
    )
    | st.binary(max_size=9),
    max_size=5,
).map(tuple)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    chunks = draw(CHUNKS)
    kind = draw(st.sampled_from(["text/event-stream", "application/json", "audio/mpeg"]))
    offsets = draw(st.lists(SECONDS, min_size=len(chunks), max_size=len(chunks)))
    return Sample(
        response=Response(
            status=draw(st.integers(200, 299)),
            reason=draw(st.sampled_from(["", "OK"])),
            headers=(
                ("Content-Type", kind),
                *draw(st.sampled_from([(), (("a", "1"), ("a", "2"))])),
            ),
            chunks=chunks,
            offsets=tuple(offsets) if draw(st.booleans()) else (),
        ),
        draw=draw(st.text(max_size=9)),
        usage=draw(st.sampled_from([{}, {"total_tokens": 7, "more": {"x": 1.5}}])),
        model=draw(st.sampled_from(["", "m"])),
        created=1.7e9 + draw(st.integers(0, 10**6)) / 1000,
        latency=draw(SECONDS),
        first_byte=draw(SECONDS),
        user_agent=draw(st.sampled_from(["", "OpenAI/Python 3"])),
    )


@given(samples())
def test_a_sample_is_the_same_in_all_that_counts(sample: Sample) -> None:
    text = written(Head(), [document("f", question_members(b"q"), [answer_of(sample)])])
    _, (read,) = parse(text, location="x")

    again = sample_of(read.answers[0])

    assert again.response.body == sample.response.body
    assert replace(again, response=sample.response) == sample
    if sample.response.content_type == "text/event-stream":
        assert again.response == sample.response


QUESTION = b'cachesaver/1 openai.chat POST\nhttps://a\n/v1\n%b\n%b\n{"a":1}'


@given(
    st.binary(max_size=60)
    | st.lists(st.sampled_from([b"\n", b"a", b"{}"]), max_size=20).map(b"".join)
    | st.sampled_from([QUESTION % (b"", b""), QUESTION % (b"q=1", b"h: 1\n")])
)
def test_a_question_is_the_same(question: bytes) -> None:
    text = written(Head(), [document("f", question_members(question), [])])
    _, (read,) = parse(text, location="x")

    assert read.question == question


def test_it_reads_like_what_was_said() -> None:
    sample = Sample(
        response=Response(
            status=200,
            headers=(("content-type", "text/event-stream"),),
            chunks=(b'data: {"n":1}\n\n', b"data: [DONE]\n\n"),
            offsets=(0.25, 0.5),
        ),
        draw="d",
        created=1.0,
        latency=0.5,
        first_byte=0.25,
    )

    assert answer_of(sample) == {
        "status": 200,
        "headers": {"content-type": "text/event-stream"},
        "stream": [[0.25, {"data": {"n": 1}}], [0.5, "data: [DONE]\n\n"]],
        "recorded": "1970-01-01T00:00:01.000Z",
        "seconds": [0.25, 0.5],
        "draw": "d",
    }


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"status": 200, "json": 1, "style": "ornate"},
        {"status": 200, "json": 1, "usage": "free"},
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(odd: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        sample_of(odd)


def test_the_body_of_a_question_stands_as_json() -> None:
    assert question_members(QUESTION % (b"", b"h: 1\n")) == {
        "asks": ["cachesaver/1 openai.chat POST", "https://a", "/v1", "", "h: 1"],
        "body": {"json": {"a": 1}},
    }
    assert question_members(QUESTION % (b"", b""))["body"] == {"json": {"a": 1}}
