from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.genai import Client, types
from hypothesis import given
from hypothesis import strategies as st

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.dialects.gemini_interactions import GeminiInteractions
from cachesaver.dialects.interactions_events import events_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from recordings import read_corpus
from recordings.provider import plain

Object = dict[str, Any]

DIALECT = GeminiInteractions()
STUDIO = "https://generativelanguage.googleapis.com/v1beta/interactions"
VERTEX = "https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/interactions"
BODY: Object = {"model": "gemini-3-flash-preview", "input": "hi"}
INTERACTION: Object = {
    "id": "v1_1",
    "object": "interaction",
    "model": "gemini-3-flash-preview",
    "status": "completed",
    "steps": [
        {"type": "thought", "signature": "s"},
        {"type": "function_call", "id": "f", "name": "f", "arguments": {"a": [1, "ü"]}},
        {"type": "model_output", "content": [{"type": "text", "text": "Hello"}]},
    ],
    "usage": {"total_input_tokens": 3, "total_output_tokens": 2, "total_tokens": 5},
}


def request(url: str = STUDIO, body: object = BODY, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=url, headers=headers, body=json.dumps(body).encode())


def response(body: bytes | object) -> Response:
    return Response(
        status=200, chunks=(body if isinstance(body, bytes) else json.dumps(body).encode(),)
    )


def streamed(interaction: object = INTERACTION) -> Response:
    return DIALECT.stream(response(interaction), request(), {"stream": True})


# -- what is ours


@pytest.mark.parametrize("url", [STUDIO, VERTEX, f"{STUDIO}?alt=sse"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"input": [{"type": "text", "text": "hi"}]},
        {"input": [{"role": "user", "content": "hi"}]},
        {"input": {"type": "text", "text": "hi"}},
        {"input": None, "previous_interaction_id": "v1_0"},
        {"input": None, "continuation_token": "t"},
        {"background": False, "store": True, "tools": [{"type": "google_search"}]},
    ],
)
def test_the_registry_knows_a_question_to_a_model(url: str, more: Object) -> None:
    body = {**BODY, **more}

    assert isinstance(dialects.recognise(request(url, body), body), GeminiInteractions)


@pytest.mark.parametrize(
    "more",
    [
        {"model": None, "agent": "deep-research"},
        {"background": True},
        {"environment": {"type": "remote"}},
        {"webhook_config": {"uris": ["u"]}},
        {"model": ""},
        {"input": ""},
        {"input": []},
        {"input": ["hi"]},
        {"input": 5},
        {"input": None},
    ],
)
def test_jobs_and_other_shapes_pass_through(more: Object) -> None:
    body = {**BODY, **more}

    assert dialects.recognise(request(body=body), body) is None


def test_agents_pass_through_on_a_host_the_user_named_too() -> None:
    body = {"input": "hi", "agent": "deep-research"}

    assert dialects.recognise(request(body=body), body, hosts=("*",)) is None


def test_elsewhere_the_path_could_be_anybodys() -> None:
    crm = "https://crm.test/v1/interactions"

    assert dialects.recognise(request(crm), BODY) is None
    assert isinstance(
        dialects.recognise(request(crm), BODY, hosts=("crm.test",)), GeminiInteractions
    )


def fingerprint(url: str = STUDIO, *headers: tuple[str, str], **more: object) -> str:
    return identify(request(url, {**BODY, **more}, *headers), DIALECT).fingerprint


def test_one_question_asked_in_several_ways_is_one() -> None:
    asked = fingerprint()

    assert fingerprint(stream=True) == fingerprint(f"{STUDIO}?alt=sse", stream=True) == asked
    assert fingerprint(store=True, background=False, labels={"a": "b"}) == asked
    assert fingerprint(service_tier="flex") == asked


def test_different_questions_are_different() -> None:
    asked = [
        fingerprint(),
        fingerprint(store=False),
        fingerprint(previous_interaction_id="v1_0"),
        fingerprint(generation_config={"temperature": 1}),
        fingerprint(STUDIO, ("api-revision", "2026-01-01")),
    ]

    assert len(set(asked)) == len(asked)


# -- whole and streamed


def test_either_form_is_made_of_the_other() -> None:
    stream = streamed()

    assert DIALECT.streamed(stream)
    assert stream.content_type == "text/event-stream"
    assert DIALECT.stream(stream, request(), {}) is stream
    assert json.loads(DIALECT.whole(stream).body) == INTERACTION
    assert DIALECT.whole(response(INTERACTION)) == response(INTERACTION)


def test_model_and_usage_are_the_same_in_either() -> None:
    told = ("gemini-3-flash-preview", INTERACTION["usage"])

    assert DIALECT.usage(streamed()) == DIALECT.usage(response(INTERACTION)) == told
    assert DIALECT.usage(response({"status": "completed"})) == ("", {})


@pytest.mark.parametrize("status", ["completed", "requires_action", "incomplete"])
def test_an_answer_is_sound(status: str) -> None:
    whole = {**INTERACTION, "status": status}

    assert DIALECT.sound(response(whole))
    assert DIALECT.sound(streamed(whole))


@pytest.mark.parametrize("status", ["failed", "in_progress", "queued", "cancelled", None, 1])
def test_anything_else_is_not(status: object) -> None:
    assert not DIALECT.sound(response({**INTERACTION, "status": status}))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"error":{"code":400}}', b"data: x\n\n"])
def test_nor_is_what_is_none(body: bytes) -> None:
    assert not DIALECT.sound(response(body))


