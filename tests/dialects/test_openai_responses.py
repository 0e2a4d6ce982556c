from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects import recognise
from cachesaver.dialects.openai_responses import CompatibleResponses
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

OPENAI = "https://api.openai.com/v1/responses"
OTHER = "http://localhost:8000/v1/responses"
ASK: Body = {"model": "m", "input": "hi"}
DIALECT = CompatibleResponses()
POST = Request(method="POST", url=OPENAI)
USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
DONE: Body = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "m-1",
    "output": [{"id": "msg_1", "type": "message", "role": "assistant", "content": []}],
    "usage": USAGE,
}


def fingerprint(url: str, body: Body) -> str:
    request = Request(method="POST", url=url, body=json.dumps(body).encode())
    dialect = recognise(request, body)
    assert dialect is not None
    return identify(request, dialect).fingerprint


def whole(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def sse(*events: Body, named: bool = True) -> Response:
    chunks = [
        (f"event: {e.get('type')}\n" if named else "") + f"data: {json.dumps(e)}\n\n"
        for e in events
    ]
    return Response(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        chunks=tuple(chunk.encode() for chunk in chunks),
    )


CREATED: Body = {
    "type": "response.created",
    "response": {**DONE, "status": "in_progress", "output": []},
}
COMPLETED: Body = {"type": "response.completed", "response": DONE}


@pytest.mark.parametrize("url", [OPENAI, OTHER])
@pytest.mark.parametrize(
    "extra",
    [
        {"stream": True},
        {"stream_options": {"include_obfuscation": False}},
        {"safety_identifier": "u"},
        {"service_tier": "flex"},
        {"prompt_cache_key": "k"},
        {"instructions": None, "tools": None, "store": None},
    ],
)
def test_fields_that_do_not_shape_the_answer_do_not_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**ASK, **extra}) == fingerprint(url, ASK)


@pytest.mark.parametrize("extra", [{"user": "u"}, {"metadata": {"a": "b"}}])
def test_labels_are_labels_only_where_that_is_documented(extra: Body) -> None:
    assert fingerprint(OPENAI, {**ASK, **extra}) == fingerprint(OPENAI, ASK)
    assert fingerprint(OTHER, {**ASK, **extra}) != fingerprint(OTHER, ASK)


@pytest.mark.parametrize(
    "extra", [{"temperature": 1}, {"parallel_tool_calls": True}, {"truncation": "disabled"}]
)
def test_a_template_has_settings_of_its_own(extra: Body) -> None:
    """Given a template kept at OpenAI, then what it sets is no default, and stating one is a question."""
    ask: Body = {"prompt": {"id": "pmpt_1"}, "input": "hi"}

    assert fingerprint(OPENAI, {**ask, **extra}) != fingerprint(OPENAI, ask)
    assert fingerprint(OPENAI, {**ask, "user": "u"}) == fingerprint(OPENAI, ask)


@pytest.mark.parametrize("url", [OPENAI, OTHER])
@pytest.mark.parametrize(
    "extra",
    [
        {"store": False},
        {"previous_response_id": "resp_1"},
        {"include": ["reasoning.encrypted_content"]},
        {"instructions": "x"},
        {"temperature": 0.5},
        {"top_p": 1},
        {"text": {"format": {"type": "text"}}},
        {"reasoning": {"effort": "low"}},
        {"input": [{"role": "user", "content": "hi"}]},
        {"prompt": {"id": "pmpt_1"}},
    ],
)
def test_all_other_fields_count(url: str, extra: Body) -> None:
    assert fingerprint(url, {**ASK, **extra}) != fingerprint(url, ASK)


@pytest.mark.parametrize(
    "extra",
    [
        {"store": True},
        {"temperature": 1.0},
        {"truncation": "disabled"},
        {"parallel_tool_calls": True},
        {"background": False},
    ],
)
def test_a_default_is_dropped_only_where_it_is_documented(extra: Body) -> None:
    assert fingerprint(OPENAI, {**ASK, **extra}) == fingerprint(OPENAI, ASK)
    assert fingerprint(OTHER, {**ASK, **extra}) != fingerprint(OTHER, ASK)


