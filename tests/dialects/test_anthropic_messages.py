from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver import dialects
from cachesaver.dialects.anthropic_messages import AnthropicMessages, CompatibleMessages
from cachesaver.dialects.routing import ROUTED
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Object = dict[str, Any]

DIALECT = AnthropicMessages()
VERSION = ("anthropic-version", "2023-06-01")
BODY: Object = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
MESSAGE: Object = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "Hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 2},
}


def request(
    url: str = "https://api.anthropic.com/v1/messages",
    headers: tuple[tuple[str, str], ...] = (VERSION,),
) -> Request:
    return Request(method="POST", url=url, headers=headers)


CALL = request()


def response(body: bytes | object) -> Response:
    return Response(
        status=200, chunks=(body if isinstance(body, bytes) else json.dumps(body).encode(),)
    )


def streamed(message: object = MESSAGE) -> Response:
    return DIALECT.stream(response(message), request(), {})


# -- what is ours


@pytest.mark.parametrize(
    "path",
    ["/v1/messages", "/anthropic/v1/messages", "/api/anthropic/v1/messages"],
)
def test_messages_is_the_endpoint_wherever_it_is_served(path: str) -> None:
    assert any(re.search(f"(?:{endpoint})$", path) for endpoint in DIALECT.endpoints)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages/batches",
        "/v1/messages/count_tokens",
        "/v1/files",
        "/v1/complete",
        "/2010-04-01/Accounts/AC1/Messages.json",
        "/v1/messages/",
    ],
)
def test_neighbours_are_not(path: str) -> None:
    assert not any(re.search(f"(?:{endpoint})$", path) for endpoint in DIALECT.endpoints)


def test_the_shape_tells_on_any_host_with_the_version_header() -> None:
    asked = request("http://127.0.0.1:8000/v1/messages")

    assert type(dialects.recognise(asked, BODY)) is CompatibleMessages


@pytest.mark.parametrize(
    ("url", "owner"),
    [
        # https://api-docs.deepseek.com/guides/anthropic_api, and others with the same path
        ("https://api.deepseek.com/anthropic/v1/messages", CompatibleMessages),
        ("https://api.moonshot.ai/anthropic/v1/messages", CompatibleMessages),
        ("https://api.z.ai/api/anthropic/v1/messages", CompatibleMessages),
        ("http://localhost:8787/anthropic/v1/messages?beta=true", CompatibleMessages),
        ("https://openrouter.ai/api/v1/messages", CompatibleMessages),
        # the base URLs of the anthropic package
        ("https://claude.googleapis.com/v1/messages", AnthropicMessages),
        ("https://x.services.ai.azure.com/anthropic/v1/messages", AnthropicMessages),
        ("https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages", AnthropicMessages),
    ],
)
def test_some_hosts_and_paths_tell_without_it(url: str, owner: type[CompatibleMessages]) -> None:
    assert type(dialects.recognise(request(url, ()), BODY)) is owner


def test_a_default_is_anthropics_only_where_its_models_answer() -> None:
    stated = {**BODY, "temperature": 1.0}
    other = "https://api.moonshot.ai/anthropic/v1/messages"

    def asked(url: str, body: Object) -> str:
        call = request(url).with_body(json.dumps(body).encode())
        dialect = dialects.recognise(call, body)
        assert dialect is not None
        return identify(call, dialect).fingerprint

    assert asked(CALL.url, BODY) == asked(CALL.url, stated)
    assert asked(other, BODY) != asked(other, stated)


def test_the_registry_knows_it() -> None:
    assert dialects.wants("gateway.test", "/anthropic/v1/messages?beta=true")
    assert isinstance(dialects.recognise(request(), BODY), AnthropicMessages)
    assert dialects.recognise(request("https://mail.test/v1/messages", ()), BODY) is None


def test_the_known_host_tells_without_it() -> None:
    assert DIALECT.recognises(request(headers=()), BODY)
    assert not DIALECT.recognises(request("https://mail.test/v1/messages", ()), BODY)


@pytest.mark.parametrize("role", ["user", "assistant", "system"])
@pytest.mark.parametrize("content", ["text", [{"type": "text", "text": "t"}]])
def test_every_documented_turn_is_recognised(role: str, content: object) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": role, "content": content}]

    assert DIALECT.recognises(request(), {**BODY, "messages": messages})


