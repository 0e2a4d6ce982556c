"""Which recorded requests are provider calls, by the registry: a table, row by row."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.dialects.hosts import stateful
from cachesaver.dialects.jsontext import is_object
from cachesaver.dialects.passing import passed
from cachesaver.ports import Dialect
from recordings import Exchange
from recordings.dialects import first_object, spoken
from recordings.provider import plain

SAME = "the same answer at every draw"
STATE = "changes, starts or reads something on the server"
SETTLED = "no sample of the kind we keep; on a host the user named the user has the say"
UNREAD = "samples in a format that is not read: a store answers where the user names the host"
LINKS = "the answer only points to images, and is dead within the hour"
LOST = "its form was left out by who recorded it, or names no model"
NOBODYS = "no provider's: authorisation, telemetry, tools, vector stores"
BLANKED = "its URL was blanked by who recorded it"

RECOGNISED: Mapping[str, Mapping[str, str]] = {
    # provider: path (ids and models templated) and the class that recognises it
    "anthropic": {
        "/api/v1/messages": "AnthropicMessages",
        "/v1/complete": "AnthropicComplete",
        "/v1/messages": "AnthropicMessages",
        "/v1/messages/count_tokens": "AnthropicCount",
    },
    "azure-openai": {
        "/models/{m}/completions": "CompatibleChat",
        "/openai/deployments/{m}/chat/completions": "CompatibleChat",
        "/openai/v1/embeddings": "CompatibleEmbeddings",
        "/openai/v1/responses": "CompatibleResponses",
    },
    "bedrock": {
        "/model/{m}/converse": "Converse",
        "/model/{m}/converse-stream": "Converse",
        "/model/{m}/count-tokens": "CountTokens",
        "/model/{m}/invoke": "InvokeClaude or InvokeEmbedding or InvokeOther",
        "/model/{m}/invoke-with-response-stream": "InvokeClaude or InvokeOther",
        "/model/{m}/mi1dadi0g15f/converse": "Converse",
        "/model/{m}/otnfa2ysixqd/invoke": "InvokeEmbedding",
        "/openai/v1/responses": "CompatibleResponses",
        "/v1/chat/completions": "CompatibleChat",
        "/v1/responses": "CompatibleResponses",
    },
    "cerebras": {
        "/v1/chat/completions": "CompatibleChat",
    },
    "chatgpt": {
        "/backend-api/codex/responses": "CompatibleResponses",
    },
    "cohere": {
        "/v1/chat": "CohereChatV1",
        "/v1/embed": "CohereEmbedV1",
        "/v1/tokenize": "CohereTokens",
        "/v2/chat": "CohereChat",
        "/v2/embed": "CohereEmbed",
        "/v2/rerank": "CohereRerank",
    },
    "copilot": {
        "/chat/completions": "CompatibleChat",
        "/embeddings": "CompatibleEmbeddings",
        "/responses": "CompatibleResponses",
    },
    "deepseek": {
        "/chat/completions": "CompatibleChat",
        "/responses": "CompatibleResponses",
        "/v1/chat/completions": "CompatibleChat",
    },
    "doubleword": {
        "/v1/chat/completions": "CompatibleChat",
        "/v1/embeddings": "CompatibleEmbeddings",
    },
    "gemini": {
        "/v1beta/interactions": "GeminiInteractions",
        "/v1beta/models/{m}:batchEmbedContents": "GeminiEmbed",
        "/v1beta/models/{m}:countTokens": "GeminiCount",
        "/v1beta/models/{m}:generateContent": "Gemini",
        "/v1beta/models/{m}:streamGenerateContent": "Gemini",
        "/v1beta/openai/chat/completions": "CompatibleChat",
    },
    "groq": {
        "/openai/v1/chat/completions": "CompatibleChat",
    },
    "huggingface": {
        "/hyperbolic/v1/chat/completions": "CompatibleChat",
        "/nebius/v1/chat/completions": "CompatibleChat",
        "/novita/v3/openai/chat/completions": "CompatibleChat",
        "/together/v1/chat/completions": "CompatibleChat",
    },
    "llamacpp": {
        "/v1/chat/completions": "CompatibleChat",
        "/v1/embeddings": "CompatibleEmbeddings",
        "/v1/rerank": "Rerank",
        "/v1/responses": "CompatibleResponses",
    },
    "mistral": {
        "/v1/audio/speech": "CompatibleSpeech",
        "/v1/audio/transcriptions": "CompatibleTranscriptions",
        "/v1/chat/completions": "CompatibleChat",
        "/v1/embeddings": "CompatibleEmbeddings",
        "/v1/ocr": "MistralOcr",
    },
    "mistralrs": {
        "/v1/chat/completions": "CompatibleChat",
        "/v1/responses": "CompatibleResponses",
    },
    "ollama": {
        "/api/chat": "OllamaChat",
    },
    "ollama-or-local": {
        "/anthropic/v1/messages": "CompatibleMessages",
        "/api/chat": "OllamaChat",
        "/api/embed": "OllamaEmbed",
        "/api/generate": "OllamaGenerate",
        "/google-vertex/v1beta1/publishers/{x}/models/{m}:generateContent": "Gemini",
        "/groq/openai/v1/chat/completions": "CompatibleChat",
        "/openai/chat/completions": "CompatibleChat",
        "/openai/responses": "CompatibleResponses",
        "/v1/chat/completions": "CompatibleChat",
    },
    "openai": {
        "/v1/audio/speech": "OpenAISpeech",
        "/v1/audio/transcriptions": "OpenAITranscriptions",
        "/v1/audio/translations": "OpenAITranscriptions",
        "/v1/chat/completions": "OpenAIChat",
        "/v1/completions": "OpenAICompletions",
        "/v1/embeddings": "OpenAIEmbeddings",
        "/v1/images/edits": "OpenAIImages",
        "/v1/images/generations": "OpenAIImages",
        "/v1/images/variations": "OpenAIImages",
        "/v1/moderations": "CompatibleModerations or OpenAIModerations",
        "/v1/responses": "OpenAIResponses or OpenAITemplate",
        "/v1/responses/input_tokens": "OpenAIInputTokens",
    },
    "openai-compat?": {
        "<GPUSTACK_API_BASE>/chat/completions": "CompatibleChat",
        "<OLLAMA_API_BASE>/chat/completions": "CompatibleChat",
    },
    "openrouter": {
        "/api/v1/audio/speech": "CompatibleSpeech",
        "/api/v1/audio/transcriptions": "CompatibleTranscriptions",
        "/api/v1/chat/completions": "CompatibleChat",
        "/api/v1/embeddings": "CompatibleEmbeddings",
        "/api/v1/images": "CompatibleImages",
        "/api/v1/rerank": "Rerank",
        "/api/v1/responses": "CompatibleResponses",
    },
    "other:api.inference.crusoecloud.com": {
        "/v1/chat/completions": "CompatibleChat",
    },
    "other:ollama.com": {
        "/v1/chat/completions": "CompatibleChat",
    },
    "perplexity": {
        "/chat/completions": "CompatibleChat",
        "/v1/embeddings": "CompatibleEmbeddings",
    },
    "snowflake": {
        "/api/v2/cortex/v1/chat/completions": "CompatibleChat",
    },
    "together": {
        "/v1/chat/completions": "CompatibleChat",
    },
    "venice": {
        "/api/v1/audio/speech": "CompatibleSpeech",
        "/api/v1/chat/completions": "CompatibleChat",
        "/api/v1/embeddings": "CompatibleEmbeddings",
    },
    "vertex": {
        "/v1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:generateContent": "Gemini",
        "/v1beta1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:countTokens": "GeminiCount",
        "/v1beta1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:embedContent": "GeminiEmbed",
        "/v1beta1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:generateContent": "Gemini",
        "/v1beta1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:predict": "VertexEmbed",
        "/v1beta1/projects/{x}/locations/{x}/publishers/{x}/models/{m}:streamGenerateContent": "Gemini",
        "/v1beta1/publishers/{x}/models/{m}:generateContent": "Gemini",
    },
    "voyage": {
        "/v1/embeddings": "VoyageEmbeddings",
    },
    "xai": {
        "/v1/chat/completions": "CompatibleChat",
        "/v1/images/edits": "CompatibleImages",
        "/v1/images/generations": "CompatibleImages",
        "/v1/responses": "CompatibleResponses",
    },
    "zhipu": {
        "/api/paas/v4/chat/completions": "CompatibleChat",
    },
}

DECLINED: Mapping[str, str] = {
    # the end of a path and why no store may answer; the first row that fits counts
    r"/v1/models": STATE,  # Replicate: makes a model
    r"/v1/chat/completions/\{id\}": STATE,  # changes the labels of a stored completion
    r"/api/show": STATE,
    r"/agents/[^/]+": STATE,  # Bedrock's inline agents
    r"/guardrail/.*/apply": STATE,
    r"/(?:rerank|tokenize)": SAME,
    r"/agents/.*/text": STATE,
    r"/interactions": STATE,  # with an agent, in the background
    r"/(?:files|uploads|batches|jobs|predictions|trainings|containers|skills)": STATE,
    r"/(?:assistants|threads|conversations|vector_stores|cachedContents|fileSearchStores)": STATE,
    r"/(?:assistants|threads|conversations|vector_stores)/\{id\}(?:/\{id\})?": STATE,
    r"/threads/(?:\{id\}/)?(?:messages|runs)(?:/\{id\})?": STATE,
    r"/submit_tool_outputs": STATE,
    r"/conversations/\{id\}/items": STATE,
    r"/vector_stores/\{id\}/search": STATE,
    r"/upload/v1beta/fileSearchStores/\{id\}": STATE,
    r"/uploads/\{id\}/(?:parts|complete)": STATE,
    r"/skills/\{id\}/versions": STATE,
    r"/batches/\{id\}/requests": STATE,
    r"/cancel": STATE,
    r"/realtime/(?:calls|client_secrets|sessions)": STATE,
    r"/videos/generations": STATE,
    r":batchGenerateContent": STATE,
    r"/api/pull": STATE,
    r"/responses/compact": STATE,
    r"/(?:generate|speak|tts|listen|images)": UNREAD,
    r"/invoke(?:-with-response-stream)?": UNREAD,
    r"/(?:retrieve|retrieveAndGenerate|retrieveAndGenerateStream)": STATE,
    r"/audio/transcriptions": LOST,
    r"/images/(?:generations|edits|variations)": LINKS,
    r"/models/\{m\}/zephyr-7b-beta": UNREAD,
    r"/(?:v2/query|v1/opamp|token|mcp|html/|telemetry/runs)": NOBODYS,
    r"\*\*REDACTED\*\*": BLANKED,
}

_DOTNET = "openai+openai-dotnet/tests/SessionRecords/ResponsesTests"
_PYDANTIC = "pydantic+pydantic-ai/tests"
_RESPONSES = f"{_PYDANTIC}/models/cassettes/test_openai_responses"
_GATEWAY = f"{_PYDANTIC}/providers/cassettes/test_gateway"

DECLINED_ALONE: Mapping[str, str] = {
    # requests to endpoints that are recognised otherwise
    **{
        f"pypi+langchain_anthropic-1.7.10/tests/cassettes/{name}.yaml.gz#1": "goes on in a container"
        for name in ("test_programmatic_tool_use", "test_programmatic_tool_use_streaming")
    },
    "Future-House+ldp/packages/lmi/tests/cassettes/"
    "TestTooling.test_multi_response_warns_and_returns_first.yaml#0": "two prompts in one request",
    f"{_DOTNET}/CanCancelBackgroundResponses.json#0": "a job",
    f"{_DOTNET}/CanCancelBackgroundResponsesAsync.json#0": "a job",
    f"{_DOTNET}/CanStreamBackgroundResponsesAsync.json#0": "a job",
    f"{_RESPONSES}/test_background_mode_reasoning_vcr.yaml#0": "a job",
    f"{_RESPONSES}/test_background_mode_streaming_starting_after_vcr.yaml#0": "a job",
    f"{_RESPONSES}/test_background_mode_streaming_vcr.yaml#0": "a job",
    f"{_RESPONSES}/"
    "test_openai_conversation_id_auto_respects_pydantic_ai_conversation_id.yaml#1": "state",
    f"{_RESPONSES}/test_openai_conversation_id_preserves_mismatched_history.yaml#1": "state",
    f"{_PYDANTIC}/models/cassettes/test_bedrock/"
    "test_bedrock_model_other_parameters.yaml#0": "the body was cut by who recorded it: no JSON",
    f"{_GATEWAY}/test_gateway_provider_with_bedrock.yaml#0": "Bedrock's path on another host",
}


def recognised(exchange: Exchange, hosts: tuple[str, ...] = ()) -> Dialect | None:
    assert exchange.request is not None
    body = parse_body(exchange.request).members
    return dialects.recognise(exchange.request, body, hosts=hosts)


@pytest.fixture(scope="module")
def paths(corpus: Path) -> dict[str, str]:
    """The path of each recorded request, ids and models templated, by the exchange's name."""
    index = json.loads((corpus / "index.json").read_bytes())
    return {
        f"{entry['file']}#{place}": told.get("path", "")
        for entry in index["files"]
        for place, told in enumerate(entry["interactions"])
    }


