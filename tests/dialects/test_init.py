"""What is a provider call and what is none: the table of both sides."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cachesaver.dialects as registry
from cachesaver.dialects import dialects, forget, is_ordinary, recognise, wants
from cachesaver.dialects.base import BaseDialect
from cachesaver.dialects.generic import Generic
from cachesaver.dialects.hosts import host_of, path_of
from cachesaver.dialects.known import DIALECTS
from cachesaver.dialects.openai_chat import OPENAI_LABELS
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Headers, Request
from cachesaver.ports import Dialect

Body = dict[str, Any]

CHAT: Body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
RESPONSES: Body = {"model": "m", "input": "hi"}
COMPLETION: Body = {"model": "m", "prompt": "hi"}
OLLAMA: Body = {**CHAT, "options": {}}
TGI: Body = {"inputs": "hi", "parameters": {"max_new_tokens": 5}}
RERANK: Body = {"model": "m", "query": "q", "documents": ["x", "y"]}
TOKENS: Body = {"inputs": "hi", "parameters": {"details": True}}
CONVERSE: Body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}

AGENT: Body = {"agent_id": "ag_1", "messages": CHAT["messages"]}
OCR: Body = {"model": "m", "document": {"type": "document_url", "document_url": "x"}}

OPENAI = "https://api.openai.com/v1"
AZURE = "https://acme.openai.azure.com/openai"
ANY = "http://some.host.test:8000"
ROUTER = "https://router.huggingface.co/hf-inference"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com"


def ask(url: str, body: Body, *headers: tuple[str, str], method: str = "POST") -> Request:
    return Request(method=method, url=url, headers=headers, body=json.dumps(body).encode())


CALLS: list[tuple[str, Body, str]] = [
    # A known wire format, on any host.
    (f"{OPENAI}/chat/completions", CHAT, "OpenAIChat"),
    ("https://eu.api.openai.com/v1/chat/completions", CHAT, "OpenAIChat"),
    (f"{ANY}/v1/chat/completions", CHAT, "CompatibleChat"),
    (f"{ANY}/chat/completions?a=b", CHAT, "CompatibleChat"),
    ("http://localhost:11434/v1/chat/completions", CHAT, "CompatibleChat"),
    ("https://api.groq.com/openai/v1/chat/completions", CHAT, "CompatibleChat"),
    (f"{AZURE}/deployments/d/chat/completions?api-version=1", CONVERSE, "CompatibleChat"),
    (f"{AZURE}/deployments/d/completions", {"prompt": "x"}, "CompatibleCompletions"),
    (f"{OPENAI}/chat/completions", {**CHAT, "n": 128}, "OpenAIChat"),
    (f"{ANY}/v1/chat/completions", {**CHAT, "n": 500.0}, "CompatibleChat"),
    (f"{OPENAI}/responses", RESPONSES, "OpenAIResponses"),
    (f"{OPENAI}/responses", {"prompt": {"id": "pmpt_1"}}, "OpenAITemplate"),
    (f"{OPENAI}/responses", {"model": "m", "previous_response_id": "r"}, "OpenAIResponses"),
    (f"{AZURE}/v1/responses", RESPONSES, "CompatibleResponses"),
    ("https://api.deepseek.com/responses", RESPONSES, "CompatibleResponses"),
    (f"{ANY}/v1/responses", RESPONSES, "CompatibleResponses"),
    (f"{ANY}/responses", {**RESPONSES, "store": False}, "CompatibleResponses"),
    (
        f"{ANY}/responses",
        {"model": "m", "input": [{"role": "user", "content": "x"}]},
        "CompatibleResponses",
    ),
    (f"{OPENAI}/completions", COMPLETION, "OpenAICompletions"),
    (f"{ANY}/v1/completions", {"model": "m", "prompt": [1, 2, 3]}, "CompatibleCompletions"),
    (f"{ANY}/v1/completions", {"model": "m", "prompt": ["x"]}, "CompatibleCompletions"),
    ("https://api.anthropic.com/v1/messages", {**CHAT, "max_tokens": 5}, "AnthropicMessages"),
    (
        "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent",
        {"contents": [{"parts": [{"text": "hi"}]}]},
        "Gemini",
    ),
    (f"{BEDROCK}/model/us.amazon.nova-lite-v1%3A0/converse", CONVERSE, "Converse"),
    (f"{BEDROCK}/model/us.amazon.nova-lite-v1:0/converse-stream", CONVERSE, "Converse"),
    (f"{BEDROCK}/model/meta.llama3-1-8b-instruct-v1:0/invoke", {"prompt": "hi"}, "InvokeOther"),
    (f"{BEDROCK}/openai/v1/chat/completions", CHAT, "CompatibleChat"),
    (f"{OPENAI}/embeddings", RESPONSES, "OpenAIEmbeddings"),
    ("https://api.voyageai.com/v1/embeddings", RESPONSES, "VoyageEmbeddings"),
    (f"{ANY}/embeddings", {"model": "m", "input": ["a", {"image": "b"}]}, "CompatibleEmbeddings"),
    (f"{ANY}/v1/embeddings", {"model": "m", "input": [[1, 2], [3]]}, "CompatibleEmbeddings"),
    (f"{ANY}/openai/deployments/d/embeddings", {"input": [1, 2]}, "CompatibleEmbeddings"),
    (f"{OPENAI}/moderations", {"input": "x"}, "OpenAIModerations"),
    (f"{ANY}/moderations", {"model": "m-moderation-1", "input": ["x"]}, "CompatibleModerations"),
    (f"{OPENAI}/responses/input_tokens", RESPONSES, "OpenAIInputTokens"),
    (f"{ANY}/responses/input_tokens", RESPONSES, "CompatibleInputTokens"),
    (f"{OPENAI}/images/generations", COMPLETION, "OpenAIImages"),
    (f"{OPENAI}/images/generations", {**COMPLETION, "stream": True}, "OneOpenAIImage"),
    (f"{ANY}/images/generations", {**COMPLETION, "n": 10}, "CompatibleImages"),
    (f"{ANY}/images/generations", {**COMPLETION, "output_format": "svg"}, "OneImage"),
    ("https://openrouter.ai/api/v1/images", COMPLETION, "CompatibleImages"),
    (f"{OPENAI}/audio/speech", {**RESPONSES, "voice": "alloy"}, "OpenAISpeech"),
    (f"{ANY}/audio/speech", {**RESPONSES, "voice": {"id": "v"}}, "CompatibleSpeech"),
    (
        f"{ANY}/audio/transcriptions",
        {"model": "m", "input_audio": {"data": "AA==", "format": "wav"}},
        "CompatibleTranscriptions",
    ),
    ("https://api.cohere.com/v2/chat", CHAT, "CohereChat"),
    ("https://api.cohere.com/compatibility/v1/chat/completions", CHAT, "CompatibleChat"),
    ("https://api.cohere.ai/v1/chat", {"message": "hi"}, "CohereChatV1"),
    ("https://api.cohere.ai/v1/chat", {"message": "", "tool_results": [{}]}, "CohereChatV1"),
    ("https://api.cohere.com/v2/embed", {"model": "m", "texts": ["x"]}, "CohereEmbed"),
    ("https://api.cohere.com/v2/embed", {"model": "m", "inputs": [{}]}, "CohereEmbed"),
    ("https://api.cohere.com/v1/embed", {"model": "m", "images": ["data:x"]}, "CohereEmbedV1"),
    ("https://api.cohere.com/v1/tokenize", {"model": "m", "text": "x"}, "CohereTokens"),
    ("https://api.cohere.com/v1/detokenize", {"model": "m", "tokens": [1]}, "CohereTokens"),
    ("https://api.cohere.com/v2/rerank", RERANK, "CohereRerank"),
    ("https://api.voyageai.com/v1/rerank", {**RERANK, "top_k": 1}, "Rerank"),
    ("https://openrouter.ai/api/v1/rerank", RERANK, "Rerank"),
    (f"{ANY}/v1/reranking", {**RERANK, "documents": [{"image": "x"}]}, "Rerank"),
    (f"{ANY}/rerank", {"query": "q", "texts": ["x"], "raw_scores": True}, "TeiRerank"),
    # Endpoints that go through generic.
    ("https://api.mistral.ai/v1/fim/completions", COMPLETION, "MistralFim"),
    ("https://codestral.mistral.ai/v1/fim/completions", COMPLETION, "MistralFim"),
    ("https://api.mistral.ai/v1/agents/completions", AGENT, "MistralAgents"),
    ("https://api.mistral.ai/v1/ocr", OCR, "MistralOcr"),
    ("https://api.mistral.ai/v1/ocr", {**OCR, "bbox_annotation_format": {}}, "MistralOcr"),
    ("https://api.deepseek.com/beta/completions", COMPLETION, "CompatibleCompletions"),
    ("https://openrouter.ai/api/v1/chat/completions", {**CONVERSE, "models": ["a"]}, "CompatibleChat"),
    ("https://m.eastus2.models.ai.azure.com/chat/completions", CONVERSE, "CompatibleChat"),
    ("https://acme.services.ai.azure.com/models/chat/completions", CHAT, "CompatibleChat"),
    ("http://localhost:11434/api/chat", CHAT, "OllamaChat"),
    ("http://gpu7:11434/api/generate", COMPLETION, "OllamaGenerate"),
    ("https://ollama.com/api/chat", CHAT, "OllamaChat"),
    (f"{ANY}/api/chat", OLLAMA, "OllamaChat"),
    (f"{ANY}/api/generate", {**COMPLETION, "keep_alive": "5m"}, "OllamaGenerate"),
    ("http://localhost:11434/api/embed", RESPONSES, "OllamaEmbed"),
    ("http://localhost:11434/api/embeddings", COMPLETION, "OllamaEmbeddings"),
    (f"{ANY}/api/embed", {**RESPONSES, "options": {}}, "OllamaEmbed"),
    (f"{ANY}/generate", TGI, "TgiGenerate"),
    (f"{ANY}/generate_stream", TGI, "TgiGenerate"),
    (f"{ANY}/generate", TOKENS, "TgiDetails"),
    ("https://x.eu.aws.endpoints.huggingface.cloud", TGI, "HuggingFaceGenerate"),
    (f"{ROUTER}/models/acme/tiny", TOKENS, "HuggingFaceDetails"),
]  # fmt: skip

ORDINARY: list[tuple[str, Body]] = [
    # The right path with another shape.
    (f"{ANY}/chat/completions", {"title": "My chat"}),
    (f"{ANY}/chat/completions", {"model": "m", "messages": []}),
    (f"{ANY}/chat/completions", {"model": "m", "messages": "hello"}),
    (f"{ANY}/chat/completions", {"model": "m", "messages": ["hello"]}),
    (f"{ANY}/chat/completions", {"model": "m", "messages": [{"text": "hello"}]}),
    (f"{ANY}/chat/completions", {"model": "m", "messages": [{"role": 1}]}),
    (f"{ANY}/chat/completions", {"model": 7, "messages": [{"role": "user"}]}),
    (f"{ANY}/chat/completions", CONVERSE),
    (f"{ANY}/responses", {"survey": 3, "answers": [1, 2]}),
    (f"{ANY}/responses", RESPONSES),
    (f"{ANY}/responses", {"input": "x", "store": True}),
    (f"{ANY}/api/responses", {"model": "Golf", "input": "I like it", "stars": 5}),
    (f"{ANY}/responses", {"model": "Golf", "input": [1, 2]}),
    (f"{ANY}/v1/responses", {"model": "Golf", "input": {"stars": 5}}),
    (f"{ANY}/completions", {"course": 5, "user": "me"}),
    (f"{ANY}/completions", {"model": "m", "prompt": 5}),
    (f"{ANY}/completions", {"model": "m"}),
    (f"{ANY}/completions", {"model": "m", "prompt": []}),
    (f"{ANY}/api/chat", CHAT),
    (f"{ANY}/api/generate", COMPLETION),
    (f"{ANY}/v1/chat", {"message": "hi"}),
    (f"{ANY}/v2/chat", CHAT),
    (f"{ANY}/api/embed", RESPONSES),
    (f"{ANY}/api/embeddings", COMPLETION),
    (f"{ANY}/", TGI),
    (f"{ANY}/models/acme/tiny", TGI),
    (f"{ANY}/generate", {"inputs": "x"}),
    (f"{ANY}/generate", {"inputs": "x", "parameters": {"colour": "red"}}),
    (f"{ANY}/generate", {"inputs": ["x"], "parameters": {"details": True}}),
    (f"{ANY}/model/x/converse", CONVERSE),
    (f"{ANY}/embeddings", {"model": "m"}),
    (f"{ANY}/embeddings", {"input": "x"}),
    (f"{ANY}/embeddings", {"model": "m", "input": []}),
    (f"{ANY}/embeddings", {"model": "m", "input": ["x", 1]}),
    (f"{ANY}/embeddings", {"model": "m", "input": [True]}),
    (f"{ANY}/embeddings", {"model": "m", "input": [[1], []]}),
    (f"{ANY}/embeddings", {"model": "m", "input": "x", "encoding_format": "bytes"}),
    (f"{ANY}/moderations", {"input": "x"}),
    (f"{ANY}/moderations", {"model": "Golf", "input": "x"}),
    (f"{OPENAI}/moderations", {"input": []}),
    (f"{OPENAI}/moderations", {"input": [{"role": "user"}]}),
    (f"{OPENAI}/responses/input_tokens", {"model": "m"}),
    (f"{OPENAI}/responses/input_tokens", {**RESPONSES, "conversation": "conv_1"}),
    (f"{ANY}/images/generations", {"prompt": "x"}),
    (f"{ANY}/images/generations", {"model": "m", "prompt": 5}),
    (f"{ANY}/images/generations", {**COMPLETION, "n": 11}),
    (f"{ANY}/images/generations", {**COMPLETION, "n": 2, "stream": True}),
    (f"{ANY}/images/generations", {**COMPLETION, "response_format": "url"}),
    (f"{ANY}/images/generations", {**COMPLETION, "model": "dall-e-2"}),
    (f"{ANY}/images/edits", COMPLETION),
    (f"{ANY}/api/v1/images", COMPLETION),
    (f"{ANY}/audio/speech", {"model": "m", "input": ["x"]}),
    (f"{ANY}/audio/speech", {"model": "m", "input": "x", "voice": 5}),
    (f"{ANY}/audio/transcriptions", {"model": "m", "file": "x"}),
    # The right shape at another path.
    (f"{OPENAI}/chat/completions/chatcmpl-1", CHAT),
    (f"{OPENAI}/chat/completions/", CHAT),
    (f"{OPENAI}/chat", CHAT),
    (f"{OPENAI}/xchat/completion", CHAT),
    (f"{OPENAI}/responses/resp_1/cancel", RESPONSES),
    (f"{OPENAI}/responses/compact", RESPONSES),
    (f"{OPENAI}/threads/runs", {"assistant_id": "a", "model": "m"}),
    (f"{OPENAI}/conversations", {"items": [{"role": "user", "content": "x"}]}),
    ("https://api.replicate.com/v1/predictions", {"version": "v", "input": {"prompt": "x"}}),
    ("https://api.cohere.com/v2/embed", {"model": "m", "texts": []}),
    ("https://api.cohere.com/v1/generate", COMPLETION),
    ("https://api.cohere.com/v1/classify", {"inputs": ["x"]}),
    (f"{ANY}/v2/embed", {"model": "m", "texts": ["x"]}),
    (f"{ANY}/v1/tokenize", {"model": "m", "text": "x"}),
    ("https://api.cohere.com/v1/tokenize", {"text": "x"}),
    ("https://api.cohere.com/v1/detokenize", {"model": "m", "tokens": ["x"]}),
    (f"{ANY}/rerank", {"query": "q", "documents": ["x"]}),
    (f"{ANY}/rerank", {**RERANK, "documents": []}),
    (f"{ANY}/rerank", {**RERANK, "query": None}),
    (f"{ANY}/rerank", {"query": "q", "texts": ["x"], "user": "me"}),
    (f"{ANY}/rerank", {"query": "q", "texts": [{"text": "x"}]}),
    ("https://api.mistral.ai/v1/agents/completions", {**CHAT, "prompt": "x"}),
    (f"{ANY}/v1/agents/completions", AGENT),
    (f"{ANY}/v1/fim/completions", COMPLETION),
    (f"{ANY}/v1/ocr", OCR),
    ("https://api.mistral.ai/v1/ocr", {"model": "m", "document": "x"}),
    ("https://api.mistral.ai/v1/agents", {**AGENT, "model": "m"}),
    ("https://api.mistral.ai/v1/conversations", {"model": "m", "inputs": "x"}),
    ("https://api.mistral.ai/v1/conversations/conv_1", {"inputs": "x"}),
    (f"{ANY}/v1/chat/completions", {**CONVERSE, "models": ["a"]}),
    ("https://localhost.test/graphql?path=/v1/chat/completions", CHAT),
    (f"{ANY}/v1/messages", {"to": "me", "messages": ["hi"]}),
    ("https://api.anthropic.com/v1/messages/batches", {"requests": []}),
    ("https://mail.test/v1/messages/count_tokens", CHAT),
    # Numbers of samples that are none, or that the server would refuse: it shall say so itself.
    (f"{OPENAI}/chat/completions", {**CHAT, "n": 0}),
    (f"{OPENAI}/chat/completions", {**CHAT, "n": "2"}),
    (f"{OPENAI}/chat/completions", {**CHAT, "n": 129}),
    (f"{ANY}/v1/chat/completions", {**CHAT, "n": 10**9}),
    ("https://api.groq.com/openai/v1/chat/completions", {**CHAT, "n": 2}),
    # Choices that are not independent draws.
    (f"{ANY}/v1/chat/completions", {**CHAT, "use_beam_search": True}),
    (f"{ANY}/v1/chat/completions", {**CHAT, "best_of": 3}),
    (f"{OPENAI}/completions", {**COMPLETION, "best_of": 3}),
    (f"{OPENAI}/completions", {"model": "m", "prompt": ["a", "b"]}),
    (f"{OPENAI}/completions", {"model": "m", "prompt": [[1], [2]]}),
    # Jobs and state on the server.
    ("https://open.bigmodel.cn/api/paas/v4/async/chat/completions", CHAT),
    ("https://open.bigmodel.cn/api/paas/v4/async/images/generations", {"model": "m", "prompt": "x"}),
    ("https://api.anthropic.com/v1/messages", {**CHAT, "max_tokens": 5, "container": "container_01"}),
    ("https://api.anthropic.com/v1/messages", {**CHAT, "max_tokens": 5, "container": {"id": "c"}}),
    ("https://api.x.ai/v1/chat/completions", {**CHAT, "deferred": True}),
    (f"{OPENAI}/responses", {**RESPONSES, "background": True}),
    (f"{OPENAI}/responses", {**RESPONSES, "conversation": "conv_1"}),
    ("https://api.cohere.ai/v1/chat", {"message": "hi", "conversation_id": "c"}),
    # Loading and unloading a model in Ollama.
    ("http://localhost:11434/api/generate", {"model": "m", "keep_alive": 0}),
    ("http://localhost:11434/api/chat", {"model": "m", "messages": []}),
    ("http://localhost:11434/api/embed", {"model": "m", "input": ""}),
    ("http://localhost:11434/api/embed", {"model": "m", "input": []}),
    ("http://localhost:11434/api/embeddings", {"model": "m", "prompt": ""}),
    ("http://localhost:11434/api/pull", {"model": "m"}),
    ("http://localhost:11434/api/show", {"model": "m"}),
]  # fmt: skip


@pytest.mark.parametrize(("url", "body", "kind"), CALLS)
def test_a_provider_call_is_recognised(url: str, body: Body, kind: str) -> None:
    found = recognise(ask(url, body), body)

    assert type(found).__name__ == kind
    assert wants(host_of(url), path_of(url))


@pytest.mark.parametrize(("url", "body"), ORDINARY)
def test_anything_else_is_not(url: str, body: Body) -> None:
    assert recognise(ask(url, body), body) is None


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
def test_only_a_post_asks_for_a_sample(method: str) -> None:
    request = ask(f"{OPENAI}/chat/completions", CHAT, method=method)

    assert recognise(request, CHAT) is None
    assert recognise(request, CHAT, hosts=["*"]) is None


@pytest.mark.parametrize("name", ["x-portkey-config", "X-Portkey-Virtual-Key"])
@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{ANY}/v1/chat/completions", CHAT),
        (f"{ANY}/v1/responses", RESPONSES),
        (f"{ANY}/v1/completions", COMPLETION),
        (f"{ANY}/other", {"a": 1}),
    ],
)
def test_a_gateway_told_where_to_go_by_a_secret_header_is_left_alone(
    url: str, body: Body, name: str
) -> None:
    assert recognise(ask(url, body, (name, "x")), body, hosts=["*"]) is None


def test_a_signed_body_is_asked_for_one_choice_only() -> None:
    """Given a body signed over its bytes, then no other `n` may ever be written into it."""
    signed: Headers = (("Authorization", "AWS4-HMAC-SHA256 Credential=x"),)
    url = "https://bedrock-mantle.us-east-1.api.aws/v1/chat/completions"

    for address in (url, f"{BEDROCK}/openai/v1/chat/completions"):
        found = recognise(ask(address, CHAT, *signed), CHAT)
        assert found is not None
        assert found.max_count == 1
    assert recognise(ask(url, {**CHAT, "n": 2}, *signed), {**CHAT, "n": 2}) is None
    assert recognise(ask(f"{ANY}/v1/completions", COMPLETION, *signed), COMPLETION) is None


@pytest.mark.parametrize("sdk", ["OpenAI/Python 3.54.0", "AsyncOpenAI/Python 3.54.0"])
def test_the_official_sdk_says_what_responses_are(sdk: str) -> None:
    request = ask(f"{ANY}/responses", RESPONSES, ("user-agent", sdk))

    assert type(recognise(request, RESPONSES)).__name__ == "CompatibleResponses"


class TestNamedHosts:
    HOSTS = ("api.acme.test", "*.llm.test:8000")

    @pytest.mark.parametrize(
        ("url", "body"),
        [
            ("https://api.acme.test/v7/complete", {"q": "hi"}),
            ("https://api.acme.test/v7/complete", {}),
            ("http://eu.llm.test:8000/x", {"q": "hi"}),
            ("https://api.acme.test/chat/completions", {"odd": "shape"}),
            ("https://api.acme.test/chat/completions", {**CHAT, "best_of": 3}),
        ],
    )
    def test_any_json_object_there_is_a_provider_call(self, url: str, body: Body) -> None:
        assert isinstance(recognise(ask(url, body), body, hosts=self.HOSTS), Generic)
        assert wants(host_of(url), path_of(url), hosts=self.HOSTS)
        assert recognise(ask(url, body), body) is None

    def test_a_known_format_there_is_read_as_such(self) -> None:
        found = recognise(
            ask("https://api.acme.test/chat/completions", CHAT), CHAT, hosts=self.HOSTS
        )

        assert type(found).__name__ == "CompatibleChat"

    @pytest.mark.parametrize(
        ("url", "body"),
        [
            ("https://other.test/v7/complete", {"q": "hi"}),
            ("http://eu.llm.test/x", {"q": "hi"}),
            ("https://api.acme.test/v1/embed", RESPONSES),
            ("https://api.acme.test/v1/batches", {"input_file_id": "f"}),
            ("https://api.acme.test/v1/responses", {**RESPONSES, "background": True}),
            ("https://api.acme.test/v1/responses", {**RESPONSES, "conversation": "c"}),
            (
                "https://api.acme.test/v1/messages",
                {**CHAT, "max_tokens": 5, "container": "container_01"},
            ),
            ("https://api.acme.test/v4/async/chat/completions", CHAT),
            ("https://api.acme.test/oauth/token", {"grant_type": "client_credentials"}),
        ],
    )
    def test_not_elsewhere_and_nothing_deterministic_or_stateful(
        self, url: str, body: Body
    ) -> None:
        assert recognise(ask(url, body), body, hosts=self.HOSTS) is None

    @pytest.mark.parametrize("raw", [b"", b"a=b", b"[1]", b"{broken"])
    def test_nor_what_is_no_object(self, raw: bytes) -> None:
        request = Request(method="POST", url="https://api.acme.test/x", body=raw)

        assert recognise(request, {}, hosts=self.HOSTS) is None


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("example.test", "/"),
        ("example.test", "/v1/users"),
        ("example.test", "/chat/completions/1"),
        ("api.openai.com", "/v1/files"),
        ("api.openai.com", "/v1/files?x=/chat/completions"),
    ],
)
def test_the_gate_lets_other_addresses_by(host: str, path: str) -> None:
    assert not wants(host, path)


def test_the_gate_sees_a_path_with_a_query() -> None:
    assert wants("x.test", "/v1/chat/completions?api-version=1")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "model", "messages", "n", "input", "prompt", "tools", "conversation",
        "previous_response_id", "stream", "options", "inputs", "parameters", "keep_alive",
        "best_of", "deferred", "background", "message", "store", "text", "input_type", "container",
    ]
)  # fmt: skip


@given(
    st.dictionaries(FIELDS, JSON),
    st.sampled_from([url for url, *_ in [*CALLS, *ORDINARY]]) | st.text(),
)
def test_no_body_and_no_url_makes_it_raise(body: Body, url: str) -> None:
    request = Request(method="POST", url=url, body=b"{}")

    found = recognise(request, body, hosts=["*.test"])

    for dialect in (*DIALECTS, Generic()):
        assert dialect.recognises(request, body) in (True, False)
        assert dialect.count(body) >= 1
        assert dialect.wants_stream(request, body) in (True, False)
    assert found is None or found.name


def test_instances_of_one_name_read_one_format() -> None:
    """Given several instances of one name, then all but host rules, labels and defaults is the same."""
    by_name: dict[str, list[Dialect]] = {}
    for dialect in DIALECTS:
        by_name.setdefault(dialect.name, []).append(dialect)

    for first, *others in by_name.values():
        for other in others:
            assert (other.endpoints, other.converts) == (first.endpoints, first.converts)
            assert other.headers >= first.headers
            common = first.volatile.keys() - OPENAI_LABELS.keys()
            assert other.volatile.items() >= {(name, first.volatile[name]) for name in common}


def test_every_row_of_every_table_has_a_reason() -> None:
    for dialect in DIALECTS:
        assert all(reason for reason in dialect.volatile.values())


class Acme(BaseDialect):
    name = "acme"
    endpoints = (r"/chat/completions", r"/acme")

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        return "acme" in body


@pytest.fixture
def forget_dialects() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def other_packages(monkeypatch: pytest.MonkeyPatch, forget_dialects: None) -> dict[str, object]:
    """A module whose names are entry points of other packages."""
    names: dict[str, object] = {}
    module = ModuleType("acme_dialects")
    monkeypatch.setitem(sys.modules, "acme_dialects", module)

    def entries(group: str) -> list[EntryPoint]:
        assert group == "cachesaver.dialects"
        for name, value in names.items():
            setattr(module, name, value)
        return [EntryPoint(name, f"acme_dialects:{name}", group) for name in names]

    monkeypatch.setattr(registry, "plugins", entries)
    return names


@pytest.mark.parametrize("value", [Acme, Acme()], ids=["class", "instance"])
def test_another_packages_dialect_is_tried_first(
    other_packages: dict[str, object], value: object
) -> None:
    other_packages["acme"] = value

    body = {**CHAT, "acme": 1}

    assert dialects()[0].name == "acme"
    assert wants("x.test", "/acme")
    assert recognise(ask(f"{OPENAI}/chat/completions", body), body) is dialects()[0]
    assert type(recognise(ask(f"{OPENAI}/chat/completions", CHAT), CHAT)).__name__ == "OpenAIChat"


@pytest.mark.parametrize("broken", [None, object(), lambda: None])
def test_a_dialect_that_does_not_load_says_which(
    other_packages: dict[str, object], broken: object
) -> None:
    other_packages["acme"] = broken

    with pytest.raises(ConfigurationError, match=r"the dialect 'acme' \(acme_dialects:acme\)"):
        dialects()


WORDS = sorted(
    {word for each in DIALECTS for end in each.endpoints for word in re.findall(r"[\w-]+", end)}
)
PIECES = st.one_of(st.sampled_from(WORDS), st.text(alphabet="abz19:%.-_", max_size=6))


@given(parts=st.lists(PIECES, max_size=5), seam=st.sampled_from(["/", ":", "%3A"]))
def test_no_path_of_an_endpoint_is_passed_over(parts: list[str], seam: str) -> None:
    """Given any path, then a glance at its end misses no dialect that has an endpoint there."""
    path = "/" + "/".join(parts[:-1]) + seam + "".join(parts[-1:])
    anywhere = [each for each in DIALECTS if not getattr(each, "hosts", "")]
    expected = any(re.search(f"(?:{'|'.join(each.endpoints)})\\Z", path) for each in anywhere)

    assert wants("h.test", path) >= expected
    assert wants("h.test", f"{path}?key=/v1") == wants("h.test", path)


@given(parts=st.lists(PIECES, max_size=5), seam=st.sampled_from(["/", ":", "%3A"]))
def test_no_path_of_an_endpoint_is_ordinary(parts: list[str], seam: str) -> None:
    """Given any path, then it is ordinary only where no dialect has an endpoint, on whatever host."""
    path = "/" + "/".join(parts[:-1]) + seam + "".join(parts[-1:])
    has_endpoint = any(re.search(f"(?:{'|'.join(each.endpoints)})\\Z", path) for each in DIALECTS)

    assert not (has_endpoint and is_ordinary(path))
    assert is_ordinary(f"{path}?key=/v1/chat/completions") == is_ordinary(path)
    assert not is_ordinary(f"http://h.test{path}")


@pytest.mark.parametrize(
    "path",
    ["/orders", "/orders/12?sort=/rerank", "/orders/", "/messages", "/v1/messages/7", "/a:move"],
)
def test_an_ordinary_path_is_told_without_a_pattern(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_end", None)

    assert is_ordinary(path)
    assert not wants("h.test", path)


@pytest.mark.parametrize("path", ["", "/", "*", "v1/orders", "http://h.test/"])
def test_nothing_is_told_of_the_top_of_a_host_and_of_what_is_no_path(path: str) -> None:
    assert not is_ordinary(path)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        (r"/odd\d+", "/v1/odd12"),
        (r"/a/x|/b/[^/]+", "/a/x"),
        (r"/b(?:(?::|%3[Aa])run)?", "/b"),
        (r"/b?/[^/]+", "//c"),
        (r"/in/[^/]+(?:/[^/]+)?", "/v1/in/a/b"),
        (r"/c/[^/]+/ask", "/c/d/ask"),
        (r"/(?:c|d)/[^/]+(?::|%3[Aa])(?:ask|say)", "/v1/d/e%3asay"),
    ],
)
def test_another_packages_endpoint_is_looked_for_whatever_its_form(
    other_packages: dict[str, object], endpoint: str, path: str
) -> None:
    """Given what no mark tells, or may be left out, then the pattern itself is asked."""
    assert is_ordinary("/v1/orders")
    other_packages["acme"] = type("Odd", (Acme,), {"endpoints": (endpoint,)})
    forget()

    assert not is_ordinary(path)
    assert wants("x.test", path)
    assert not wants("x.test", "/v1/orders")


ODD_ENDS = {
    "odd": r"/odd\d+",
    "in": r"/in/[^/]+(?:/[^/]+)?",
    "ask": r"/c/[^/]+/ask",
    "zoo": r"/zoo/[^/]+/a?b",
    "say": r"/(?:c|d)/[^/]+(?::|%3[Aa])(?:ask|say)",
    "acme": r"/acme",
}
"""Endpoints of other packages: with ends that are words, with marks beside ours, with neither."""

ODD_WORDS = (
    "odd12",
    "in",
    "c",
    "zoo",
    "b",
    "ask",
    "d:say",
    "acme",
    "models",
    "m:predict",
    "orders",
)

ODD_PATHS = st.lists(st.sampled_from(ODD_WORDS), max_size=4).map("/".join).map("/{}".format)

TURNS = st.lists(
    st.tuples(st.sets(st.sampled_from(sorted(ODD_ENDS))), st.lists(ODD_PATHS, max_size=6)),
    max_size=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=TURNS)
def test_whatever_packages_come_and_go_no_path_of_theirs_is_ordinary(
    other_packages: dict[str, object], turns: list[tuple[set[str], list[str]]]
) -> None:
    """Given packages that bring dialects, in any order, then what was told before them counts no more."""
    for names, paths in turns:
        other_packages.clear()
        for name in names:
            other_packages[name] = type("Odd", (Acme,), {"endpoints": (ODD_ENDS[name],)})
        forget()
        ends = "|".join(end for each in dialects() for end in each.endpoints)
        for path in paths:
            has_endpoint = re.search(f"(?:{ends})\\Z", path) is not None

            assert not (has_endpoint and is_ordinary(path))
            assert not (has_endpoint and is_ordinary(f"{path}?key=/orders"))
            assert not (is_ordinary(path) and wants("h.test", path))


def test_ordinary_paths_are_known_again_and_not_without_end() -> None:
    """Given more paths than are to be kept, long ones and queries, then few are, and all are told right."""
    forget()
    for number in range(3000):
        assert is_ordinary(f"/orders/{number}")
        assert is_ordinary(f"/orders?number={number}")
        assert is_ordinary("/orders" * 100 + f"/{number}")

    kept = registry._ordinary  # pyright: ignore[reportPrivateUsage]

    assert 0 < len(kept) <= 128
    assert all("?" not in path and len(path) < 256 for path in kept)
    assert {"/orders/0", "/orders/1"} < kept
    assert is_ordinary("/orders/2999")
    assert not is_ordinary("/v1/chat/completions")


def test_who_looked_before_a_package_came_does_not_speak_after_it(
    other_packages: dict[str, object],
) -> None:
    """Given a path that is looked at while dialects are looked for anew, then it is looked at anew."""

    class Slow(str):
        """Somebody else is quick while its end is looked at."""

        __slots__ = ()

        def __getitem__(self, key: Any) -> str:
            other_packages["acme"] = type("Late", (Acme,), {"endpoints": ("/late",)})
            forget()
            return super().__getitem__(key)

    assert is_ordinary(Slow("/late"))

    assert not is_ordinary("/late")
    assert wants("x.test", "/late")


@pytest.mark.parametrize("path", ["/orders/{}/", "/channels/{}/messages", "/boards/{}:move"])
def test_a_path_that_ends_like_an_endpoint_and_is_none_is_not_kept(path: str) -> None:
    """Given ordinary paths that are new every time, then each is told by one pattern alone."""
    before = registry._wants.cache_info()  # pyright: ignore[reportPrivateUsage]

    assert not any(wants("x.test", path.format(number)) for number in range(3))

    assert registry._wants.cache_info() == before  # pyright: ignore[reportPrivateUsage]
