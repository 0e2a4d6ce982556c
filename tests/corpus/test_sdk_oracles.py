"""Every recorded stream: what the provider's own SDK accumulates is what our whole answer says.

Where the two differ the table says where, and why it is not we who are wrong. Beside each dialect
there are tests of single cases; here nothing that was recorded is left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import Client, types
from openai._models import construct_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent

from cachesaver.dialects import events
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.errors import DialectError
from cachesaver.exchange import Response, without_headers
from cachesaver.ports import Dialect
from recordings import Exchange
from recordings.dialects import spoken
from recordings.provider import plain


@dataclass(frozen=True, slots=True)
class Told:
    """A recorded stream that can be made whole, and its whole form."""

    name: str
    dialect: Dialect
    stream: Response
    whole: Response


@pytest.fixture(scope="module")
def told(exchanges: tuple[Exchange, ...]) -> Mapping[str, list[Told]]:
    """Every recorded stream that becomes a whole answer, by its dialect."""
    found = defaultdict[str, list[Told]](list)
    for exchange in exchanges:
        if (each := told_in(exchange)) is not None:
            found[each.dialect.name].append(each)
    return found


def told_in(exchange: Exchange) -> Told | None:
    recorded = exchange.response
    if recorded.header("content-encoding") == "br" or not recorded.body or recorded.status >= 400:
        return None
    body = plain(recorded)
    dialect = spoken(exchange, body)
    headers = without_headers(recorded.headers, ["content-encoding"])
    stream = Response(status=200, headers=headers, chunks=(body,))
    if dialect is None or not dialect.converts or not dialect.streamed(stream):
        return None
    try:
        return Told(exchange.name, dialect, stream, dialect.whole(stream))
    except DialectError:
        return None  # test_conversions has a table of these, with reasons


def test_every_dialect_that_turns_streams_has_its_oracle(told: Mapping[str, list[Told]]) -> None:
    assert {name: len(streams) for name, streams in told.items()} == {
        "openai.chat": 234,
        "openai.completions": 3,  # the SDK has no accumulator: test_choices
        "openai.responses": 151,
        "openai.transcriptions": 3,  # the SDK has no accumulator: test_openai_audio
        "anthropic.messages": 76,
        "anthropic.complete": 2,  # gone from the SDK: test_anthropic_complete
        "gemini.generate": 65,
        "gemini.interactions": 6,  # test_gemini_interactions
        # not held against an SDK here: see the tests beside each
        "bedrock.anthropic": 9,  # test_bedrock_invoke
        "bedrock.converse": 14,  # test_converse_stream
        "cohere.chat": 10,  # test_cohere_stream
        "cohere.chat_v1": 3,  # test_cohere_chat_v1
        "ollama.chat": 16,  # test_ollama_stream
        "ollama.generate": 1,  # the same
    }


# -- what the SDKs pass over or spoil: where, and why

CHAT: Mapping[str, str] = {
    r".choices[].message.role": "the SDK appends what is repeated to itself",
    r".choices[].message.channel": "the same",
    r".choices[].message.reasoning_details[].format": "the same",
    r".choices[].message.reasoning_details[].id": "the same",
    r".choices[].message.tool_calls[].id": "the same",
    r".choices[].message.tool_calls[].function.name": "the same",
    r".choices[].message.token_id": "it adds up numbers",
    r".choices[].message.reasoning_encrypted": "the same: false and false are 0",
    r".id": "it reads the first chunk alone; Azure and Copilot leave it empty there",
    r".created": "the same",
    r".model": "the same",
    r".service_tier": "the same",
    r".usage_breakdown": "Groq's: it stands in x_groq of a stream",
    r".prompt": "Together's: empty in a whole answer, left out of a stream",
    r".copilot_usage": "it passes over what it does not know, after the first chunk",
    r".timings": "the same",
    r".p": "the same: Mistral's padding",
    r".cost": "the same",
    r".latency_checkpoint": "the same",
    r".sla_metrics.ts_us": "the same",
    r".choices[].text": "the same",
    r".choices[].seed": "the same",
    r".choices[].native_finish_reason": "the same",
    r".choices[].content_filter_results.*": "the same",
    r".choices[].logprobs.reasoning_content": "it knows content and refusal alone (DeepSeek)",
    r".usage": "it forgets a usage that is not in the last chunk",
    r".system_fingerprint": "the same",
}

CHAT_RAISES: Mapping[str, str] = {
    "list indices must be integers": "Mistral leaves out the index of a tool call",
    "'NoneType' object is not iterable": "choices: null in a chunk",
    "list index out of range": "a tool call begins at index 1",
    "Expected list delta entry": "OpenRouter's reasoning_details come without an index",
}

RESPONSES: Mapping[str, str] = {
    r".output": "the Codex back end leaves it out of the last event; we have it of the items'",
}

RESPONSES_RAISES: Mapping[str, str] = {
    "Lifecycle response identity changed": "Copilot has another id in every event",
    "Completed output item identity changed": "the same, of an item",
    "list index out of range": "a text whose part was never begun",
}

ANTHROPIC: Mapping[str, str] = {
    # OpenRouter tells in the last usage what Anthropic tells in the first, or not at all
    r".usage.cost": "the SDK passes over it",
    r".usage.cost_details": "the same",
    r".usage.is_byok": "the same",
    r".usage.cache_creation": "the same",
}


# -- the accumulators


def chat(each: Told) -> Any:
    state = ChatCompletionStreamState()
    for chunk in events.data_objects(each.stream, dialect="openai.chat"):
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))  # type: ignore[arg-type]  # JSON
    return state.current_completion_snapshot


def responses(each: Told) -> Any:
    state: Any = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    final: Any = None
    for event in events.data_objects(each.stream, dialect="openai.responses"):
        read: Any = construct_type(type_=ResponseStreamEvent, value=event)
        state.handle_event(read)
        if read.type in ("response.completed", "response.incomplete"):
            final = read.response
    return final


def messages(each: Told) -> Any:
    body = each.stream.body.removesuffix(b"event: data\ndata: [DONE]\n\n")
    ask: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    with (
        client_of(body, "text/event-stream") as http,
        anthropic.Anthropic(api_key="k", max_retries=0, http_client=http).beta.messages.stream(
            **ask
        ) as stream,
    ):
        return stream.get_final_message()


def message(each: Told) -> Any:
    ask: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
    with client_of(each.whole.body, "application/json") as http:
        beta: Any = anthropic.Anthropic(api_key="k", max_retries=0, http_client=http).beta
        return beta.messages.create(**ask)


def client_of(body: bytes, kind: str) -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body, headers={"content-type": kind})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def tidy(value: Any) -> Any:
    """Without nulls and what the SDKs add to what was said."""
    if is_object(value):
        own = ("parsed", "parsed_arguments", "parsed_output", "index")
        return {k: tidy(v) for k, v in value.items() if v is not None and k not in own}
    return [tidy(each) for each in value] if is_list(value) else value


def changes(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Where two JSON values differ, places in lists left out."""
    if is_object(one) and is_object(other):
        for name in {*one, *other}:
            yield from changes(one.get(name, ...), other.get(name, ...), f"{at}.{name}")
    elif is_list(one) and is_list(other) and len(one) == len(other):
        for pair in zip(one, other, strict=True):
            yield from changes(*pair, f"{at}[]")
    elif type(one) is not type(other) or one != other:
        yield at