@pytest.mark.parametrize(
    "other",
    [
        {"model": None},
        {"max_tokens": "100"},
        {"max_tokens": True},
        {"max_tokens": None},
        {"messages": []},
        {"messages": {"role": "user", "content": "hi"}},
        {"messages": ["hi"]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": ["user"], "content": "hi"}]},
        {"messages": [{"role": "tool", "content": "hi"}]},
    ],
)
def test_another_shape_is_not_recognised(other: Object) -> None:
    assert not DIALECT.recognises(request(), {**BODY, **other})


def test_a_url_that_cannot_be_parsed_is_not_recognised() -> None:
    assert not DIALECT.recognises(request("http://[::1/v1/messages", ()), BODY)


VERTEX = (
    "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1"
    "/publishers/anthropic/models/claude-sonnet-4-5@20250929"
)


@pytest.mark.parametrize("method", ["rawPredict", "streamRawPredict"])
def test_on_vertex_the_path_has_the_model_and_the_body_the_version(method: str) -> None:
    asked = request(f"{VERTEX}:{method}", ())
    body = {name: value for name, value in BODY.items() if name != "model"}

    assert any(re.search(f"(?:{each})$", asked.url) for each in DIALECT.endpoints)
    assert DIALECT.recognises(asked, {**body, "anthropic_version": "vertex-2023-10-16"})
    assert not DIALECT.recognises(asked, body)
    assert DIALECT.target(asked.url, "a=b") == (f"{VERTEX}:rawPredict", "a=b")


def test_anthropics_own_path_is_the_question() -> None:
    assert DIALECT.target("/v1/messages", "beta=true") == ("/v1/messages", "beta=true")


@pytest.mark.parametrize("publisher", ["mistralai", "google"])
def test_other_publishers_on_vertex_are_not_ours(publisher: str) -> None:
    url = VERTEX.replace("anthropic", publisher) + ":rawPredict"

    assert not any(re.search(f"(?:{each})$", url) for each in DIALECT.endpoints)
    assert not DIALECT.recognises(request(url, ()), {**BODY, "anthropic_version": "v"})


# -- what is the question


def fingerprint(asked: Request = CALL, **more: object) -> str:
    body = json.dumps({**BODY, **more}).encode()
    return identify(asked.with_body(body), DIALECT).fingerprint


def marked(*, cached: bool) -> Object:
    """A request with all that may be marked for Anthropic's own cache, marked or not."""
    mark = {"cache_control": {"type": "ephemeral"}} if cached else {}
    text = {"type": "text", "text": "t", **mark}
    return {
        "system": [text],
        "tools": [{"name": "f", "input_schema": {"properties": {"cache_control": {}}}, **mark}],
        "messages": [{"role": "user", "content": [text]}],
        **mark,
    }


def test_one_question_asked_in_several_ways_is_one() -> None:
    asked = fingerprint()

    assert fingerprint(stream=True, metadata={"user_id": "u"}, service_tier="auto") == asked
    assert fingerprint(temperature=1) == fingerprint(temperature=1.0) == asked
    assert fingerprint(tool_choice={"type": "auto"}) == asked
    assert fingerprint(request(headers=(VERSION, ("X-Api-Key", "k"), ("x-other", "1")))) == asked
    assert fingerprint(**marked(cached=True)) == fingerprint(**marked(cached=False))


def test_different_questions_are_different() -> None:
    asked = [
        fingerprint(),
        fingerprint(temperature=0.5),
        fingerprint(temperature=None),
        fingerprint(max_tokens=101),
        fingerprint(tool_choice={"type": "any"}),
        fingerprint(tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
        fingerprint(speed="fast"),
        fingerprint(request(headers=(VERSION, ("anthropic-beta", "b")))),
        fingerprint(request(headers=(("anthropic-version", "2030-01-01"),))),
        fingerprint(messages=[{"role": "user", "content": "ho"}]),
    ]

    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("field", ["stream", "metadata", "service_tier", "cache_control"])
def test_what_does_not_shape_the_answer_is_volatile(field: str) -> None:
    assert "https://" in DIALECT.volatile[field]


@pytest.mark.parametrize(
    "field",
    [
        "model",
        "max_tokens",
        "messages",
        "system",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "thinking",
        "tools",
        "tool_choice",
        "output_config",
        "container",
        "mcp_servers",
        "context_management",
        "speed",
        "inference_geo",
        "diagnostics",
        "fallbacks",
    ],
)
def test_what_may_shape_it_is_not(field: str) -> None:
    assert not any(path.split(".") == [field] for path in DIALECT.volatile)


def test_only_documented_defaults_are_defaults() -> None:
    assert dict(DIALECT.defaults) == {"temperature": 1.0, "tool_choice": {"type": "auto"}}
    assert not DIALECT.null_is_absent


def test_version_and_beta_headers_shape_the_answer() -> None:
    assert {"anthropic-version", "anthropic-beta"} == DIALECT.headers - ROUTED


def test_a_request_is_for_one_message() -> None:
    assert DIALECT.max_count == 1
    assert DIALECT.count({"n": 5}) == 1


@pytest.mark.parametrize(
    ("body", "wanted"), [({"stream": True}, True), ({"stream": False}, False), ({}, False)]
)
def test_the_body_says_whether_to_stream(body: Object, *, wanted: bool) -> None:
    assert DIALECT.wants_stream(request(), body) is wanted


# -- what is an answer


def test_a_message_and_its_stream_are_sound() -> None:
    assert DIALECT.sound(response(MESSAGE))
    assert DIALECT.sound(streamed())


ERROR = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


@pytest.mark.parametrize("body", [ERROR, {}, [], {"type": "message"}, b"", b"{", b"<html>"])
def test_what_holds_no_message_is_not(body: bytes | object) -> None:
    assert not DIALECT.sound(response(body))


def test_a_stream_that_breaks_off_or_reports_an_error_is_not_sound() -> None:
    """Given a good stream, when it is cut after any event or an error comes in, it is not sound."""
    chunks = streamed().chunks
    error = b"event: error\ndata: %s\n\n" % json.dumps(ERROR).encode()

    for at in range(len(chunks)):
        assert not DIALECT.sound(response(b"".join(chunks[:at]) or b": nothing\n\n"))
        assert not DIALECT.sound(response(b"".join((*chunks[:at], error, *chunks[at:]))))


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "    }\n\n", "\r\r"])
def test_message_stop_is_the_last_word(end: str) -> None:
    stop = '{"type":"message_stop"' + (end if "}" in end else "}" + end)
    break_ = "\r\n" if end.startswith("\r\n") else "\r" if end == "\r\r" else "\n"

    assert DIALECT.finished(f'lf":1}}{break_ * 2}event: message_stop{break_}data: {stop}'.encode())


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"\n\n",
        b'data: {"type":"message_stop"}\n',
        b'data: {"type":"message_stop"}',
        b'data: {"type":"text_delta","text":"the event message_stop ends it"}\n\n',
        b'"message_stop"}\n\n',
        b"data: [1]\n\n",
        b'event: message_stop\ndata: {"type":"ping"}\n\n',
    ],
)
def test_anything_else_is_not(tail: bytes) -> None:
    assert not DIALECT.finished(tail)


