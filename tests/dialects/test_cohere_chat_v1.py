from __future__ import annotations

import json
from typing import Any

import pytest
from cohere.types.non_streamed_chat_response import NonStreamedChatResponse
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects import recognise
from cachesaver.dialects.cohere_chat_v1 import CohereChatV1
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from recordings import read_corpus
from recordings.provider import plain

Body = dict[str, Any]

URL = "https://api.cohere.com/v1/chat"
EVENTS = ("Accepts", "text/event-stream")
DIALECT = CohereChatV1()
STREAMING: Body = {"message": "hi", "stream": True}

ANSWER: Body = {
    "response_id": "r",
    "text": "hello",
    "generation_id": "g",
    "finish_reason": "COMPLETE",
    "meta": {
        "api_version": {"version": "1"},
        "billed_units": {"input_tokens": 1, "output_tokens": 2},
    },
}
CALLING: Body = {
    **ANSWER,
    "tool_calls": [{"name": "f", "parameters": {"x": 1}}, {"name": "g", "parameters": {}}],
}


def request(*headers: tuple[str, str], **more: Any) -> Request:
    body = json.dumps({"message": "hi", **more}).encode()
    return Request(method="POST", url=URL, headers=headers, body=body)


def whole(body: object) -> Response:
    headers = (("content-type", "application/json"),)
    return Response(status=200, headers=headers, chunks=(json.dumps(body).encode(),))


def lines(*events: Body) -> Response:
    body = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    headers = (("content-type", "application/stream+json"),)
    return Response(status=200, headers=headers, chunks=(body,))


def streamed(answer: Body) -> Response:
    return DIALECT.stream(whole(answer), request(), STREAMING)


def told(answer: Body) -> list[Body]:
    return [json.loads(line) for line in streamed(answer).body.splitlines()]


START: Body = {"event_type": "stream-start", "generation_id": "g"}
END: Body = {"event_type": "stream-end", "response": ANSWER, "finish_reason": "COMPLETE"}


@pytest.mark.parametrize(
    "more", [{"stream": True}, {"search_queries_only": False}, {"connectors": None}]
)
def test_what_does_not_shape_the_answer_does_not_count(more: Body) -> None:
    assert (
        identify(request(**more), DIALECT).fingerprint == identify(request(), DIALECT).fingerprint
    )


@pytest.mark.parametrize("more", [{"temperature": 0.3}, {"documents": []}, {"preamble": ""}])
def test_all_other_fields_count(more: Body) -> None:
    assert (
        identify(request(**more), DIALECT).fingerprint != identify(request(), DIALECT).fingerprint
    )


def test_a_conversation_that_the_server_keeps_is_not_taken_even_where_the_host_is_named() -> None:
    kept = {"message": "hi", "conversation_id": "c"}

    assert recognise(request(**kept), kept, hosts=["*"]) is None
    assert recognise(request(), {"message": "hi"}, hosts=["*"]) is not None
    assert not DIALECT.recognises(request(), {"message": ["hi"]})


def test_a_stream_ends_with_the_whole_answer() -> None:
    events = told(ANSWER)

    assert [event["event_type"] for event in events] == [
        "stream-start",
        "text-generation",
        "stream-end",
    ]
    assert events[-1] == {**END, "is_finished": True}
    assert streamed(ANSWER).content_type == "application/stream+json"
    assert json.loads(DIALECT.whole(streamed(ANSWER)).body) == ANSWER


def test_calls_are_told_in_chunks_and_then_whole() -> None:
    events = told({**CALLING, "text": "I will."})

    assert [event["event_type"] for event in events[1:-1]] == [
        *["tool-calls-chunk"] * 5,
        "tool-calls-generation",
    ]
    assert events[1]["text"] == "I will."
    assert [event["tool_call_delta"] for event in events[2:6]] == [
        {"index": 0, "name": "f"},
        {"index": 0, "parameters": '{"x":1}'},
        {"index": 1, "name": "g"},
        {"index": 1, "parameters": "{}"},
    ]
    assert events[6]["tool_calls"] == CALLING["tool_calls"]


def test_what_says_nothing_has_no_event_of_its_own() -> None:
    assert len(told({**ANSWER, "text": ""})) == 2
    assert len(told({**CALLING, "text": "", "citations": None})) == 7
    with pytest.raises(DialectError, match="call"):
        told({**ANSWER, "tool_calls": ["f"]})


def test_searches_documents_and_citations_have_events_of_their_own() -> None:
    answer = {
        **ANSWER,
        "search_queries": [{"text": "q"}],
        "search_results": [{"document_ids": ["d"]}],
        "documents": [{"id": "d"}],
        "citations": [{"start": 0}, {"start": 1}],
    }

    _, queries, results, _, *citations, _ = told(answer)

    assert queries["search_queries"] == answer["search_queries"]
    assert (results["search_results"], results["documents"]) == (
        [{"document_ids": ["d"]}],
        [{"id": "d"}],
    )
    assert [event["citations"] for event in citations] == [[{"start": 0}], [{"start": 1}]]


