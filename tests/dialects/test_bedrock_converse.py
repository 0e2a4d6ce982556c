"""Converse and ConverseStream: one question; botocore's own parsers see one answer in either form."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws import EventStreamBuffer, EventStreamJSONParser, Loader, RestJSONParser, ServiceModel
from cachesaver.canonical import parse_body
from cachesaver.dialects import aws_events, recognise
from cachesaver.dialects.bedrock_converse import Converse, ConverseApart
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from recordings import Exchange, read_corpus
from recordings.provider import plain

MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
WHOLE: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12},
    "metrics": {"latencyMs": 9},
}
DIALECT = Converse()


def request(path: str, **more: Any) -> Request:
    return Request(method="POST", url=HOST + path, body=json.dumps({**ASK, **more}).encode())


WANTS = request("/model/m/converse-stream")


def response(body: bytes, kind: str = "application/json") -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=(body,))


def answer(**more: Any) -> Response:
    return response(json.dumps({**WHOLE, **more}).encode())


def frames(*events: tuple[str, Any]) -> Response:
    written = (aws_events.event(name, json.dumps(event).encode()) for name, event in events)
    return response(b"".join(map(aws_events.encode, written)), aws_events.MEDIA_TYPE)


# --- botocore as the judge


def parsed(whole: Response) -> Any:
    """The answer as botocore's parser reads it."""
    told: Any = {"status_code": 200, "headers": {}, "body": whole.body}
    shape = MODEL.operation_model("Converse").output_shape
    found: Any = RestJSONParser().parse(told, shape)
    del found["ResponseMetadata"]
    return found


def parsed_events(stream: Response) -> list[tuple[str, Any]]:
    buffer, shape = EventStreamBuffer(), MODEL.shape_for("ConverseStreamOutput")
    buffer.add_data(stream.body)
    read = (EventStreamJSONParser().parse(e.to_response_dict(), shape) for e in buffer)
    return [pair for event in read for pair in event.items() if pair[0] != "ResponseMetadata"]


def gathered(events: list[tuple[str, Any]]) -> Any:
    """What a program that reads botocore's events makes of them, as AWS's examples do."""
    content, found, role = dict[int, dict[str, Any]](), dict[str, Any](), ""
    for name, event in events:
        if name == "contentBlockStart":
            content[event["contentBlockIndex"]] = {k: {**v} for k, v in event["start"].items()}
        elif name == "contentBlockDelta":
            _gather(content.setdefault(event["contentBlockIndex"], {}), event["delta"])
        elif name == "messageStart":
            role = event["role"]
        else:
            found |= {} if name == "contentBlockStop" else event
    blocks = [_rounded(content[index]) for index in sorted(content)]
    return {**found, "output": {"message": {"role": role, "content": blocks}}}


def _gather(block: dict[str, Any], said: dict[str, Any]) -> None:
    for kind, piece in said.items():
        if kind == "citation":
            block.setdefault("citations", []).append(piece)
        elif kind == "toolResult":
            block[kind].setdefault("content", []).extend(piece)
        elif hasattr(piece, "items"):
            into = block.setdefault(kind, {})
            for field, more in piece.items():
                into[field] = into.get(field, type(more)()) + more
        else:
            block[kind] = block.get(kind, "") + piece


def _rounded(block: dict[str, Any]) -> dict[str, Any]:
    """A block gathered from pieces, in the form of a whole answer's."""
    if "toolUse" in block:
        return {
            "toolUse": {
                **block["toolUse"],
                "input": json.loads(block["toolUse"].get("input") or "{}"),
            }
        }
    if "citations" in block:
        cited = {"content": [{"text": block["text"]}], "citations": block["citations"]}
        return {"citationsContent": cited}
    thought = block.get("reasoningContent", {})
    if "redactedContent" in thought or not thought:
        return block
    return {"reasoningContent": {"reasoningText": {"text": "", **thought}}}


def recorded(corpus: Path) -> list[tuple[Exchange, Response]]:
    found = list[tuple[Exchange, Response]]()
    for exchange in read_corpus(corpus):
        if exchange.provider == "bedrock" and exchange.request and exchange.status == 200:
            known = recognise(exchange.request, parse_body(exchange.request).members)
            if isinstance(known, Converse):
                found.append((exchange, response(plain(exchange.response), "")))
    return found