def test_only_the_last_word_is_missing_once_it_says_why_it_stopped() -> None:
    events = streamed().body.split(b"\n\n")
    delta = next(each for each in events if each.startswith(b"event: message_delta")) + b"\n\n"

    assert DIALECT.all_but_finished(b"x" + events[-3] + b"\n\n" + delta)
    assert not DIALECT.all_but_finished(delta.removesuffix(b"\n"))
    assert not DIALECT.all_but_finished(
        delta + b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert not DIALECT.all_but_finished(delta.replace(b'"stop_reason"', b'"stop_sequence"'))
    assert not DIALECT.all_but_finished(
        b'data: {"type":"content_block_delta","delta":{"text":"a"}}\n\n'
    )


# -- its forms


def test_recordings_without_a_content_type_are_told_by_their_bytes() -> None:
    assert not DIALECT.streamed(response(MESSAGE))
    assert DIALECT.streamed(response(streamed().body))
    assert DIALECT.fits(response(MESSAGE), request(), {})
    assert DIALECT.fits(streamed(), request(), {"stream": True})
    assert not DIALECT.fits(streamed(), request(), {})


def test_padding_in_a_recorded_stream_is_not_content() -> None:
    padded = streamed().body.replace(b"}\n\n", b"}       \n\n").replace(b"{", b"{   ")

    assert json.loads(DIALECT.whole(response(padded)).body) == MESSAGE


def test_a_stream_has_a_chunk_for_each_named_event() -> None:
    made = streamed()

    assert made.header("content-type") == "text/event-stream; charset=utf-8"
    assert [chunk.split(b"\n")[0].decode() for chunk in made.chunks] == [
        "event: message_start",
        "event: content_block_start",
        "event: content_block_delta",
        "event: content_block_stop",
        "event: message_delta",
        "event: message_stop",
    ]
    assert DIALECT.finished(made.body[-4096:])


def test_a_gateway_may_close_a_stream_in_its_own_way() -> None:
    """As OpenRouter does, after `message_stop`."""
    closed = response(streamed().body + b"event: data\ndata: [DONE]\n\n")

    assert DIALECT.sound(closed)
    assert DIALECT.finished(closed.body)
    assert json.loads(DIALECT.whole(closed).body) == MESSAGE
    assert not DIALECT.finished(b"data: [DONE]\n\n")
    assert not DIALECT.sound(response(b"data: [DONE]\n\n" + streamed().body))


def test_a_sample_is_the_response_itself() -> None:
    whole = response(MESSAGE)

    assert DIALECT.split(whole) == (whole,)
    assert DIALECT.join([whole]) is whole


def test_usage_is_the_same_in_both_forms() -> None:
    assert DIALECT.usage(response(MESSAGE)) == ("claude-sonnet-4-5", MESSAGE["usage"])
    assert DIALECT.usage(streamed()) == DIALECT.usage(response(MESSAGE))
    assert DIALECT.usage(response({"model": 3})) == ("", {})


# -- attacks

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["message_start", "content_block_start", "content_block_delta", "text_delta", "text"]
    ),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text()
            | st.sampled_from(
                ["type", "message", "content", "index", "delta", "usage", "content_block", "role"]
            ),
            inner,
        )
    ),
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything_but_a_dialect_error(body: bytes) -> None:
    for form in (body, b"data: %s\n\n" % body):
        given_ = response(form)
        DIALECT.sound(given_)
        DIALECT.finished(form)
        DIALECT.streamed(given_)
        for convert in (DIALECT.whole, DIALECT.usage, DIALECT.split):
            try:
                convert(given_)
            except DialectError:
                continue
        try:
            DIALECT.stream(given_, request(), {})
        except DialectError:
            continue


