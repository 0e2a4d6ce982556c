"""The official SDK as oracle: what it reads from our forms is what it reads from the provider's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai

from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.openai_responses import CompatibleResponses
from cachesaver.exchange import Request, Response

DIALECT = CompatibleResponses()
ASK = Request(method="POST", url="https://api.openai.com/v1/responses")

RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-x",
    "output": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Thinking."}],
        },
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "Hello \U0001f44b",
                    "annotations": [],
                    "logprobs": [],
                },
                {"type": "refusal", "refusal": "No."},
            ],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_1",
            "name": "f",
            "arguments": '{"a": 1}',
        },
        {
            "id": "ct_1",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "call_2",
            "name": "g",
            "input": "x",
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    },
}


def client(response: Response) -> openai.OpenAI:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            response.status, headers=list(response.headers), content=response.body
        )

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    return openai.OpenAI(api_key="k", http_client=transport, max_retries=0)


def whole(body: object) -> Response:
    return Response(
        status=200,
        headers=(("content-type", "application/json"),),
        chunks=(json.dumps(body).encode(),),
    )


def dump(model: Any) -> dict[str, Any]:
    def tidy(value: Any) -> Any:
        if is_object(value):
            skipped = ("parsed", "parsed_arguments")
            return {k: tidy(v) for k, v in value.items() if v is not None and k not in skipped}
        return [tidy(item) for item in value] if is_list(value) else value

    found: dict[str, Any] = tidy(model.to_dict(mode="json", warnings=False))
    return found


def accumulated(response: Response) -> Any:
    with client(response) as made, made.responses.stream(model="m", input="hi") as stream:
        return stream.get_final_response()


def created(response: Response) -> Any:
    with client(response) as made:
        return made.responses.create(model="m", input="hi")


def test_the_sdk_puts_our_stream_together_to_the_response_it_was_made_of() -> None:
    stream = DIALECT.stream(whole(RESPONSE), ASK, {"stream": True})

    assert dump(accumulated(stream)) == dump(created(whole(RESPONSE)))


def test_the_sdk_knows_every_event_of_our_stream() -> None:
    stream = DIALECT.stream(whole(RESPONSE), ASK, {"stream": True})

    with client(stream) as made:
        events = list(made.responses.create(model="m", input="hi", stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert all(type(event).__name__.endswith("Event") for event in events)
    for event in events:
        # The union falls back to its first member for a type it does not know.
        assert event.type == type(event).model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr]  # a Literal
        assert (
            not {name for name, field in type(event).model_fields.items() if field.is_required()}
            - event.model_fields_set
        )
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert texts == ["Hello \U0001f44b"]


def test_an_incomplete_response_arrives_as_one() -> None:
    cut = {
        **RESPONSE,
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
    }

    with client(DIALECT.stream(whole(cut), ASK, {"stream": True})) as made:
        *_, last = made.responses.create(model="m", input="hi", stream=True)

    assert last.type == "response.incomplete"
    assert last.response.incomplete_details is not None


def is_broken(line: str) -> bool:
    """One fixture was written by hand and is no JSON."""
    try:
        json.loads(line)
    except ValueError:
        return True
    return False


def recordings(corpus: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted((corpus / "vercel+ai").rglob("*.chunks.txt")):
        lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("{")]
        if lines and lines[0].startswith('{"type":"response.') and not is_broken(lines[0]):
            yield path.name, "".join(f"data: {line}\n\n" for line in lines).encode()


def test_recorded_streams_become_the_whole_that_the_sdk_makes_of_them(corpus: Path) -> None:
    agreed = 0
    for name, body in recordings(corpus):
        recorded = Response(
            status=200, headers=(("content-type", "text/event-stream"),), chunks=(body,)
        )
        if not DIALECT.sound(recorded):
            assert b'"response.failed"' in body, name
            continue
        made = DIALECT.whole(recorded)
        again = DIALECT.stream(made, ASK, {"stream": True})

        assert json.loads(DIALECT.whole(again).body) == json.loads(made.body), name
        assert dump(accumulated(again)) == dump(created(made)), name
        try:
            theirs = accumulated(recorded)
        except (RuntimeError, AssertionError):
            continue  # the SDK's accumulator refuses what some compatible providers stream
        assert dump(theirs) == dump(created(made)), name
        agreed += 1
    assert agreed >= 20


def kinds(body: bytes) -> list[str]:
    """The types of the events of *body*, those that repeat at once told once (deltas).

    Annotations come somewhere between the deltas of their text, and the start of an MCP call was
    told twice: neither is in the whole.
    """
    types = [
        json.loads(line.removeprefix("data: "))["type"]
        for line in body.decode().splitlines()
        if line.startswith("data: ")
    ]
    types = [
        each for each in types if not each.endswith(("annotation.added", "mcp_call.in_progress"))
    ]
    return [each for each, before in zip(types, ["", *types], strict=False) if each != before]


def test_our_events_come_in_the_order_of_openais(corpus: Path) -> None:
    """Given recorded streams of OpenAI, when we stream their wholes, then the events are as theirs.

    Left out are those with progress events that the whole does not tell of (shell output, diffs).
    """
    compared = 0
    for name, body in recordings(corpus):
        recorded = Response(status=200, chunks=(body,))
        if not name.startswith("openai-") or not DIALECT.sound(recorded):
            continue
        ours = kinds(DIALECT.stream(DIALECT.whole(recorded), ASK, {"stream": True}).body)
        if set(kinds(body)) == set(ours):
            assert ours == kinds(body), name
            compared += 1
    assert compared >= 10