def test_botocore_makes_the_same_of_recorded_answers_in_either_form(corpus: Path) -> None:
    exchanges = recorded(corpus)

    assert len(exchanges) == 53
    for exchange, told in exchanges:
        whole = DIALECT.whole(told) if DIALECT.streamed(told) else told
        stream = told if DIALECT.streamed(told) else DIALECT.stream(told, WANTS, ASK)
        assert gathered(parsed_events(stream)) == parsed(whole), exchange.name
        assert gathered(parsed_events(DIALECT.stream(whole, WANTS, ASK))) == parsed(whole)


def test_a_model_streams_and_tells_whole_alike(corpus: Path) -> None:
    """Given the two forms of one prompt that a project recorded, then ours have the same fields."""
    folder = corpus / "vercel+ai/packages/amazon-bedrock/src/__fixtures__"
    for name in ("amazon-bedrock-text", "amazon-bedrock-reasoning"):
        lines = (folder / f"{name}.chunks.txt").read_text().splitlines()
        events = [pair for line in lines if line.strip() for pair in json.loads(line).items()]
        for kind, event in events:
            if kind == "messageStop":  # recorded with pointers into the model's own body
                del event["additionalModelResponseFields"]
        theirs = json.loads((folder / f"{name}.json").read_bytes())
        theirs.pop("additionalModelResponseFields", None)

        ours = json.loads(DIALECT.whole(frames(*events)).body)

        assert shape(ours["output"]) == shape(theirs["output"])
        assert ours.keys() == theirs.keys()


def shape(value: object) -> object:
    if is_object(value):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if is_list(value) else type(value).__name__


# --- what is asked


def test_both_forms_and_both_spellings_of_a_model_are_one_question() -> None:
    paths = ["/model/m-v1%3A0/converse", "/model/m-v1:0/converse-stream"]

    asked = {identify(request(path), DIALECT).fingerprint for path in paths}

    assert len(asked) == 1
    assert not DIALECT.wants_stream(request(paths[0]), ASK)
    assert DIALECT.wants_stream(request(paths[1]), ASK)


@pytest.mark.parametrize(
    ("more", "is_same"),
    [
        ({"requestMetadata": {"job": "7"}}, True),
        ({"serviceTier": {"type": "flex"}}, True),
        ({"inferenceConfig": {}}, True),
        ({"inferenceConfig": {"temperature": 0.5}}, False),
        ({"performanceConfig": {"latency": "optimized"}}, False),
        ({"system": [{"text": "Be brief."}]}, False),
        ({"additionalModelRequestFields": {"top_k": 5}}, False),
    ],
)
def test_what_does_not_shape_the_answer_is_no_part_of_the_question(
    more: dict[str, Any], *, is_same: bool
) -> None:
    one = identify(request("/model/m/converse"), DIALECT)
    other = identify(request("/model/m/converse", **more), DIALECT)

    assert (one.fingerprint == other.fingerprint) is is_same


def test_pointers_into_the_models_own_body_keep_the_forms_apart() -> None:
    """Given `additionalModelResponseFieldPaths`, then a stream is another question than a whole."""
    pointing = {"additionalModelResponseFieldPaths": ["/stop_sequence"]}
    asked = [
        request(f"/model/m/{operation}", **pointing)
        for operation in ("converse", "converse-stream")
    ]

    kinds = [recognise(each, parse_body(each).members) for each in asked]

    assert [type(kind) for kind in kinds] == [ConverseApart] * 2
    assert not any(kind.converts for kind in kinds if kind)
    assert len({identify(each, ConverseApart()).fingerprint for each in asked}) == 2


OTHER_SHAPES: list[dict[str, Any]] = [
    {},
    {"messages": []},
    {"messages": "hi"},
    {"messages": [{"role": "user", "content": "hi"}]},
    {"messages": [{"role": "nobody", "content": []}]},
    {"messages": [{"role": 5, "content": []}]},
    {"messages": ["hi"]},
    {"promptVariables": {"a": {"text": "b"}}},
]


