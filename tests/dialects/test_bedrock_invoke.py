"""InvokeModel: Claude's answers in either form as the anthropic SDK reads them, others word for word."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anthropic.lib.bedrock import AnthropicBedrock
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.canonical import parse_body
from cachesaver.dialects import aws_events, recognise
from cachesaver.dialects.bedrock_invoke import InvokeClaude, InvokeEmbedding, InvokeOther
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify
from cachesaver.usage import tokens_of
from recordings import Exchange, read_corpus
from recordings.provider import plain

HOST = "https://bedrock-runtime.us-east-1.amazonaws.com"
CLAUDE: dict[str, Any] = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "hi"}],
}
LLAMA: dict[str, Any] = {"prompt": "hi", "max_gen_len": 10}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1.5}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 44, "cache_read_input_tokens": 9511},
}
COUNTS = (
    ("x-amzn-bedrock-input-token-count", "3"),
    ("x-amzn-bedrock-output-token-count", "44"),
    ("x-amzn-bedrock-cache-read-input-token-count", "9511"),
    ("x-amzn-bedrock-invocation-latency", "812"),
)
METRICS = {
    "inputTokenCount": 3,
    "outputTokenCount": 44,
    "cacheReadInputTokenCount": 9511,
    "invocationLatency": 812,
    "firstByteLatency": 300,
}
DIALECT, OTHER, EMBEDDING = InvokeClaude(), InvokeOther(), InvokeEmbedding()


def request(path: str, body: dict[str, Any], *headers: tuple[str, str]) -> Request:
    return Request(
        method="POST", url=f"{HOST}/model/{path}", headers=headers, body=json.dumps(body).encode()
    )


WANTS = request("m/invoke-with-response-stream", CLAUDE)


def response(body: bytes, *headers: tuple[str, str]) -> Response:
    return Response(status=200, headers=headers, chunks=(body,))


def answer(body: Any, *headers: tuple[str, str]) -> Response:
    return response(json.dumps(body).encode(), ("content-type", "application/json"), *headers)


def chunks(*contents: Any) -> Response:
    carried = [base64.b64encode(json.dumps(content).encode()).decode() for content in contents]
    return framed(*({"bytes": each, "p": "abc"} for each in carried))


def framed(*payloads: Any) -> Response:
    body = b"".join(
        aws_events.encode(aws_events.event("chunk", json.dumps(payload).encode()))
        for payload in payloads
    )
    return response(body, ("content-type", aws_events.MEDIA_TYPE))


# --- which format it is

KINDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "claude": ("us.anthropic.claude-opus-4-8/invoke", CLAUDE, "InvokeClaude"),
    "claude in chunks": ("anthropic.claude-v2/invoke-with-response-stream", CLAUDE, "InvokeClaude"),
    "claude behind an arn": ("arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke", CLAUDE, "InvokeClaude"),
    "claude of old": (
        "anthropic.claude-v2/invoke",
        {"prompt": "\n\nHuman: hi", "max_tokens_to_sample": 5},
        "InvokeOther",
    ),
    "llama": ("meta.llama3-1-70b-instruct-v1:0/invoke", LLAMA, "InvokeOther"),
    "nova": (
        "amazon.nova-lite-v1:0/invoke-with-response-stream",
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        "InvokeOther",
    ),
    "titan": ("amazon.titan-text-lite-v1/invoke", {"inputText": "hi"}, "InvokeOther"),
    "titan's embeddings": ("amazon.titan-embed-text-v1/invoke", {"inputText": "hi"}, "InvokeEmbedding"),
    "cohere's embeddings": (
        "us.cohere.embed-v4%3A0/invoke",
        {"texts": ["a"], "input_type": "search_query"},
        "InvokeEmbedding",
    ),
    "cohere's ranking": (
        "cohere.rerank-v3-5:0/invoke",
        {"query": "q", "documents": ["a"], "api_version": 2},
        "InvokeEmbedding",
    ),
    "titan's embeddings behind an arn": (
        "arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke",
        {"inputText": "hi", "dimensions": 256},
        "InvokeEmbedding",
    ),
    "cohere's behind an arn": (
        "arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke",
        {"texts": ["a"], "input_type": "clustering"},
        "InvokeEmbedding",
    ),
    "nova's behind an arn": (
        "arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke",
        {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"text": {"value": "a"}}},
        "InvokeEmbedding",
    ),
    "what is no kind of input": (
        "arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke",
        {"texts": ["a"], "input_type": ["search_query"]},
        "InvokeOther",
    ),
    "what an arn hides": (
        "arn%3Aaws%3Abedrock%3Ar%3A1%3Ap%2Fx/invoke",
        {"inputText": "hi"},
        "InvokeOther",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_body_and_model_tell_the_format(name: str) -> None:
    path, body, kind = KINDS[name]

    found = recognise(request(path, body), body)

    assert type(found).__name__ == kind
    assert found is not None
    assert found.deterministic is (kind == "InvokeEmbedding")
    assert found.max_count == 1


@pytest.mark.parametrize(
    ("headers", "is_known"),
    [
        ((("Accept", "application/json"),), True),
        ((("Accept", "*/*"),), True),
        ((("Accept", aws_events.MEDIA_TYPE), ("X-Amzn-Bedrock-Accept", "application/json")), True),
        ((("Accept", "image/png"),), False),
        ((("X-Amzn-Bedrock-Accept", "audio/mpeg"),), False),
    ],
)
def test_who_wants_another_format_than_json_passes_through(
    headers: tuple[tuple[str, str], ...], *, is_known: bool
) -> None:
    assert (recognise(request("m/invoke", LLAMA, *headers), LLAMA) is not None) is is_known


def test_a_body_that_is_no_object_passes_through() -> None:
    asked = Request(method="POST", url=f"{HOST}/model/m/invoke", body=b"")

    assert recognise(asked, {}) is None


@pytest.mark.parametrize(("body", "kinds"), [(CLAUDE, 1), (LLAMA, 2)])
def test_only_claudes_forms_are_one_question(body: dict[str, Any], kinds: int) -> None:
    asked = [request("m/invoke", body), request("m/invoke-with-response-stream", body)]

    found = [recognise(each, body) for each in asked]

    assert (
        len({identify(a, d).fingerprint for a, d in zip(asked, found, strict=True) if d}) == kinds
    )


def test_a_guardrail_is_part_of_the_question_and_the_tier_is_not() -> None:
    asked = {
        identify(request("m/invoke", LLAMA, *headers), OTHER).fingerprint
        for headers in (
            (),
            (("X-Amzn-Bedrock-Service-Tier", "flex"),),
            (("X-Amzn-Bedrock-GuardrailIdentifier", "g"),),
        )
    }

    assert len(asked) == 2


# --- Claude's two forms


def client(told: Response) -> Any:
    """The official client, and a Bedrock that answers everything with *told*."""

    def answered(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=told.body, headers=[*told.headers])

    http = httpx2.Client(transport=httpx2.MockTransport(answered))
    return AnthropicBedrock(aws_region="r", api_key="k", max_retries=0, http_client=http)


ASK: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


def accumulated(stream: Response) -> Any:
    """The message that the SDK's stream helper makes of a stream."""
    with client(stream).messages.stream(**ASK) as events:
        return said(events.get_final_message().to_dict(mode="json"))