def asked(exchanges: tuple[Exchange, ...]) -> list[Exchange]:
    return [e for e in exchanges if e.request is not None and e.request.method == "POST"]


def test_what_is_recognised_is_what_the_table_says(
    exchanges: tuple[Exchange, ...], paths: dict[str, str]
) -> None:
    found = defaultdict[str, dict[str, set[str]]](lambda: defaultdict(set))
    for exchange in asked(exchanges):
        if (dialect := recognised(exchange)) is not None:
            found[exchange.provider][paths[exchange.name]].add(type(dialect).__name__)

    assert {
        provider: {path: " or ".join(sorted(classes)) for path, classes in rows.items()}
        for provider, rows in found.items()
    } == RECOGNISED


def row_of(path: str) -> str:
    """The first row of `DECLINED` that fits; empty when none does."""
    return next((row for row in DECLINED if re.search(f"(?:{row})\\Z", path)), "")


def declined(exchanges: tuple[Exchange, ...]) -> list[Exchange]:
    return [e for e in asked(exchanges) if recognised(e) is None]


def test_what_is_declined_has_its_reason(
    exchanges: tuple[Exchange, ...], paths: dict[str, str]
) -> None:
    alone = {e.name for e in declined(exchanges) if e.name in DECLINED_ALONE}
    rows = {e.name: row_of(paths[e.name]) for e in declined(exchanges) if e.name not in alone}

    assert {name: paths[name] for name, row in rows.items() if not row} == {}
    assert set(rows.values()) == set(DECLINED)
    assert alone == set(DECLINED_ALONE)


