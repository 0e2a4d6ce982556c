"""Gemini, judged by the google-genai SDK and its own types in strict validation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from cachesaver.dialects.sse import decode
from cachesaver.rehearsal import Rehearsal

ASK: Any = {"model": "gemini-2.5-flash", "contents": "Say something."}
BODY: Any = {"contents": [{"role": "user", "parts": [{"text": "Say something."}]}]}
TOOLS: Any = [
    {
        "function_declarations": [
            {
                "name": "get_weather",
                "parameters": {
                    "type": "OBJECT",
                    "properties": {"city": {"type": "STRING"}},
                    "required": ["city"],
                },
            }
        ]
    }
]


Post = Callable[[str, object], httpx2.Response]


class Answer(BaseModel):
    text: str
    score: int


@pytest.fixture
def post(rehearsal: Rehearsal, http: httpx2.Client) -> Post:
    url = f"{rehearsal.gemini_url}/v1beta/models/gemini-2.5-flash"
    return lambda method, body: http.post(f"{url}:{method}", json=body)


def forced(*names: str) -> dict[str, Any]:
    calling = {"mode": "ANY", **({"allowed_function_names": list(names)} if names else {})}
    return {"tools": TOOLS, "tool_config": {"function_calling_config": calling}}


def strictly(body: Any) -> types.GenerateContentResponse:
    # serviceTier: sent by the API since 2026, not in the SDK's type yet.
    body["usageMetadata"].pop("serviceTier")
    return types.GenerateContentResponse.model_validate_json(json.dumps(body), strict=True)


def test_whole_answers_satisfy_the_sdks_types_strictly(post: Post) -> None:
    body = BODY | {"generationConfig": {"candidateCount": 3}}

    answer = strictly(post("generateContent", body).json())

    assert answer.candidates is not None
    assert [candidate.index for candidate in answer.candidates] == [0, 1, 2]


def test_events_are_framed_by_crlf_and_satisfy_the_types(post: Post) -> None:
    answer = post("streamGenerateContent?alt=sse", BODY)

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content.endswith(b"}\r\n\r\n")
    assert answer.content.count(b"\n") == answer.content.count(b"\r\n")
    for event in decode(answer.content):
        assert strictly(json.loads(event.data))


@pytest.mark.parametrize("config", [{}, {"candidateCount": 2}, {"maxOutputTokens": 3}])
def test_both_streams_say_what_the_whole_answer_says(
    rehearsal: Rehearsal, post: Post, config: dict[str, Any]
) -> None:
    def joined(chunks: list[Any]) -> list[str]:
        texts = [""] * config.get("candidateCount", 1)
        for candidate in (candidate for chunk in chunks for candidate in chunk["candidates"]):
            texts[candidate["index"]] += candidate["content"]["parts"][0]["text"]
        return texts

    body = BODY | {"generationConfig": config}
    whole = post("generateContent", body).json()
    rehearsal.reset()
    events = [
        json.loads(e.data) for e in decode(post("streamGenerateContent?alt=sse", body).content)
    ]
    rehearsal.reset()
    array = post("streamGenerateContent", body).json()

    assert events == array
    assert joined(events) == joined([whole])
    assert events[-1]["usageMetadata"] == whole["usageMetadata"]
    ends = [c["finishReason"] for e in events for c in e["candidates"] if "finishReason" in c]
    assert ends == [candidate["finishReason"] for candidate in whole["candidates"]]


def test_what_a_stream_has_counted_only_grows(gemini_client: Any) -> None:
    chunks = list(gemini_client.models.generate_content_stream(**ASK))

    counts = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert counts == sorted(counts)
    assert len(chunks) > 1


def test_a_limit_cuts(gemini_client: Any) -> None:
    answer = gemini_client.models.generate_content(**ASK, config={"max_output_tokens": 3})

    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata.candidates_token_count == 3


@pytest.mark.parametrize("config", [forced(), forced("get_weather")])
def test_a_forced_function_is_called(gemini_client: Any, config: dict[str, Any]) -> None:
    whole = gemini_client.models.generate_content(**ASK, config=config)
    *_, last = gemini_client.models.generate_content_stream(**ASK, config=config)

    for answer in (whole, last):
        (call,) = answer.function_calls
        assert (call.name, set(call.args)) == ("get_weather", {"city"})
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP


def test_a_call_has_an_id_where_the_model_gives_one(
    rehearsal: Rehearsal, http: httpx2.Client
) -> None:
    def calls(model: str, method: str) -> str:
        url = f"{rehearsal.gemini_url}/v1beta/models/{model}:{method}"
        return http.post(url, json={**BODY, **forced()}).text

    for method in ("generateContent", "streamGenerateContent?alt=sse"):
        unnamed, named = calls("gemini-2.5-flash", method), calls("gemini-3.5-flash", method)

        assert "functionCall" in unnamed
        assert '"id"' not in unnamed
        assert '"id"' in named


def test_a_function_is_called_when_named_unless_forbidden(gemini_client: Any) -> None:
    ask = ASK | {"contents": "get_weather!"}
    none = {"function_calling_config": {"mode": "NONE"}}

    free = gemini_client.models.generate_content(**ask, config={"tools": TOOLS})
    forbidden = gemini_client.models.generate_content(
        **ask, config={"tools": TOOLS, "tool_config": none}
    )

    assert free.function_calls
    assert forbidden.text


def test_a_python_function_is_called_by_the_sdk_and_its_result_is_taken(
    gemini_client: Any,
) -> None:
    cities: list[str] = []

    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        cities.append(city)
        return "sunny"

    ask = ASK | {"contents": "Please use get_weather."}
    answer = gemini_client.models.generate_content(**ask, config={"tools": [get_weather]})

    assert len(cities) == 1
    assert answer.text


@pytest.mark.parametrize("field", ["response_schema", "response_json_schema"])
def test_structured_output_parses_to_the_callers_own_type(gemini_client: Any, field: str) -> None:
    schema = Answer if field == "response_schema" else Answer.model_json_schema()
    config = {"response_mime_type": "application/json", field: schema}

    answer = gemini_client.models.generate_content(**ASK, config=config)

    assert Answer.model_validate_json(answer.text, strict=True)


def test_counting_says_what_an_answer_would_be_charged(
    rehearsal: Rehearsal, gemini_client: Any
) -> None:
    counted = gemini_client.models.count_tokens(**ASK)

    answer = gemini_client.models.generate_content(**ASK)

    assert counted.total_tokens == answer.usage_metadata.prompt_token_count
    assert rehearsal.calls().of("gemini.count_tokens").prompt_tokens == 0


def test_system_instructions_and_pictures_count(gemini_client: Any) -> None:
    picture = types.Part.from_bytes(data=b"png", mime_type="image/png")
    config = {"system_instruction": "Be brief."}

    plain = gemini_client.models.generate_content(**ASK)
    rich = gemini_client.models.generate_content(
        **ASK | {"contents": ["Say something.", picture]}, config=config
    )

    more = rich.usage_metadata.prompt_token_count - plain.usage_metadata.prompt_token_count
    assert more == 85 + 4 + 3


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession")  # the SDK's own
def test_asynchronously_too(rehearsal: Rehearsal) -> None:
    async def ask_all() -> list[Any]:
        options: Any = {"base_url": rehearsal.gemini_url}
        async with genai.Client(api_key="k", http_options=options).aio as client:
            models: Any = client.models
            return await asyncio.gather(*(models.generate_content(**ASK) for _ in range(5)))

    assert len({answer.text for answer in asyncio.run(ask_all())}) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"contents": None},
        {"contents": [{"role": "user"}]},
        {"generationConfig": {"candidateCount": 9}},
    ],
)
def test_what_gemini_would_refuse_is_refused(post: Post, wrong: dict[str, Any]) -> None:
    answer = post("generateContent", BODY | wrong)

    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (404, errors.ClientError, "NOT_FOUND"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
def test_errors_are_those_of_the_sdk(
    rehearsal: Rehearsal, gemini_client: Any, status: int, kind: type[errors.APIError], name: str
) -> None:
    rehearsal.fault(str(status), endpoint="gemini.generate")

    with pytest.raises(kind) as caught:
        gemini_client.models.generate_content(**ASK)

    assert (caught.value.code, caught.value.status) == (status, name)


@pytest.mark.parametrize("query", ["?alt=sse", ""])
def test_an_error_in_the_middle_of_a_stream_is_framed_as_the_rest(
    rehearsal: Rehearsal, post: Post, query: str
) -> None:
    rehearsal.fault("error-event;after=1")

    answer = post(f"streamGenerateContent{query}", BODY)

    events = [json.loads(e.data) for e in decode(answer.content)] if query else answer.json()
    assert [min(event) for event in events] == ["candidates", "error"]