def test_server_sent_events_are_replayed_to_who_asks_for_them_and_never_made() -> None:
    body = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in (START, END))
    events = Response(status=200, headers=(("content-type", "text/event-stream"),), chunks=(body,))
    plain_one, wanting = request(), request(EVENTS)

    assert DIALECT.fits(events, wanting, STREAMING)
    assert not DIALECT.fits(events, plain_one, STREAMING)
    assert not DIALECT.fits(lines(START, END), wanting, STREAMING)
    assert DIALECT.stream(events, wanting, STREAMING) is events
    assert DIALECT.stream(events, plain_one, STREAMING).content_type == "application/stream+json"
    assert json.loads(DIALECT.whole(events).body) == ANSWER
    for other in (lines(START, END), whole(ANSWER)):
        with pytest.raises(DialectError, match="server-sent"):
            DIALECT.stream(other, wanting, STREAMING)


def test_a_form_fits_who_asks_for_it() -> None:
    assert DIALECT.fits(whole(ANSWER), request(), {"message": "hi"})
    assert not DIALECT.fits(whole(ANSWER), request(), STREAMING)
    assert DIALECT.fits(lines(START, END), request(), STREAMING)
    assert not DIALECT.fits(lines(START, END), request(), {"message": "hi"})


def test_usage_is_what_meta_counts_in_either_form() -> None:
    usage = {"billed_units": {"input_tokens": 1, "output_tokens": 2}}

    assert DIALECT.usage(whole(ANSWER)) == DIALECT.usage(lines(START, END)) == ("", usage)
    assert DIALECT.usage(lines(START)) == ("", {})


def test_a_complete_answer_is_sound() -> None:
    assert DIALECT.sound(whole(ANSWER))
    assert DIALECT.sound(lines(START, END))
    assert DIALECT.sound(whole({**ANSWER, "finish_reason": "ERROR_TOXIC"}))
    assert DIALECT.sound(whole({"text": "", "search_queries": [], "finish_reason": None}))


@pytest.mark.parametrize(
    "response",
    [
        whole({"message": "invalid request"}),
        whole({**ANSWER, "finish_reason": "ERROR"}),
        whole([1]),
        lines(),
        lines(START),
        lines(END),
        lines(START, {"message": "too many requests"}, END),
        lines(START, {**END, "finish_reason": "ERROR"}),
        lines(START, {**END, "finish_reason": None}),
        lines(START, {**END, "response": None}),
        lines(START, {"event_type": "x", "error": "x"}, END),
        lines(START, END, START),
        Response(
            status=200, headers=(("content-type", "application/stream+json"),), chunks=(b"x",)
        ),
    ],
)
def test_errors_and_cut_streams_are_not(response: Response) -> None:
    assert not DIALECT.sound(response)
    if DIALECT.streamed(response):
        with pytest.raises(DialectError):
            DIALECT.whole(response)


@pytest.mark.parametrize(
    "answer",
    [{**ANSWER, "finish_reason": None}, {k: v for k, v in ANSWER.items() if k != "finish_reason"}],
)
def test_an_answer_without_a_finish_reason_has_no_stream(answer: Body) -> None:
    with pytest.raises(DialectError):
        streamed(answer)


def test_a_stream_whose_answer_has_no_text_stays_a_stream() -> None:
    with pytest.raises(DialectError):
        DIALECT.whole(lines(START, {**END, "response": {"meta": {}}}))


def test_the_last_word_is_known_however_long_it_is() -> None:
    """Given a last event longer than what is looked at, then it ends as no other event can."""
    history = [{"role": "USER", "message": 'x "finish_reason":"COMPLETE"}\n' * 500}]
    body = streamed({**ANSWER, "chat_history": history}).body

    assert DIALECT.finished(body[-4096:])
    assert not DIALECT.finished(body[:-1][-4096:])
    assert not DIALECT.finished(body[: len(body) // 2][-4096:])
    assert DIALECT.finished(
        b'{"event_type":"stream-end","finish_reason":"COMPLETE","response":{}}\n'
    )
    assert not DIALECT.finished(b'{"event_type":"text-generation","text":"\\"stream-end\\""}\n')


@given(st.data())
def test_no_part_of_a_stream_is_sound_or_finished(data: st.DataObject) -> None:
    body = streamed(CALLING).body
    cut = body[: data.draw(st.integers(0, len(body) - 1))]
    response = Response(
        status=200, headers=(("content-type", "application/stream+json"),), chunks=(cut,)
    )

    assert not DIALECT.finished(cut[-4096:])
    assert not DIALECT.sound(response) or cut == body[:-1]


def test_recorded_streams_are_the_answers_they_end_with(corpus: Any) -> None:
    """Given the streams of a recorded agent, then the SDK reads the same of what we make of them."""
    recorded = [
        Response(status=200, headers=e.response.headers, chunks=(plain(e.response),))
        for e in read_corpus(corpus)
        if e.request is not None and e.request.url.endswith("/v1/chat")
    ]

    assert len(recorded) == 3
    for stream in recorded:
        assert DIALECT.sound(stream)
        assert DIALECT.finished(stream.body[-4096:])
        *events, last = map(json.loads, stream.body.splitlines())
        answer = DIALECT.whole(stream)
        assert json.loads(answer.body) == last["response"]
        assert NonStreamedChatResponse.model_validate_json(answer.body).text == "".join(
            event.get("text", "") for event in events
        )
        again = DIALECT.stream(answer, request(), STREAMING)
        assert json.loads(again.body.splitlines()[-1]) == last