@pytest.mark.parametrize("body", OTHER_SHAPES)
def test_another_shape_is_not_recognised(body: dict[str, Any]) -> None:
    asked = Request(method="POST", url=f"{HOST}/model/m/converse", body=json.dumps(body).encode())

    assert recognise(asked, body) is None


# --- what is answered


def test_a_whole_answer_is_given_as_a_stream_and_back() -> None:
    told = Response(
        status=200,
        headers=(("content-type", "application/json"), ("x-amzn-requestid", "r")),
        chunks=answer().chunks,
    )

    stream = DIALECT.stream(told, WANTS, ASK)

    assert stream.content_type == aws_events.MEDIA_TYPE
    assert stream.header("x-amzn-requestid") == "r"
    assert DIALECT.fits(stream, WANTS, ASK)
    assert not DIALECT.fits(told, WANTS, ASK)
    assert DIALECT.sound(stream)
    assert DIALECT.finished(stream.body[-4096:])
    assert json.loads(DIALECT.whole(stream).body) == WHOLE
    assert DIALECT.usage(stream) == DIALECT.usage(told) == ("", WHOLE["usage"])


STREAM = DIALECT.stream(answer(), WANTS, ASK)


@pytest.mark.parametrize(
    "told",
    [
        response(b'{"message":"Too many requests"}'),
        response(b"[]"),
        response(b""),
        answer(output={}),
        answer(stopReason=None),
        response(b"", aws_events.MEDIA_TYPE),
        response(STREAM.body[:-1], aws_events.MEDIA_TYPE),
        response(b"".join(STREAM.chunks[:-1]), aws_events.MEDIA_TYPE),
        response(b"".join(STREAM.chunks[1:]), aws_events.MEDIA_TYPE),
        response(
            STREAM.body + aws_events.encode(aws_events.failure("throttlingException", b"{}")),
            aws_events.MEDIA_TYPE,
        ),
    ],
)
def test_errors_and_cut_streams_are_not_sound(told: Response) -> None:
    assert DIALECT.sound(answer())
    assert DIALECT.sound(STREAM)
    assert not DIALECT.sound(told)


def test_usage_of_a_stream_that_has_none_is_empty() -> None:
    told = frames(("messageStart", {"role": "assistant"}))

    assert DIALECT.usage(told) == ("", {})
    assert DIALECT.usage(response(b"{}")) == ("", {})


NAMES = st.sampled_from(
    [
        *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop"),
        *("messageStop", "metadata", "role", "start", "delta", "contentBlockIndex", "toolUse"),
        *("input", "text", "reasoningContent", "signature", "citation", "usage", "output"),
        *("message", "content", "stopReason", "toolResult", "redactedContent", "location"),
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.lists(st.tuples(NAMES, st.dictionaries(NAMES, ANYTHING, max_size=4)), max_size=6)


def exercise(told: Response) -> None:
    assert DIALECT.sound(told) in (True, False)
    assert DIALECT.finished(told.body[-4096:]) in (True, False)
    for attempt in (
        lambda: DIALECT.whole(told),
        lambda: DIALECT.stream(told, WANTS, ASK),
        lambda: DIALECT.usage(told),
    ):
        with contextlib.suppress(DialectError):
            attempt()


@given(middle=EVENTS, framed=st.booleans())
def test_whatever_a_stream_says_nothing_comes_of_it_but_an_answer_or_a_refusal(
    middle: list[tuple[str, Any]],
    framed: bool,  # noqa: FBT001  # drawn
) -> None:
    first: Any = ("messageStart", {"role": "a"})
    last: Any = [("messageStop", {}), ("metadata", {"usage": 5})]
    exercise(frames(first, *middle, *last) if framed else frames(*middle))


@given(body=ANYTHING)
def test_whatever_a_body_is_nothing_comes_of_it_but_an_answer_or_a_refusal(body: object) -> None:
    exercise(response(json.dumps(body).encode()))
    exercise(response(json.dumps({**WHOLE, "output": body}).encode()))


def test_bottomless_nesting_is_refused() -> None:
    deep = b'{"a":' * 100_000
    exercise(response(deep))
    exercise(response(aws_events.encode(aws_events.event("metadata", deep))))