@pytest.mark.parametrize(
    "response",
    [
        whole(DONE),
        whole(
            {**DONE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        ),
        whole({"output": []}),
        sse(CREATED, COMPLETED),
        sse(CREATED, COMPLETED, named=False),
        sse(CREATED, {"type": "response.incomplete", "response": {**DONE, "status": "incomplete"}}),
    ],
)
def test_a_finished_response_is_an_answer(response: Response) -> None:
    assert DIALECT.sound(response)


@pytest.mark.parametrize(
    "response",
    [
        whole({}),
        whole({"error": {"message": "x"}}),
        whole({**DONE, "status": "failed", "error": {"code": "server_error"}}),
        whole({**DONE, "status": "failed"}),
        whole({**DONE, "status": "queued"}),
        whole({**DONE, "status": "in_progress"}),
        whole({**DONE, "status": ["completed"]}),
        whole({**DONE, "output": None}),
        sse(CREATED),
        sse(CREATED, {"type": "response.failed", "response": {**DONE, "status": "failed"}}),
        sse(CREATED, {"type": "error", "message": "x"}),
        sse(CREATED, {"type": "error", "message": "x"}, COMPLETED),
        sse(CREATED, {"type": "response.completed"}),
        sse({"error": {"message": "x"}}),
        Response(status=200, chunks=(sse(CREATED, COMPLETED).body[:-5],)),
        Response(status=200),
    ],
)
def test_anything_else_is_not(response: Response) -> None:
    assert not DIALECT.sound(response)


LONG: Body = {**DONE, "output": [{"type": "message", "content": "x" * 9000}], "usage": USAGE}


@pytest.mark.parametrize(
    ("body", "finished"),
    [
        (sse(CREATED, COMPLETED).body, True),
        (sse(CREATED, COMPLETED, named=False).body, True),
        (sse(CREATED, {"type": "response.completed", "response": LONG}).body, True),
        (sse({"type": "response.completed", "response": LONG}, named=False).body, True),
        (sse({"type": "response.failed", "response": DONE}).body, True),
        (sse({"response": DONE, "type": "response.completed"}, named=False).body, True),
        (sse(CREATED, COMPLETED).body.replace(b"\n", b"\r\n"), True),
        (sse(COMPLETED).body + b"data: [DONE]\n\n", True),
        (sse(CREATED, COMPLETED).body[:-1], False),
        (sse(CREATED).body, False),
        (sse({"type": "response.created", "response": {**LONG, "usage": None}}).body, False),
        (sse({"type": "response.output_text.delta", "delta": '"total_tokens": 5'}).body, False),
        (
            sse(
                {
                    "type": "response.output_text.delta",
                    "delta": "\n\nevent: response.completed\ndata: x"
                    '{"total_tokens":5}' + "y" * 5000,
                }
            ).body,
            False,
        ),
        (sse(CREATED, {"type": "response.output_item.done", "item": {}}).body, False),
        (b"", False),
    ],
)
def test_the_last_event_ends_the_stream_however_long_it_is(body: bytes, *, finished: bool) -> None:
    assert DIALECT.finished(body[-4096:]) is finished


def test_the_whole_is_in_the_final_event() -> None:
    made = DIALECT.whole(sse(CREATED, COMPLETED))

    assert json.loads(made.body) == DONE
    assert made.content_type == "application/json"
    assert DIALECT.whole(whole(DONE)) == whole(DONE)


def test_an_output_left_out_at_the_end_is_taken_from_the_items() -> None:
    """Given the Codex back end, whose last event has an empty output, then the items make it."""
    items = [
        {"type": "response.output_item.done", "output_index": index, "item": {"id": str(index)}}
        for index in (1, 0)
    ]
    end: Body = {"type": "response.completed", "response": {**DONE, "output": []}}

    made = DIALECT.whole(sse(CREATED, *items, end))

    assert json.loads(made.body)["output"] == [{"id": "0"}, {"id": "1"}]


@pytest.mark.parametrize(
    "stream",
    [
        sse(CREATED),
        sse({"type": "error", "message": "x"}),
        sse({"type": "response.completed", "response": []}),
        sse({"type": "response.completed", "response": {**DONE, "output": 5}}),
        sse({"type": "response.completed", "response": {**DONE, "error": {"a": 1}}}),
    ],
)
def test_what_is_no_response_is_refused(stream: Response) -> None:
    with pytest.raises(DialectError, match=r"openai\.responses"):
        DIALECT.whole(stream)


def test_usage_is_the_final_events() -> None:
    assert DIALECT.usage(whole(DONE)) == ("m-1", USAGE)
    assert DIALECT.usage(sse(CREATED, COMPLETED)) == ("m-1", USAGE)
    assert DIALECT.usage(whole({"output": [], "model": 1, "usage": 2})) == ("", {})


def test_one_sample_a_request() -> None:
    assert DIALECT.count({"n": 5}) == 1
    assert DIALECT.split(whole(DONE)) == (whole(DONE),)
    assert DIALECT.fits(whole(DONE), POST, {})
    assert not DIALECT.fits(whole(DONE), POST, {"stream": True})


def test_a_stream_of_a_stream_is_itself() -> None:
    stream = sse(CREATED, COMPLETED)

    assert DIALECT.stream(stream, POST, {"stream": True}) is stream