def parsed(whole: Response) -> Any:
    """The message that the SDK reads from a whole answer."""
    return said(client(whole).messages.create(**ASK).to_dict(mode="json"))


def said(value: object) -> object:
    """*value* without the nulls that the SDK's types put where nothing was said."""
    if is_object(value):
        return {name: said(each) for name, each in value.items() if each is not None}
    return [said(each) for each in value] if is_list(value) else value


def recorded(corpus: Path) -> list[tuple[Exchange, Response]]:
    found = list[tuple[Exchange, Response]]()
    for exchange in read_corpus(corpus):
        if exchange.provider == "bedrock" and exchange.request and exchange.status == 200:
            known = recognise(exchange.request, parse_body(exchange.request).members)
            if isinstance(known, InvokeOther):
                told = Response(
                    status=200,
                    headers=exchange.response.headers,
                    chunks=(plain(exchange.response),),
                )
                found.append((exchange, told))
    return found


def test_the_sdk_makes_the_same_of_claudes_recorded_answers_in_either_form(corpus: Path) -> None:
    answers = [
        (exchange, told)
        for exchange, told in recorded(corpus)
        if exchange.request and b"anthropic_version" in exchange.request.body
    ]

    assert len(answers) == 20
    for exchange, told in answers:
        streams = DIALECT.streamed(told)
        whole = DIALECT.whole(told) if streams else told
        stream = told if streams else DIALECT.stream(told, WANTS, CLAUDE)
        plainly = Response(
            status=200, headers=(("content-type", "application/json"),), chunks=whole.chunks
        )
        assert accumulated(stream) == parsed(plainly), exchange.name
        assert accumulated(DIALECT.stream(whole, WANTS, CLAUDE)) == parsed(plainly)
        assert DIALECT.usage(stream) == DIALECT.usage(whole)
        assert tokens_of(DIALECT.usage(told)[1]) is not None


