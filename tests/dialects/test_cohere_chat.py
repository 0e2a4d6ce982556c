"""Tables and forms of chat, version 2; how streams are read and told is in the tests beside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cohere.core.http_sse._models import ServerSentEvent
from cohere.core.pydantic_utilities import parse_sse_obj
from cohere.v2.types.v2chat_response import V2ChatResponse
from cohere.v2.types.v2chat_stream_response import V2ChatStreamResponse

from cachesaver.dialects import recognise
from cachesaver.dialects.cohere_chat import CohereChat
from cachesaver.dialects.sse import decode
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from recordings import Exchange, read_corpus
from recordings.provider import plain

Body = dict[str, Any]

URL = "https://api.cohere.com/v2/chat"
ASK: Body = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "hi"}]}
DIALECT = CohereChat()
EVENT: Any = V2ChatStreamResponse

ANSWER: Body = {
    "id": "i",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
    "finish_reason": "COMPLETE",
    "usage": {"billed_units": {"input_tokens": 1, "output_tokens": 2}},
}


def request(**more: Any) -> Request:
    return Request(method="POST", url=URL, body=json.dumps({**ASK, **more}).encode())


def fingerprint(**more: Any) -> str:
    asked = request(**more)
    dialect = recognise(asked, {**ASK, **more})
    assert isinstance(dialect, CohereChat)
    return identify(asked, dialect).fingerprint


def whole(body: Body) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json"), ("num_tokens", "3")),
        chunks=(json.dumps(body).encode(),),
    )


STREAM = DIALECT.stream(whole(ANSWER), request(stream=True), {**ASK, "stream": True})


@pytest.mark.parametrize(
    "more",
    [{"stream": True}, {"stream": False}, {"priority": 5}, {"logprobs": False}, {"tools": None}],
)
def test_what_does_not_shape_the_answer_does_not_count(more: Body) -> None:
    assert fingerprint(**more) == fingerprint()


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.3},  # a default of some models only
        {"p": 0.75},
        {"k": 0},
        {"safety_mode": "CONTEXTUAL"},
        {"seed": 1},
        {"documents": []},
        {"logprobs": True},
        {"thinking": {"type": "enabled"}},
        {"tool_choice": "NONE"},
        {"citation_options": {"mode": "fast"}},
    ],
)
def test_all_other_fields_count(more: Body) -> None:
    assert fingerprint(**more) != fingerprint()


@pytest.mark.parametrize(
    "body", [{}, {"model": "m"}, {**ASK, "model": ""}, {**ASK, "messages": [{"content": "x"}]}]
)
def test_other_bodies_are_none_of_its(body: Body) -> None:
    assert not DIALECT.recognises(request(), body)


def test_each_form_is_made_of_the_other() -> None:
    assert DIALECT.streamed(STREAM)
    assert not DIALECT.streamed(whole(ANSWER))
    assert json.loads(DIALECT.whole(STREAM).body) == ANSWER
    assert DIALECT.whole(whole(ANSWER)) == whole(ANSWER)
    assert DIALECT.stream(STREAM, request(), ASK) is STREAM
    assert DIALECT.fits(STREAM, request(), {**ASK, "stream": True})
    assert not DIALECT.fits(STREAM, request(), ASK)


def test_a_stream_is_named_events_and_done() -> None:
    told = list(decode(STREAM.body))

    assert STREAM.content_type == "text/event-stream"
    assert ("num_tokens", "3") in STREAM.headers
    assert [event.name for event in told[:-1]] == [json.loads(e.data)["type"] for e in told[:-1]]
    assert told[-1].data == "[DONE]"


def test_usage_is_the_same_in_either_form() -> None:
    assert DIALECT.usage(STREAM) == DIALECT.usage(whole(ANSWER)) == ("", ANSWER["usage"])
    assert DIALECT.usage(whole({"usage": None})) == ("", {})


def test_a_complete_answer_is_sound_in_either_form() -> None:
    assert DIALECT.sound(STREAM)
    assert DIALECT.sound(whole(ANSWER))


@pytest.mark.parametrize(
    "body",
    [
        {"id": "i", "message": "model not found"},  # an error of Cohere's
        {**ANSWER, "finish_reason": "ERROR"},
        {**ANSWER, "finish_reason": "TIMEOUT"},
        {**ANSWER, "finish_reason": None},
        {},
    ],
)
def test_an_error_is_not(body: Body) -> None:
    assert not DIALECT.sound(whole(body))


@pytest.mark.parametrize("body", [b"", b"x", b"[1]", b"data: x\n\n", b'{"a":' * 900 + b"1"])
def test_what_is_no_answer_is_not_either(body: bytes) -> None:
    response = Response(status=200, chunks=(body,))

    assert not DIALECT.sound(response)
    with pytest.raises(DialectError):
        DIALECT.usage(response)
    with pytest.raises(DialectError):
        DIALECT.stream(DIALECT.whole(response), request(), ASK)


def test_no_part_of_a_stream_is_sound_or_finished_before_its_last_word() -> None:
    end, last = STREAM.body.index(b"event: message-end"), STREAM.body.index(b"data: [DONE]")

    for length in range(len(STREAM.body) + 1):
        cut = Response(status=200, headers=STREAM.headers, chunks=(STREAM.body[:length],))
        assert DIALECT.finished(cut.body[-4096:]) is (length in (last, len(STREAM.body))), length
        assert not (DIALECT.sound(cut) and length < end), length


# --- recorded answers, judged by the SDK


@pytest.fixture(scope="module")
def recorded(corpus: Any) -> list[Exchange]:
    return [
        e
        for e in read_corpus(corpus)
        if e.request is not None and e.request.url.endswith("/v2/chat") and e.response.status == 200
    ]


def response(exchange: Exchange) -> Response:
    return Response(
        status=200, headers=exchange.response.headers, chunks=(plain(exchange.response),)
    )


def test_the_sdk_reads_of_a_recording_what_it_reads_of_its_other_form(
    recorded: list[Exchange],
) -> None:
    """Given any recorded answer, then its other form is valid, and says the same to the SDK."""
    sound = [each for each in map(response, recorded) if DIALECT.sound(each)]

    assert len(sound) == 30
    for answer in sound:
        told = DIALECT.whole(answer)
        parsed = V2ChatResponse.model_validate_json(told.body)
        stream = DIALECT.stream(told, request(), ASK)
        events: list[Any] = [
            parse_sse_obj(sse=ServerSentEvent(data=event.data, event=event.name), type_=EVENT)
            for event in decode(stream.body)
            if event.data != "[DONE]"
        ]
        texts = [
            event.delta.message.content.text or ""
            for event in events
            if event.type == "content-delta"
        ]
        said = [each.text for each in parsed.message.content or [] if each.type == "text"]
        assert "".join(texts) == "".join(said)
        assert events[-1].delta.usage == parsed.usage
        assert events[-1].delta.finish_reason == parsed.finish_reason
        calls = [e.delta.message.tool_calls for e in events if e.type == "tool-call-start"]
        assert [call.id for call in calls] == [call.id for call in parsed.message.tool_calls or []]