def test_on_a_host_the_user_named_only_state_and_sameness_still_decline(
    exchanges: tuple[Exchange, ...], paths: dict[str, str]
) -> None:
    for exchange in declined(exchanges):
        assert exchange.request is not None
        reason = DECLINED.get(row_of(paths[exchange.name]))
        body = parse_body(exchange.request)
        members: Mapping[str, object] = {} if body.parts else body.members
        if reason is not None:
            is_job = members.get("background") is True  # some of Gemini's interactions
            taken = bool(members) and not is_job and reason not in (SAME, STATE)
            assert (recognised(exchange, hosts=("*",)) is not None) is taken, exchange.name


def test_no_request_to_anyone_else_is_recognised(exchanges: tuple[Exchange, ...]) -> None:
    others = [e for e in exchanges if not e.llm and e.request is not None]

    assert len(others) == 63
    assert [e.name for e in others if recognised(e) is not None] == []


def test_nothing_but_a_post_is_recognised_on_any_host(exchanges: tuple[Exchange, ...]) -> None:
    other = [e for e in exchanges if e.request is not None and e.request.method != "POST"]

    assert Counter(e.request.method for e in other if e.request) == {
        "GET": 376,
        "DELETE": 84,
        "HEAD": 4,
        "PATCH": 2,
    }
    assert [e.name for e in other if recognised(e, hosts=("*",)) is not None] == []