def test_bedrocks_own_counts_cross_over_from_headers_to_the_last_chunk_and_back() -> None:
    told = answer(MESSAGE, ("x-amzn-requestid", "r"), *COUNTS)

    stream = DIALECT.stream(told, WANTS, CLAUDE)
    whole = DIALECT.whole(stream)

    last = json.loads(base64.b64decode(json.loads(_payload(stream.chunks[-1]))["bytes"]))
    assert last["type"] == "message_stop"
    assert last["amazon-bedrock-invocationMetrics"] == {**METRICS, "firstByteLatency": 812}
    assert stream.header("x-amzn-bedrock-content-type") == "application/json"
    assert stream.header("x-amzn-bedrock-input-token-count") is None
    assert stream.header("x-amzn-requestid") == whole.header("x-amzn-requestid") == "r"
    assert {name: whole.header(name) for name, _ in COUNTS} == dict(COUNTS)
    assert whole.header("x-amzn-bedrock-content-type") is None
    assert json.loads(whole.body) == MESSAGE


def _payload(chunk: bytes) -> bytes:
    (frame,) = aws_events.decode(chunk)
    return frame.payload


@pytest.mark.parametrize("count", ["", "many", "-1", "1e3", "9" * 20])
def test_headers_that_do_not_count_are_left_out(count: str) -> None:
    told = answer(MESSAGE, ("x-amzn-bedrock-input-token-count", count))

    last = json.loads(
        base64.b64decode(
            json.loads(_payload(DIALECT.stream(told, WANTS, CLAUDE).chunks[-1]))["bytes"]
        )
    )

    assert last == {"type": "message_stop"}


STREAM = DIALECT.stream(answer(MESSAGE, *COUNTS), WANTS, CLAUDE)


def test_claudes_answer_fits_the_form_it_is_in() -> None:
    told = answer(MESSAGE)

    assert DIALECT.fits(STREAM, WANTS, CLAUDE)
    assert DIALECT.fits(told, request("m/invoke", CLAUDE), CLAUDE)
    assert not DIALECT.fits(told, WANTS, CLAUDE)
    assert DIALECT.finished(STREAM.body[-4096:])
    assert not DIALECT.finished(b"".join(STREAM.chunks[:-1])[-4096:])
    usage = (MESSAGE["model"], MESSAGE["usage"])
    assert DIALECT.usage(STREAM) == DIALECT.usage(told) == usage


def test_a_stream_that_tells_no_message_is_given_as_it_is() -> None:
    begun: Any = {**MESSAGE, "content": []}
    del begun["type"]
    told = chunks(
        {"type": "message_start", "message": begun},
        {"type": "message_delta", "delta": {}, "usage": {}},
        {"type": "message_stop"},
    )

    assert DIALECT.sound(told)
    with pytest.raises(DialectError, match="does not tell a message"):
        DIALECT.whole(told)