def row_of(table: Mapping[str, str], where: str) -> str:
    def fits(row: str) -> bool:
        return re.fullmatch(re.escape(row).replace(r"\*", ".*"), where) is not None

    return next((row for row in table if fits(row)), f"no row for {where}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """An SDK: what it makes of a stream, what it reads whole, and what it is known to spoil."""

    accumulate: Callable[[Told], Any]
    read: Callable[[Told], Any]
    differs: Mapping[str, str]
    raises: Mapping[str, str]
    equal: int
    """At least so many are the same to the last field."""


ORACLES: Mapping[str, Oracle] = {
    "openai.chat": Oracle(
        accumulate=chat,
        read=lambda each: ChatCompletion.construct(**json.loads(each.whole.body)),
        differs=CHAT,
        raises=CHAT_RAISES,
        equal=94,
    ),
    "openai.responses": Oracle(
        accumulate=responses,
        read=lambda each: OpenAIResponse.construct(**json.loads(each.whole.body)),
        differs=RESPONSES,
        raises=RESPONSES_RAISES,
        equal=130,
    ),
    "anthropic.messages": Oracle(
        accumulate=messages, read=message, differs=ANTHROPIC, raises={}, equal=75
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_the_sdk_accumulates_what_our_whole_answer_says(
    told: Mapping[str, list[Told]], name: str
) -> None:
    oracle = ORACLES[name]
    known = {*oracle.differs, *oracle.raises}
    counts, rows = Counter[str](), defaultdict[str, list[str]](list)

    for each in told[name]:
        try:
            theirs = oracle.accumulate(each)
        except (TypeError, IndexError, RuntimeError) as error:
            row = next((row for row in oracle.raises if row in str(error)), f"it raises {error!r}")
            rows[row].append(each.name)
            continue
        one, two = (
            tidy(v.to_dict(mode="json", warnings=False)) for v in (theirs, oracle.read(each))
        )
        found = {row_of(oracle.differs, where) for where in changes(one, two)}
        counts["differs" if found else "equal"] += 1
        for row in found:
            rows[row].append(each.name)

    assert {row: names for row, names in rows.items() if row not in known} == {}
    assert set(rows) == known
    assert counts["equal"] >= oracle.equal


# -- Gemini: the SDK has no accumulator, so what its users gather from its chunks

NUMBERED = {
    b"finishReason": b"STOP",
    b"modality": b"TEXT",
    b"trafficType": b"ON_DEMAND",
    b"category": b"HARM_CATEGORY_HARASSMENT",
    b"probability": b"NEGLIGIBLE",
}
"""With `$alt=json;enum-encoding=int` enums are numbers, which the SDK cannot read: here, one name."""


def named(found: re.Match[bytes]) -> bytes:
    name = NUMBERED.get(found[1])
    return b'"%s":"%s"' % (found[1], name) if name else found[0]


def generated(body: bytes, kind: str) -> list[types.GenerateContentResponse]:
    with client_of(re.sub(rb'"(\w+)": ?[0-9]+\b', named, body), kind) as http:
        models: Any = Client(api_key="k", http_options=types.HttpOptions(httpx_client=http)).models
        if kind == "application/json":
            return [models.generate_content(model="m", contents="?")]
        return list(models.generate_content_stream(model="m", contents="?"))


def gathered(chunks: list[types.GenerateContentResponse]) -> dict[Any, Any]:
    """By candidate: its texts, thoughts, calls, code and signatures, and why it ended."""
    found = defaultdict[Any, list[Any]](list)
    texts = defaultdict[Any, str](str)
    for chunk in chunks:
        found["usage"] = [chunk.usage_metadata]
        for candidate in chunk.candidates or []:
            index = candidate.index or 0
            if candidate.finish_reason:
                found[index, "end"] = [candidate.finish_reason, candidate.grounding_metadata]
            for part in (candidate.content.parts if candidate.content else None) or []:
                texts[index, bool(part.thought)] += part.text or ""
                add_part(part, found[index, "parts"])
    return {**found, **{place: text for place, text in texts.items() if text}}


def add_part(part: types.Part, parts: list[Any]) -> None:
    """All that is not text; the arguments of a call that came in pieces, by their paths."""
    call = part.function_call
    if call is not None:
        if call.name:
            parts.append([call.name, call.id, leaves(call.args or {}), part.thought_signature])
        for piece in call.partial_args or []:
            given, path = parts[-1][2], piece.json_path
            value = piece.number_value if piece.bool_value is None else piece.bool_value
            text = piece.string_value
            given[path] = value if text is None else given.get(path, "") + text
    elif part.text is None:
        parts.append(part)
    elif part.thought_signature:
        parts.append(part.thought_signature)


def leaves(value: object, path: str = "$") -> dict[str, object]:
    if is_object(value):
        steps = [(f"{path}.{name}", each) for name, each in value.items()]
    elif is_list(value):
        steps = [(f"{path}[{place}]", each) for place, each in enumerate(value)]
    else:
        return {path: value}
    return {where: leaf for step, each in steps for where, leaf in leaves(each, step).items()}


def test_users_of_gemini_gather_what_our_whole_answer_says(
    told: Mapping[str, list[Told]],
) -> None:
    for each in told["gemini.generate"]:
        body = each.stream.body
        if body.lstrip()[:1] == b"[":  # the SDK never asks for an array
            body = b"".join(b"data: %s\n\n" % json.dumps(c).encode() for c in json.loads(body))

        theirs, ours = (
            generated(body, "text/event-stream"),
            generated(each.whole.body, "application/json"),
        )

        assert theirs, each.name
        assert gathered(ours) == gathered(theirs), each.name