@given(st.dictionaries(st.sampled_from([*BODY, "stream"]), JSON))
def test_no_request_raises_anything(body: Object) -> None:
    DIALECT.recognises(request(), body)
    DIALECT.wants_stream(request(), body)
    assert DIALECT.count(body) == 1


def mutated(draw: st.DrawFn) -> bytes:
    """A real stream with one of its values, anywhere, replaced by something else."""
    events = [json.loads(chunk.partition(b"data: ")[2]) for chunk in streamed(FULL).chunks]
    holder: Any = events
    while True:
        keys: list[Any] = [*holder] if hasattr(holder, "keys") else [*range(len(holder))]
        at = draw(st.sampled_from(keys))
        if isinstance(holder[at], str | int) or not holder[at] or draw(st.booleans()):
            holder[at] = draw(JSON)
            return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
        holder = holder[at]


FULL: Object = {
    **MESSAGE,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "t", "citations": [{"c": 1}]},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "compaction", "content": "c", "encrypted_content": "e"},
        {"type": "fallback", "from": {"model": "m"}, "to": {"model": "claude-sonnet-4-5"}},
    ],
}


@given(st.composite(mutated)())
def test_a_stream_with_one_value_forged_converts_or_is_refused(body: bytes) -> None:
    try:
        whole = DIALECT.whole(response(body))
    except DialectError:
        return
    DIALECT.usage(whole)
    try:
        again = DIALECT.stream(whole, request(), {})
    except DialectError:
        return
    assert json.loads(DIALECT.whole(again).body) == json.loads(whole.body)


@pytest.mark.parametrize("depth", [50, 200, 900, 1000, 5000, 100_000])
def test_depth_is_no_way_in(depth: int) -> None:
    deep = b'{"type":"message","content":' + b"[" * depth + b"]" * depth + b"}"
    for body in (deep, b"data: " + deep + b"\n\n"):
        given_ = response(body)
        DIALECT.sound(given_)
        DIALECT.finished(body)
        for convert in (DIALECT.whole, DIALECT.usage):
            try:
                convert(given_)
            except DialectError:
                continue