def test_wants_lets_nothing_escape_that_would_be_recognised(
    exchanges: tuple[Exchange, ...],
) -> None:
    for exchange in asked(exchanges):
        assert exchange.request is not None
        parts = urlsplit(exchange.request.url)
        address = (parts.hostname or "", f"{parts.path}?{parts.query}")
        if recognised(exchange) is not None:
            assert dialects.wants(*address), exchange.name
        if recognised(exchange, hosts=("*",)) is not None:
            assert dialects.wants(*address, hosts=("*",)), exchange.name


def test_on_a_host_the_user_named_a_request_keeps_the_dialect_it_has(
    exchanges: tuple[Exchange, ...],
) -> None:
    for exchange in asked(exchanges):
        plain = recognised(exchange)
        if plain is not None:
            assert type(recognised(exchange, hosts=("*",))) is type(plain), exchange.name


KNOWN_SHAPES = {
    # The end of a path and the field that every request to it has.
    "/chat/completions": "messages",
    "/messages": "messages",
    ":generateContent": "contents",
    ":streamGenerateContent": "contents",
    "/responses": "input",
}


def test_every_request_of_a_known_shape_is_recognised(exchanges: tuple[Exchange, ...]) -> None:
    """Independently of the tables: a path's end and one field, by another JSON parser."""
    missed, found = set[str](), 0

    for exchange in asked(exchanges):
        assert exchange.request is not None
        path = urlsplit(exchange.request.url).path
        field = next((f for end, f in KNOWN_SHAPES.items() if path.endswith(end)), None)
        if field is None or not exchange.request.body.lstrip().startswith(b"{"):
            continue
        if "/threads/" not in path and field in json.loads(exchange.request.body):
            found += 1
            missed |= {exchange.name} if recognised(exchange) is None else set()

    assert found == 1255
    assert sorted(missed - set(DECLINED_ALONE)) == []


