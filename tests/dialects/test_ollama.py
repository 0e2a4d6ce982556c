"""Ollama's chat and generate: what is a question, what is an answer, and when it is over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.ollama import OllamaChat, OllamaGenerate
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

CHAT = OllamaChat()
GENERATE = OllamaGenerate()
ASK: Body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PROMPT: Body = {"model": "m", "prompt": "hi"}
END: Body = {"done": True, "done_reason": "stop", "total_duration": 9, "eval_count": 5}
WHOLE: Body = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, **END}
PIECE: Body = {"model": "m", "message": {"role": "assistant", "content": "Hi"}, "done": False}
LAST: Body = {"model": "m", "message": {"role": "assistant", "content": ""}, **END}
TEXT: Body = {"model": "m", "response": "Hi", **END, "prompt_eval_count": 3}


def ask(body: Body, url: str = "http://localhost:11434/api/chat") -> Request:
    return Request(method="POST", url=url, body=json.dumps(body).encode())


def whole(body: object) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json; charset=utf-8"),),
        chunks=(json.dumps(body).encode(),),
    )


def stream(*told: object) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/x-ndjson"),),
        chunks=tuple(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in told),
    )


def same(one: Body, other: Body, dialect: Any) -> bool:
    return identify(ask(one), dialect).fingerprint == identify(ask(other), dialect).fingerprint


@pytest.mark.parametrize(
    "more",
    [
        {"stream": False},
        {"stream": True},
        {"keep_alive": "5m"},
        {"keep_alive": 0},
        {"options": {}},
        {"options": None},
        {"tools": []},
        {"format": None},
        {"think": None},
        {"truncate": True, "shift": True},
        {"logprobs": False, "top_logprobs": 0},
    ],
)
def test_what_says_no_more_than_leaving_it_out(more: Body) -> None:
    assert same(ASK, {**ASK, **more}, CHAT)


@pytest.mark.parametrize(
    "more", [{"images": []}, {"raw": False}, {"system": ""}, {"template": ""}, {"suffix": ""}]
)
def test_an_empty_field_of_a_prompt_is_none(more: Body) -> None:
    assert same(PROMPT, {**PROMPT, **more}, GENERATE)


@pytest.mark.parametrize(
    "more",
    [
        {"options": {"seed": -1}},  # a model's own file may set any option
        {"options": {"temperature": 0.8}},
        {"think": False},
        {"think": True},
        {"format": "json"},
        {"logprobs": True},
        {"context": []},
        {"raw": True},
        {"truncate": False},
    ],
)
def test_everything_else_is_part_of_the_question(more: Body) -> None:
    for body, dialect in ((ASK, CHAT), (PROMPT, GENERATE)):
        assert not same(body, {**body, **more}, dialect)


@pytest.mark.parametrize("body", [{"stream": False}, {"stream": True}, {"stream": None}, {}])
def test_it_streams_unless_told_not_to(body: Body) -> None:
    wanted = body.get("stream") is not False

    assert CHAT.wants_stream(ask(body), body) is wanted
    assert CHAT.fits(stream(PIECE, LAST), ask(body), body) is wanted
    assert CHAT.fits(whole(WHOLE), ask(body), body) is not wanted


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, {**ASK, "messages": []}),
        (CHAT, {**ASK, "messages": ["hi"]}),
        (CHAT, {**ASK, "messages": [{"content": "hi"}]}),
        (CHAT, {"model": "m", "keep_alive": 0}),
        (CHAT, {**ASK, "model": ""}),
        (CHAT, {**ASK, "model": 1}),
        (CHAT, {**ASK, "_debug_render_only": True}),
        (GENERATE, {**PROMPT, "prompt": ""}),
        (GENERATE, {"model": "m", "keep_alive": 0}),
        (GENERATE, {**PROMPT, "prompt": ["hi"]}),
        (OllamaChat(anywhere=True), ASK),
        (OllamaChat(anywhere=True), {**ASK, "options": None}),
    ],
)
def test_what_asks_for_no_answer_or_may_be_anybodys_is_not_ours(dialect: Any, body: Body) -> None:
    assert not dialect.recognises(ask(body), body)


def test_fields_of_its_own_tell_it_anywhere() -> None:
    own: list[Body] = [{"options": {}}, {"keep_alive": None}]
    for more in own:
        assert OllamaChat(anywhere=True).recognises(ask(ASK), {**ASK, **more})


def test_each_form_is_made_of_the_other() -> None:
    made = CHAT.whole(stream(PIECE, LAST))

    assert json.loads(made.body) == WHOLE
    assert made.content_type == "application/json"
    assert CHAT.streamed(again := CHAT.stream(made, ask(ASK), ASK))
    assert CHAT.whole(again).body == made.body
    assert CHAT.whole(made) is made
    assert CHAT.stream(again, ask(ASK), ASK) is again


def test_usage_is_the_same_in_both_forms() -> None:
    told = CHAT.usage(stream(PIECE, LAST))

    assert told == CHAT.usage(whole(WHOLE)) == ("m", {"eval_count": 5})
    assert GENERATE.usage(whole(TEXT)) == ("m", {"prompt_eval_count": 3, "eval_count": 5})
    assert GENERATE.usage(whole({"model": 1})) == ("", {})


@pytest.mark.parametrize(
    "answer",
    [
        whole({**WHOLE, "error": "x"}),
        whole({"error": "x"}),
        whole({**WHOLE, "done": False}),
        whole({**WHOLE, "done_reason": "load"}),
        whole({**WHOLE, "done_reason": "unload"}),
        whole({**WHOLE, "message": "Hi"}),
        whole(TEXT),
        whole([WHOLE]),
        stream(PIECE),
        stream(PIECE, {"error": "x"}),
        stream(PIECE, LAST, {"error": "x"}),
        Response(status=200, chunks=(b"",)),
        Response(status=200, chunks=(stream(PIECE, LAST).body[:-5],)),
    ],
    ids=range(13),
)
def test_errors_and_cut_answers_are_not_sound(answer: Response) -> None:
    assert not CHAT.sound(answer)


def test_a_complete_answer_is_sound() -> None:
    assert CHAT.sound(whole(WHOLE))
    assert CHAT.sound(stream(PIECE, LAST))
    assert GENERATE.sound(whole(TEXT))
    with pytest.raises(DialectError):
        GENERATE.whole(stream(PIECE))


LONG: Body = {
    "model": "m",
    "done": True,
    "context": [*range(2000)],
    "total_duration": 5,
    "eval_count": 6,
}
"""A last line that is longer than the tail that is looked at."""


@pytest.mark.parametrize(
    ("tail", "finished"),
    [
        (stream(PIECE, LAST).body, True),
        (stream(PIECE, LAST).body[:-1], True),
        (stream(PIECE, LAST).body.replace(b"\n", b"\r\n"), True),
        (stream(LONG).body[-4096:], True),
        (stream(PIECE).body, False),
        (stream(PIECE, LAST).body[:-2], False),
        (stream(LAST, {"error": "x"}).body, False),
        (stream({**LAST, "error": "x"}).body, False),
        (stream({**PIECE, "message": {"arguments": {"done": True}}}).body, False),
        (b'{"arguments":{"total_duration":5}}],"done":false}\n', False),
        (b'"arguments":{"total_duration":5}}]}}\n', False),
        (b'{"done":tr\n"total_duration":5}\n', False),
        (b'"done":true}\n"total_duration":5}\n', False),
        (b"", False),
    ],
    ids=range(14),
)
def test_the_last_line_tells_the_end(tail: bytes, *, finished: bool) -> None:
    assert CHAT.finished(tail) is finished


@given(st.integers(0, 400))
def test_no_cut_of_a_stream_is_taken_for_its_end(length: int) -> None:
    body = stream(PIECE, {**PIECE, "message": {"tool_calls": [{"done": True}]}}, LAST).body
    cut = body[:length]
    if len(cut) < len(body) - 1:
        assert not CHAT.finished(cut)
        assert not CHAT.sound(Response(status=200, chunks=(cut,)))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "tail", [b"x" * 4096, b"x\n" * 2048 + b"}", b"\r\n" * 2048, b"{" * 4095 + b"}"]
)
def test_the_end_of_a_long_line_is_looked_for_once(tail: bytes) -> None:
    """It is asked after every chunk of a stream."""
    assert not any(CHAT.finished(tail) for _ in range(1000))


def test_nesting_without_bounds_is_an_error_of_the_dialect() -> None:
    deep = b'{"model":' + b'{"a":' * 900 + b"1" + b"}" * 901
    answer = Response(
        status=200, chunks=(deep[:-1] + b',"done":false}\n', deep[:-1] + b',"done":true}\n')
    )

    assert not CHAT.sound(answer)
