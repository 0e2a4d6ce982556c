"""Bodies are whoever's who answers: nothing may come of them but an answer or DialectError."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesaver.dialects.openai_chat import OpenAIChat
from cachesaver.exchange import Response
from fuzzing.answers import ALL, exercise

KEYS = st.sampled_from(
    [
        "id", "object", "created", "model", "choices", "index", "message", "delta", "text",
        "content", "tool_calls", "function", "name", "arguments", "logprobs", "finish_reason",
        "usage", "prompt_tokens", "completion_tokens", "total_tokens", "error", "type",
        "response", "output", "item", "output_index", "status", "summary", "annotations", "part",
        "x_groq", "role", "reasoning_details", "data", "embedding", "results", "categories",
        "b64_json", "input_tokens", "audio_data",
        "x_groq", "role", "reasoning_details", "event_type", "embeddings", "texts", "meta",
        "billed_units", "results", "citations", "tool_plan",
        "x_groq", "role", "reasoning_details", "done", "done_reason", "thinking", "embeddings",
        "embedding", "eval_count", "total_duration", "generated_text", "details", "tokens", "token",
        "top_tokens", "prefill",
    ]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        [
            "response.completed",
            "completed",
            "message",
            "output_text",
            "assistant",
            "image_generation.completed",
            "transcript.text.done",
            "speech.audio.done",
        ]
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)
CHUNKS = st.dictionaries(KEYS, VALUES) | st.fixed_dictionaries(
    {"choices": st.lists(st.dictionaries(KEYS, VALUES), min_size=1, max_size=2)},
    optional={"usage": st.dictionaries(KEYS, VALUES), "error": LEAVES},
)


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


@settings(deadline=None)
@given(VALUES | CHUNKS)
def test_any_json_answer(value: object) -> None:
    for dialect in ALL:
        exercise(dialect, Response(status=200, chunks=(dumps(value),)))


@settings(deadline=None)
@given(st.lists(CHUNKS, max_size=4), st.booleans())
def test_any_stream_of_json(values: list[object], done: bool) -> None:  # noqa: FBT001  # drawn
    body = b"".join(b"data: " + dumps(value) + b"\n\n" for value in values)
    body += b"data: [DONE]\n\n" * done
    for dialect in ALL:
        exercise(dialect, Response(status=200, chunks=(body,)))


@settings(deadline=None)
@given(st.lists(CHUNKS | VALUES, max_size=4), st.booleans())
def test_any_lines_of_json(values: list[object], done: bool) -> None:  # noqa: FBT001  # drawn
    body = b"".join(dumps(value) + b"\n" for value in values) + b'{"done":true}\n' * done
    for dialect in ALL:
        exercise(dialect, Response(status=200, chunks=(body,)))


@given(st.binary(), st.sampled_from(["application/json", "text/event-stream", "x/y", ""]))
def test_any_bytes(body: bytes, kind: str) -> None:
    for dialect in ALL:
        exercise(dialect, Response(status=200, headers=(("content-type", kind),), chunks=(body,)))


NESTED = b'{"a":' * 900 + b"1" + b"}" * 900
DEEP = [
    b'{"choices":[{"message":%s}]}' % NESTED,
    b'{"choices":[{"message":%s},{"message":{}}],"usage":%s}' % (NESTED, NESTED),
    b'data: {"choices":[{"delta":%s}]}\n\ndata: {"choices":[{"delta":%s}]}\n\n' % (NESTED, NESTED),
    b'data: {"choices":[{"delta":{},"x":%s}],"usage":%s}\n\n' % (NESTED, NESTED),
    b'{"status":"completed","output":[{"type":"message","content":[%s]}]}' % NESTED,
    b'data: {"type":"response.completed","response":{"output":[%s]}}\n\n' % NESTED,
    b'{"data":[{"embedding":%s},{"embedding":%s}],"usage":%s}' % (NESTED, NESTED, NESTED),
    b'{"data":[{"b64_json":"x","a":%s},{"b64_json":"y"}],"usage":%s}' % (NESTED, NESTED),
    b'{"data":[{"index":[],"embedding":[1]},{"index":{},"embedding":[1]}]}',
    b'{"text":"x","logprobs":%s}' % NESTED,
    b"[" * 100_000,
    b'{"message":%s,"done":false}\n{"message":%s,"done":true}\n' % (NESTED, NESTED),
    b'{"model":%s,"done":false}\n{"model":%s,"done":true,"message":{}}\n' % (NESTED, NESTED),
    b'{"embeddings":[%s,%s],"prompt_eval_count":1e300}' % (NESTED, NESTED),
    b'{"generated_text":"","details":{"tokens":[%s]}}' % NESTED,
    b'data:{"token":%s,"generated_text":"","details":{}}\n\n' % NESTED,
    b'data: {"choices":[{"index":1e99,"delta":{}}]}\n\n',
    b'data: {"choices":[{"delta":{"tool_calls":[{"index":99999999999}]}}]}\n\n',
    b'{"choices":[{"message":{}},{"message":{}}],"usage":{"a":%s}}' % (b"9" * 4000),
    b'{"choices":[{"message":{}},{"message":{}}],"usage":{"a":1e300,"b":5e-324,"c":-1}}',
    b'{"choices":[{"message":{"content":"\\ud83d"}},{"message":{"content":"\\ude00"}}]}',
]


@pytest.mark.parametrize("body", DEEP, ids=range(len(DEEP)))
def test_nesting_and_numbers_without_bounds(body: bytes) -> None:
    for dialect in ALL:
        exercise(dialect, Response(status=200, chunks=(body,)))


def test_half_a_character_is_an_answer_too() -> None:
    """Given a lone surrogate, as models cut emoji, when split and joined, then it is still there."""
    chat = OpenAIChat()
    response = Response(status=200, chunks=(DEEP[-1],))

    joined = chat.join(chat.split(response))

    assert json.loads(joined.body)["choices"][0]["message"]["content"] == "\ud83d"
    assert chat.sound(response)