@pytest.mark.parametrize(
    "told",
    [
        answer({"message": "no"}),
        answer([]),
        chunks({"type": "message_stop"}),
        chunks({"type": "message_start"}, {"type": "error"}, {"type": "message_stop"}),
        chunks({"type": "message_start"}, [], {"type": "message_stop"}),
        framed({"bytes": "=?"}),
        framed({"bytes": "/w=="}),
        framed({"bytes": 5}),
        response(b"".join(STREAM.chunks[:-1])),
        response(STREAM.body[:-1]),
        response(STREAM.body + aws_events.encode(aws_events.failure("throttlingException", b"{}"))),
    ],
)
def test_errors_and_cut_streams_are_not_sound(told: Response) -> None:
    assert DIALECT.sound(STREAM)
    assert DIALECT.sound(answer(MESSAGE))
    assert not DIALECT.sound(told)


# --- the others


def test_recorded_answers_of_other_models_are_sound_and_counted(corpus: Path) -> None:
    """Given what each family answered, whole and in chunks, then Bedrock counts the same for all."""
    answers = [
        (exchange, told)
        for exchange, told in recorded(corpus)
        if exchange.request and b"anthropic_version" not in exchange.request.body
    ]

    assert len(answers) == 30
    for exchange, told in answers:
        assert exchange.request is not None
        members = parse_body(exchange.request).members
        known = recognise(exchange.request, members)
        assert known is not None
        assert not known.converts
        assert known.sound(told), exchange.name
        assert tokens_of(known.usage(told)[1]) is not None, exchange.name
        if known.streamed(told):
            assert known.finished(told.body[-4096:]), exchange.name
            assert not known.sound(response(told.body[: len(told.body) // 2]))
            assert not known.finished(told.body[:-200][-4096:])
        with pytest.raises(DialectError):
            known.whole(told) if known.streamed(told) else known.stream(told, WANTS, members)


LAST = {"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": METRICS}


def test_a_stream_of_any_family_ends_with_bedrocks_counts() -> None:
    told = chunks({"generation": "Hi"}, LAST)

    assert OTHER.sound(told)
    assert OTHER.finished(told.body)
    assert not OTHER.sound(chunks({"generation": "Hi"}))
    assert not OTHER.finished(chunks({"generation": "Hi"}).body)
    assert OTHER.usage(told)[1] == {
        name: count for name, count in METRICS.items() if name.endswith("TokenCount")
    }
    assert OTHER.usage(chunks({"generation": "Hi"})) == ("", {})
    assert OTHER.usage(response(b"", ("content-type", aws_events.MEDIA_TYPE))) == ("", {})


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"prompt_token_count": 5, "generation_token_count": 10}, None),
        ({"embedding": [0.5], "inputTextTokenCount": 4}, {"inputTextTokenCount": 4}),
        ({"output": {}, "usage": {"inputTokens": 5}}, {"inputTokens": 5}),
        ({"outputs": [{"text": "a"}]}, {}),
    ],
)
def test_where_no_header_counts_the_body_does(
    body: dict[str, Any], usage: dict[str, Any] | None
) -> None:
    assert OTHER.usage(answer(body)) == ("", body if usage is None else usage)
    assert OTHER.usage(answer(body, *COUNTS[:1])) == ("", {"inputTokenCount": 3})


@pytest.mark.parametrize("body", [{}, {"message": "no"}, {"error": "no", "images": []}])
def test_a_body_that_says_no_is_not_sound(body: dict[str, Any]) -> None:
    assert OTHER.sound(answer({"generation": "a", "error": None}))
    assert not OTHER.sound(answer(body))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "delta", "message", "content", "index", "usage", "bytes", "text"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("dialect", [DIALECT, OTHER, EMBEDDING], ids=lambda dialect: dialect.name)
@given(contents=st.lists(ANYTHING, max_size=4))
def test_whatever_chunks_carry_nothing_comes_of_it_but_an_answer_or_a_refusal(
    dialect: InvokeOther, contents: list[Any]
) -> None:
    for told in (
        chunks(*contents),
        framed(*contents),
        answer(contents),
        answer({"usage": contents}),
    ):
        assert dialect.sound(told) in (True, False)
        assert dialect.finished(told.body[-4096:]) in (True, False)
        for attempt in (
            lambda: dialect.whole(told),  # noqa: B023  # called at once
            lambda: dialect.stream(told, WANTS, CLAUDE),  # noqa: B023
            lambda: dialect.usage(told),  # noqa: B023
        ):
            with contextlib.suppress(DialectError):
                attempt()
