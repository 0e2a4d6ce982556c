"""Text generation inference: whose request it is, which forms are one question, and the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects.tgi import (
    HuggingFaceDetails,
    HuggingFaceGenerate,
    TgiDetails,
    TgiGenerate,
)
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from cachesaver.usage import tokens_of

Body = dict[str, Any]

ORIGIN = "http://localhost:8080"
PLAIN: Body = {"inputs": "hi", "parameters": {"max_new_tokens": 5}}
DETAILED: Body = {"inputs": "hi", "parameters": {"details": True}}
TOKEN: Body = {"id": 5, "text": "Hi", "logprob": -0.5, "special": False}
END: Body = {"finish_reason": "length", "generated_tokens": 1, "seed": 42}
WHOLE: Body = {"generated_text": "Hi", "details": {**END, "prefill": [], "tokens": [TOKEN]}}
LAST: Body = {
    "index": 1,
    "token": TOKEN,
    "generated_text": "Hi",
    "details": {**END, "input_length": 4},
}
COUNTED = (("x-prompt-tokens", "4"), ("x-generated-tokens", "1"))


def ask(path: str, body: Body) -> Request:
    return Request(method="POST", url=ORIGIN + path, body=json.dumps(body).encode())


def whole(body: object, *headers: tuple[str, str]) -> Response:
    return Response(status=200, headers=headers, chunks=(json.dumps(body).encode(),))


def stream(*told: Body) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "text/event-stream"),),
        chunks=tuple(
            b"data:" + json.dumps(each, separators=(",", ":")).encode() + b"\n\n" for each in told
        ),
    )


def fingerprint(dialect: Any, path: str, body: Body) -> str:
    return identify(ask(path, body), dialect).fingerprint


def test_with_details_both_forms_are_one_question() -> None:
    for body in ({}, {"stream": True}, {"stream": False}):
        question = {**DETAILED, **body}
        assert fingerprint(HuggingFaceDetails(), "/", question) == fingerprint(
            HuggingFaceDetails(), "/", DETAILED
        )
    assert fingerprint(TgiDetails(), "/generate_stream", DETAILED) == fingerprint(
        TgiDetails(), "/generate", DETAILED
    )


def test_without_details_they_are_two() -> None:
    """Given a text without tokens, then no stream can be made of it: it has a sample of its own."""
    assert fingerprint(TgiGenerate(), "/generate_stream", PLAIN) != fingerprint(
        TgiGenerate(), "/generate", PLAIN
    )
    generate = HuggingFaceGenerate()
    assert fingerprint(generate, "/", {**PLAIN, "stream": True}) != fingerprint(
        generate, "/", PLAIN
    )
    assert fingerprint(generate, "/", {**PLAIN, "stream": False}) == fingerprint(
        generate, "/", PLAIN
    )
    with pytest.raises(DialectError):
        TgiGenerate().stream(whole(WHOLE), ask("/generate_stream", PLAIN), PLAIN)


@pytest.mark.parametrize(
    ("parameters", "converts"),
    [
        ({"details": True}, True),
        ({"details": True, "best_of": 1}, True),
        ({"details": True, "decoder_input_details": False}, True),
        ({"details": True, "best_of": 2}, False),
        ({"details": True, "decoder_input_details": True}, False),
        ({"details": False}, False),
        ({"do_sample": True}, False),
    ],
)
def test_one_of_the_two_knows_each_request(parameters: Body, *, converts: bool) -> None:
    body = {"inputs": "hi", "parameters": parameters}

    assert TgiDetails().recognises(ask("/generate", body), body) is converts
    assert TgiGenerate().recognises(ask("/generate", body), body) is not converts


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": "hi"},
        {"inputs": "", "parameters": {"details": True}},
        {"inputs": ["hi"], "parameters": {"details": True}},
        {"inputs": "hi", "parameters": {"temperature": 1}},
        {"inputs": "hi", "parameters": []},
        {"parameters": {"details": True}},
    ],
)
def test_another_shape_is_not_ours(body: Body) -> None:
    assert not TgiGenerate().recognises(ask("/generate", body), body)
    assert not TgiDetails().recognises(ask("/generate", body), body)


@pytest.mark.parametrize(
    ("dialect", "path", "more", "wanted"),
    [
        (TgiGenerate(), "/generate", {}, False),
        (TgiGenerate(), "/generate", {"stream": True}, False),  # the server does not look at it
        (TgiGenerate(), "/generate_stream", {}, True),
        (HuggingFaceGenerate(), "/", {}, False),
        (HuggingFaceGenerate(), "/", {"stream": True}, True),
        (HuggingFaceDetails(), "/models/a/b", {"stream": True}, True),
    ],
)
def test_who_asks_for_a_stream(dialect: Any, path: str, more: Body, *, wanted: bool) -> None:
    assert dialect.wants_stream(ask(path, PLAIN), {**PLAIN, **more}) is wanted


def test_each_form_is_made_of_the_other() -> None:
    dialect, request = TgiDetails(), ask("/generate_stream", DETAILED)
    answer = whole(WHOLE, *COUNTED)

    made = dialect.stream(answer, request, DETAILED)

    assert [json.loads(chunk[6:]) for chunk in made.chunks] == [LAST]
    assert json.loads(dialect.whole(made).body) == WHOLE
    assert dialect.stream(made, request, DETAILED) is made
    assert dialect.whole(answer) is answer


def test_usage_is_the_same_in_both_forms() -> None:
    dialect, told = TgiDetails(), {"input_length": 4, "generated_tokens": 1}
    answer = whole(WHOLE, *COUNTED)
    made = dialect.whole(stream(LAST))

    assert dialect.usage(answer) == dialect.usage(stream(LAST)) == ("", told)
    assert dialect.usage(made) == ("", told)
    assert made.header("x-prompt-tokens") == "4"
    assert HuggingFaceDetails().usage(whole([WHOLE], *COUNTED)) == ("", told)
    assert (tokens := tokens_of(told)) is not None
    assert (tokens.prompt, tokens.answer) == (4, 1)


def test_at_its_own_address_a_text_is_a_list_of_one() -> None:
    dialect, request = HuggingFaceDetails(), ask("/", {**DETAILED, "stream": True})

    assert json.loads(dialect.whole(stream(LAST)).body) == [WHOLE]
    assert dialect.sound(dialect.stream(whole([WHOLE]), request, DETAILED))
    with pytest.raises(DialectError):
        dialect.stream(whole([WHOLE, WHOLE]), request, DETAILED)


@pytest.mark.parametrize(
    ("answer", "sound"),
    [
        (whole(WHOLE), True),
        (whole([WHOLE]), True),
        (whole({"generated_text": ""}), True),
        (whole([]), False),
        (whole({"error": "x", "error_type": "generation"}), False),
        (whole([{"summary_text": "x"}]), False),
        (whole([[0.5]]), False),
        (stream({**LAST, "generated_text": None}, LAST), True),
        (stream({**LAST, "generated_text": None}), False),
        (stream({"error": "x", "error_type": "generation"}), False),
        (stream(LAST, {"error": "x"}), False),
        (Response(status=200, chunks=(b"data:{", b"\n\n")), False),
        (Response(status=200), False),
    ],
    ids=range(13),
)
def test_only_a_complete_text_is_sound(answer: Response, *, sound: bool) -> None:
    assert TgiGenerate().sound(answer) is sound


LONG = {**LAST, "generated_text": "word " * 2000}
OPEN = {**LAST, "generated_text": None, "details": None}


@pytest.mark.parametrize(
    ("tail", "finished"),
    [
        (stream(OPEN, LAST).body, True),
        (stream(OPEN, LAST).body.replace(b"\n", b"\r\n"), True),
        (stream({**LAST, "details": None}).body, True),
        (stream(LONG).body[-4096:], True),
        (stream({**LONG, "details": None}).body[-4096:], True),
        (stream(LAST, OPEN).body, False),
        (stream(OPEN).body, False),
        (stream({**OPEN, "top_tokens": [TOKEN] * 200}).body[-4096:], False),
        (stream(LAST, {"error": "x"}).body, False),
        (stream(LAST).body[:-1], False),
        (b"data:{\n\n", False),
        (b"", False),
    ],
    ids=range(12),
)
def test_the_event_with_the_text_tells_the_end(tail: bytes, *, finished: bool) -> None:
    assert TgiGenerate().finished(tail) is finished


@pytest.mark.timeout(20)
@pytest.mark.parametrize("tail", [b"x" * 4094 + b"\n\n", b'",' * 2047 + b"\n\n", b"\n" * 4096])
def test_the_end_of_a_long_event_is_looked_for_once(tail: bytes) -> None:
    """It is asked after every chunk of a stream."""
    assert not any(TgiGenerate().finished(tail) for _ in range(1000))
