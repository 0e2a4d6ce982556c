"""The official SDK's types as oracle: every content block and delta it knows is told both ways."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import httpx2
import pytest
from anthropic import Anthropic, BaseModel
from anthropic.types import raw_content_block_delta
from anthropic.types.beta import beta_content_block, beta_raw_content_block_delta
from anthropic.types.beta.beta_usage import BetaUsage

from cachesaver.dialects.anthropic_messages import AnthropicMessages
from cachesaver.dialects.anthropic_whole import message_of
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

DIALECT = AnthropicMessages()
CALL = Request(method="POST", url="https://api.anthropic.com/v1/messages")
ASK: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


PLAIN: dict[Any, Any] = {
    str: "x",
    int: 3,
    float: 0.5,
    bool: True,
    datetime: "2026-01-01T00:00:00Z",
}


def members(union: Any) -> list[Any]:
    """The classes of a union, however it is annotated."""
    if get_origin(union) is Annotated:
        return members(get_args(union)[0])
    return [each for part in get_args(union) for each in members(part)] or [union]


def examples(kind: Any) -> Iterator[Any]:
    """JSON of the type *kind*: with every optional field, and with none."""
    origin, parts = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for full in (True, False):
            yield {
                field.alias or name: next(examples(field.annotation))
                for name, field in kind.model_fields.items()
                if full or field.is_required()
            }
    elif origin is Annotated:
        yield from examples(parts[0])
    elif origin is Literal:
        yield parts[0]
    elif origin in (Union, types.UnionType):
        yield from examples(next(part for part in parts if part is not type(None)))
    elif origin is list:
        yield [next(examples(parts[0]))]
    elif origin is dict or kind is dict:
        yield {"k": [1, "ü"]}
    else:
        yield PLAIN.get(kind, {"k": 1})


BLOCKS = [
    (kind.__name__, block)
    for kind in members(beta_content_block.BetaContentBlock)
    for block in examples(kind)
]


def client(body: bytes, kind: str) -> Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    transport = httpx2.MockTransport(answer)
    return Anthropic(api_key="k", max_retries=0, http_client=httpx2.Client(transport=transport))


def said(value: Any) -> Any:
    if isinstance(value, list):
        return [said(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    if hasattr(value, "items"):
        return {name: said(each) for name, each in value.items() if each is not None}
    return value


def accumulated(body: bytes) -> Any:
    with client(body, "text/event-stream").beta.messages.stream(**ASK) as stream:
        return said(stream.get_final_message().to_dict(mode="json"))


def parsed(body: bytes) -> Any:
    beta: Any = client(body, "application/json").beta
    return said(beta.messages.create(**ASK).to_dict(mode="json"))


def message(*blocks: Any, **more: object) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": next((b["to"]["model"] for b in reversed(blocks) if b["type"] == "fallback"), "m"),
        "content": [*blocks],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
        **more,
    }


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def test_there_are_as_many_kinds_of_blocks_as_the_sdk_knows() -> None:
    kinds = {block["type"] for _, block in BLOCKS}

    assert {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"} <= kinds
    assert {"mcp_tool_use", "mcp_tool_result", "container_upload", "compaction"} <= kinds
    assert len(kinds) >= 15


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_the_sdk_accumulates_every_kind_of_block_to_what_it_reads_whole(
    name: str, block: dict[str, Any]
) -> None:
    whole = message({"type": "text", "text": "before"}, block, {"type": "text", "text": "after"})

    stream = DIALECT.stream(response(whole), CALL, {"stream": True})

    assert json.loads(DIALECT.whole(stream).body) == whole, name
    assert accumulated(stream.body) == parsed(json.dumps(whole).encode())


def test_the_sdk_accumulates_all_that_stands_beside_the_blocks() -> None:
    (usage, _) = examples(BetaUsage)
    more: dict[str, Any] = {
        "container": {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"},
        "context_management": {"applied_edits": []},
        "stop_reason": "refusal",
        "stop_details": {"type": "refusal", "category": None, "explanation": None},
    }
    whole = message({"type": "text", "text": "t"}, usage=usage, **more)

    stream = DIALECT.stream(response(whole), CALL, {"stream": True})

    assert json.loads(DIALECT.whole(stream).body) == whole
    assert accumulated(stream.body) == parsed(json.dumps(whole).encode())


DELTAS: dict[str, dict[str, Any]] = {
    # by the kind of block that has it, and how the block is begun
    "text_delta": {"type": "text", "text": ""},
    "citations_delta": {"type": "text", "text": ""},
    "input_json_delta": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    "thinking_delta": {"type": "thinking", "thinking": "", "signature": ""},
    "signature_delta": {"type": "thinking", "thinking": "", "signature": ""},
    "compaction_delta": {"type": "compaction", "content": None},
}


@pytest.mark.parametrize(
    "union",
    [
        raw_content_block_delta.RawContentBlockDelta,
        beta_raw_content_block_delta.BetaRawContentBlockDelta,
    ],
    ids=["stable", "beta"],
)
def test_every_delta_that_the_sdk_knows_is_understood(union: Any) -> None:
    for kind in members(union):
        for delta in examples(kind):
            if delta["type"] == "input_json_delta":
                delta["partial_json"] = '{"a": 1}'
            begun = message(usage={"input_tokens": 1, "output_tokens": 0}, stop_reason=None)
            told: list[dict[str, Any]] = [
                {"type": "message_start", "message": {**begun, "content": []}},
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": DELTAS[delta["type"]],
                },
                {"type": "content_block_delta", "index": 0, "delta": delta},
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {"output_tokens": 2},
                },
                {"type": "message_stop"},
            ]

            made = message_of(told)

            body = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in told)
            assert accumulated(body.encode()) == parsed(json.dumps(made).encode()), delta


@pytest.mark.parametrize("text", ['{"a": [1, "b', '{"a": 1}, {', "not json"])
def test_arguments_that_are_no_json_are_kept_as_they_are_streamed(text: str) -> None:
    """Fine-grained tool streaming does not validate them; the SDK guesses, or raises."""
    whole = message({"type": "tool_use", "id": "t", "name": "f", "input": {"a": "marker"}})
    stream = DIALECT.stream(response(whole), CALL, {})
    cut = stream.body.replace(b'{\\"a\\":\\"marker\\"}', json.dumps(text)[1:-1].encode())

    broken = Response(status=200, chunks=(cut,))

    assert cut != stream.body
    assert DIALECT.sound(broken)
    with pytest.raises(DialectError, match="JSON"):
        DIALECT.whole(broken)