# --- how much of the traffic is known

ANSWERS: tuple[tuple[str, Mapping[str, str]], ...] = (
    # What an answer without a request has, a member and what its value begins with, and the API
    # that says such things. Dotted names lead into objects.
    ("bedrock.converse", {"output.message": "", "stopReason": ""}),
    ("bedrock.converse", {"messageStart": ""}),
    ("bedrock.converse", {"contentBlockStart": ""}),
    ("bedrock.converse", {"contentBlockDelta": ""}),
    ("gemini.interactions", {"object": "interaction"}),
    ("gemini.interactions", {"event_type": "interaction."}),
    ("gemini.embed", {"predictions": ""}),
    ("openai.completions", {"object": "text_completion"}),
    ("openai.chat", {"prompt_filter_results": ""}),
    ("openai.chat", {"id": "chatcmpl-"}),
    ("openai.embeddings", {"object": "list", "data": ""}),
    ("openai.images", {"created": "", "data": ""}),
    ("openai.transcriptions", {"task": "transcribe"}),
    ("realtime", {"type": "session."}),
    ("realtime", {"setupComplete": ""}),
    ("cohere.embed", {"embeddings": ""}),
    ("rerank", {"object": "rerank"}),
    ("bedrock.rerank", {"results": ""}),
    ("skills", {"object": "skill"}),
    ("skills", {"type": "skill"}),
    ("skills", {"latest_version": "", "source": ""}),
    ("an error", {"error": ""}),
    ("an error", {"detail": ""}),
)

REST: Mapping[str, str] = {
    # What is not known of the traffic of providers, and why.
    r"/(?:gladia|revai|fal|elevenlabs|cartesia|deepgram)/": "answers alone, of services of speech",
    r"ruby-openai/spec/fixtures/cassettes/ollama_": "GET /, to see whether a server is there",
    r"/harness-claude-code/": "a log of a program, not of an API",
    r"groq-transcription-text": "an answer in plain text, written down in a form of its own",
    r"/huggingfaceclient/|TestHuggingFaceLLM": "an address that is gone (404), and fields no longer known",
    r"transcription_usage_matrix|transcription_not_supported|/venice/transcription": (
        "the form that was sent is left out"
    ),
    r"with_invalid_model|invoke_model_with_response_stream_invalid": "the body is left out",
    r"test_bedrock_model_other_parameters": "the body was cut by who recorded it",
    r"test_gateway_provider_with_bedrock": "an API that is only told by its host, on another",
    r"test_multi_response_warns": "two prompts in one request: two questions",
}

NOT_PROVIDERS = r"/query_client/|test_query_client|/opamp/"
"""Services beside the models (queries to Logfire, OpenTelemetry's agents), which the index calls local
models for their ports."""


def known_by(exchange: Exchange) -> str:
    """What *exchange* is known to be: its dialect, or what passes through; empty if it is not."""
    request = exchange.request
    if request is not None and not request.url.startswith("https://redacted.invalid/"):
        if (dialect := recognised(exchange)) is not None:
            return dialect.name
        if (row := passed(request)) is not None:
            return row.name
        return stateful(request.url, parse_body(request).members)
    body = plain(exchange.response)
    dialect = spoken(exchange, body)
    return dialect.name if dialect is not None else answered_by(body)


def answered_by(body: bytes) -> str:
    first = first_object(body)
    for name, members in ANSWERS:
        if all(begins(first, path.split("."), start) for path, start in members.items()):
            return name
    return ""


def begins(value: object, path: list[str], start: str) -> bool:
    for name in path:
        if not is_object(value) or name not in value:
            return False
        value = value[name]
    return not start or (isinstance(value, str) and value.startswith(start))


def test_nearly_all_traffic_of_providers_is_known(exchanges: tuple[Exchange, ...]) -> None:
    """Given all that was recorded, then the API is known of 99 % at least, and the rest is listed."""
    traffic = [e for e in exchanges if e.llm and not re.search(NOT_PROVIDERS, e.name)]
    unknown = [exchange.name for exchange in traffic if not known_by(exchange)]
    rows = {name: next((row for row in REST if re.search(row, name)), "") for name in unknown}

    assert len(traffic) == 2861
    assert {name for name, row in rows.items() if not row} == set()
    assert set(rows.values()) == set(REST)
    assert len(unknown) / len(traffic) <= 0.01