@given(st.integers(0))
def test_a_stream_cut_anywhere_is_neither_sound_nor_finished(at: int) -> None:
    body = streamed().body
    end = body.index(b"event: interaction.completed")
    cut = body[: at % end]

    assert not DIALECT.sound(response(cut))
    assert not DIALECT.finished(cut[-4096:])


def test_the_last_word_is_the_end_of_the_interaction() -> None:
    body = streamed().body
    last = body.removesuffix(b"event: done\ndata: [DONE]\n\n")

    assert DIALECT.finished(body[-4096:])
    assert DIALECT.finished(last[-4096:])
    assert DIALECT.finished(b'data: {"event_type": "interaction.completed", "interaction": {}}\n\n')
    assert not DIALECT.finished(last[:-1])
    assert not DIALECT.finished(b'data: {"text":"\\"interaction.completed\\""}\n\n')


def test_an_old_form_is_kept_as_it_is() -> None:
    """Before May 2026 an interaction had `outputs`."""
    old = {"id": "v1_1", "model": "m", "status": "completed", "outputs": [{"type": "text"}]}

    assert DIALECT.sound(response(old))
    with pytest.raises(DialectError):
        DIALECT.stream(response(old), request(), {})


# -- the official SDK, and what was recorded


def client(body: bytes, kind: str) -> Any:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    made: Any = Client(api_key="k", http_options=types.HttpOptions(httpx_client=http))
    return made.interactions


def events(body: bytes) -> list[Any]:
    return list(client(body, "text/event-stream").create(model="m", input="?", stream=True))


def whole(body: bytes) -> Any:
    return client(body, "application/json").create(model="m", input="?")


def counts(usage: Any) -> Any:
    """What the provider counted; the SDK adds a number of its own to whole interactions."""
    return usage.model_dump(exclude={"initial_input_tokens"})


def gathered(told: Iterable[Any]) -> dict[str, Any]:
    """What a user gathers from the events of the SDK."""
    found: dict[str, Any] = {"text": "", "arguments": {}, "signatures": [], "types": []}
    for event in told:
        if event.event_type == "step.start":
            found["types"].append(event.step.type)
        elif event.event_type == "interaction.completed":
            last = event.interaction
            found |= {"usage": counts(last.usage), "status": last.status}
        elif event.event_type == "step.delta":
            delta = event.delta
            found["text"] += delta.text if delta.type == "text" else ""
            if delta.type == "thought_signature":
                found["signatures"].append(delta.signature)
            if delta.type == "arguments_delta":
                before = found["arguments"].get(event.index, "")
                found["arguments"][event.index] = before + delta.arguments
    found["arguments"] = [json.loads(each) for each in found["arguments"].values()]
    return found


def read(interaction: Any) -> dict[str, Any]:
    """The same from a whole interaction."""
    steps = interaction.steps
    outputs = [content for step in steps if step.type == "model_output" for content in step.content]
    return {
        "text": "".join(content.text for content in outputs if content.type == "text"),
        "arguments": [step.arguments for step in steps if step.type == "function_call"],
        "signatures": [
            step.signature for step in steps if step.type == "thought" and step.signature
        ],
        "types": [step.type for step in steps],
        "usage": counts(interaction.usage),
        "status": interaction.status,
    }


def test_the_sdk_reads_the_same_from_both_forms() -> None:
    assert gathered(events(streamed().body)) == read(whole(response(INTERACTION).body))


def test_the_sdk_knows_every_event_and_every_delta_of_ours() -> None:
    steps: list[Any] = [
        {"type": "thought", "summary": [{"type": "text", "text": "hm"}], "signature": "s"},
        {"type": "google_search_call", "id": "g", "arguments": {"queries": ["q"]}},
        {"type": "google_search_result", "call_id": "g", "result": [{"search_suggestions": "x"}]},
        {"type": "url_context_call", "id": "u", "arguments": {"urls": ["u"]}, "signature": "s"},
        {"type": "code_execution_call", "id": "c", "arguments": {"code": "1"}},
        {"type": "code_execution_result", "call_id": "c", "result": "1", "is_error": False},
        {"type": "mcp_server_tool_call", "id": "m", "name": "n", "server_name": "s", "arguments": {}},
        *INTERACTION["steps"],
    ]  # fmt: skip

    told = events(streamed({**INTERACTION, "steps": steps}).body)

    assert [type(e).__name__ for e in told if "Unknown" in type(e).__name__] == []
    deltas = [event.delta for event in told if event.event_type == "step.delta"]
    assert [delta for delta in deltas if "Unknown" in type(delta).__name__] == []
    sent = events_of({**INTERACTION, "steps": steps})
    assert [event.event_type for event in told] == [event["event_type"] for event in sent]


def test_recorded_interactions_are_the_same_to_users_in_either_form(corpus: Path) -> None:
    found = [
        (exchange.name, response(plain(exchange.response)))
        for exchange in read_corpus(corpus)
        if exchange.request is not None
        and isinstance(
            dialects.recognise(exchange.request, parse_body(exchange.request).members),
            GeminiInteractions,
        )
    ]

    assert len(found) == 12
    for name, recorded in found:
        if DIALECT.streamed(recorded):
            made = DIALECT.whole(recorded)
            assert gathered(events(recorded.body)) == read(whole(made.body)), name
            assert DIALECT.finished(recorded.body[-4096:]), name
        else:
            made = recorded
        again = DIALECT.stream(made, request(), {})
        assert gathered(events(again.body)) == read(whole(made.body)), name
        assert json.loads(DIALECT.whole(again).body) == json.loads(made.body), name
        assert DIALECT.usage(again) == DIALECT.usage(recorded), name
