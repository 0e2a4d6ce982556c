"""What looks like a provider call, by its address and its path."""

from __future__ import annotations

from itertools import product

import pytest

from cachesaver.dialects.known import DIALECTS
from cachesaver.exchange import Request
from cachesaver.suspicion import (
    may_be_asked,
    names_of,
    of_address,
    of_request,
    why_unanswered,
)

PROVIDERS = [
    "api.openai.com",
    "eu.api.openai.com",
    "API.OpenAI.com.",
    "acme.openai.azure.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "us-central1-aiplatform.googleapis.com",
    "bedrock-runtime.us-east-1.amazonaws.com",
    "bedrock.eu-west-1.amazonaws.com",
    "bedrock-agent-runtime.us-west-2.amazonaws.com",
    "vpce-0a1-b2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
    "api.cohere.com",
    "api.mistral.ai",
    "api.groq.com",
    "openrouter.ai",
    "router.huggingface.co",
]
OTHERS = [
    "localhost",
    "127.0.0.1",
    "::1",
    "api.wandb.ai",
    "huggingface.co",
    "cdn-lfs.huggingface.co",
    "s3.us-east-1.amazonaws.com",
    "sts.amazonaws.com",
    "oauth2.googleapis.com",
    "storage.googleapis.com",
    "login.microsoftonline.com",
    "adb-1.azuredatabricks.net",
    "contoso-hr.azure-api.net",
    "acme.snowflakecomputing.com",
    "raw.githubusercontent.com",
    "pypi.org",
    "api.openai.com.evil.test",
    "notapi.openai.com",
]


@pytest.mark.parametrize("host", PROVIDERS)
def test_a_providers_host_is_one_at_any_port(host: str) -> None:
    assert of_address(host, 443) == of_address(host, None) == "it is the address of a provider"
    assert may_be_asked("get", host.lower().rstrip("."), "/whatever")
    assert of_request("GET", f"https://{host}/whatever")


@pytest.mark.parametrize("host", OTHERS)
def test_any_other_host_is_nobodys(host: str) -> None:
    bracketed = f"[{host}]" if ":" in host else host

    assert of_address(host, 443) == ""
    for path in ("/", "/files/1", "/api/2.0/runs", "/graphql", "/resolve/main/train.parquet"):
        assert not may_be_asked("GET", host, path)
        assert of_request("POST", f"https://{bracketed}{path}", names=None) == ""


def test_hosts_that_the_user_named_are_providers_at_the_port_named() -> None:
    hosts = ("llm.acme.test:8000", "*.models.test")

    assert of_address("llm.acme.test", 8000, hosts) == "it is one of the hosts that you named"
    assert of_address("llm.acme.test", 9000, hosts) == ""
    assert of_address("a.models.test", None, hosts)
    assert of_request("GET", "http://llm.acme.test:8000/health", hosts=hosts)
    assert of_request("GET", "http://llm.acme.test:9000/health", hosts=hosts) == ""
    assert may_be_asked("GET", "llm.acme.test", "/health", hosts)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat/completions"),
        ("POST", "/openai/deployments/d/embeddings"),
        ("POST", "/v1beta/models/g:generateContent"),
        ("POST", "/v1beta/models/g%3AstreamGenerateContent"),
        ("POST", "/model/m/converse-stream"),
        ("POST", "/model/m/invoke"),
        ("GET", "/v1/chat/completions/chatcmpl-1"),
        ("GET", "/v1/chat/completions/chatcmpl-1/messages"),
        ("DELETE", "/v1/responses/resp_1"),
        ("POST", "/openai/v1/responses/resp_1/cancel"),
        ("POST", "/v1/responses/compact"),
        ("POST", "/v1/batches/batch_1/cancel"),
        ("GET", "/v1/vector_stores/vs_1/files/file-1"),
        ("GET", "/v1/assistants/asst_1"),
        ("POST", "/v1/realtime/sessions"),
        ("POST", "/v1/fine_tuning/jobs"),
        ("GET", "/v1/realtime"),
        ("GET", "/v1/messages/batches/msgbatch_1/results"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/v1beta/cachedContents/c"),
        ("POST", "/v1beta/models/g:batchGenerateContent"),
        ("POST", "/v1/images/generations"),
        ("POST", "/serving-endpoints/m/invocations"),
    ],
)
def test_a_path_that_nobody_else_has_tells_on_any_host(method: str, path: str) -> None:
    assert may_be_asked(method, "127.0.0.1", f"{path}?key=secret")
    assert path in of_request(method, f"http://127.0.0.1:8000{path}?key=secret")
    assert "secret" not in of_request(method, f"http://127.0.0.1:8000{path}?key=secret")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/bucket/exp/v1/responses/run1.json"),
        ("GET", "/datasets/u/d/resolve/main/v1/responses/train.jsonl"),
        ("GET", "/data/v1/batches/part-0.parquet"),
        ("GET", "/v1/batches/se-28529731"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/realtime/prices"),
        ("GET", "/wiki/chat/completions/intro.html"),
        ("GET", "/v1/models"),
        ("GET", "/docs/v1/fine_tuning/intro.html"),
        ("PUT", "/bucket/v1/vector_stores/index.faiss"),
        ("POST", "/v1/assistants"),
        ("GET", "/sms/v1/messages/batches/7"),
        ("GET", "/app/cachedContents/logo.svg"),
    ],
)
def test_a_path_without_the_apis_own_ids_tells_nothing(method: str, path: str) -> None:
    """Given an object store, a shop or a wiki with such words in its paths, then it is served."""
    assert of_request(method, f"https://files.acme.test{path}") == ""


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/assistants"])
def test_where_others_have_the_path_too_the_body_tells(path: str) -> None:
    assert may_be_asked("POST", "h.test", path)
    assert of_request("POST", f"http://h.test{path}", names=None)
    assert of_request("GET", f"http://h.test{path}", names=None) == ""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/chat%2Fcompletions"),
        ("POST", "/v1/chat%2fcompletions?x=%2F"),
        ("POST", "/v1/%63hat/completion%73"),
        ("GET", "/v1/responses/%72esp_1"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/chat/completions//?x=/"),
        ("POST", "/v1/chat/completions%2F"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/embeddings/"),
        ("GET", "/v1/responses/resp_1/"),
    ],
)
def test_another_spelling_of_a_path_is_no_way_out(method: str, path: str) -> None:
    """Given a path that a server reads as a provider's, however it is written, then it tells."""
    assert may_be_asked(method, "h.test", path)
    assert of_request(method, f"http://h.test{path}", names=frozenset({"model", "messages"}))


def test_what_is_spelled_in_another_way_and_nobodys_tells_nothing() -> None:
    for path, method in product(("/v1/files/a%2Fb%20c", "/v1/files/", "/"), ("GET", "POST", "PUT")):
        assert not may_be_asked(method, "h.test", path)
        assert of_request(method, f"http://127.0.0.1:6333{path}", names=None) == ""


@pytest.mark.parametrize("authority", ["h.test:99999", "h.test:x", "[::1", "", "a@b:c@h:0x1"])
def test_an_odd_authority_is_no_way_out(authority: str) -> None:
    assert of_request("POST", f"http://{authority}/v1/chat/completions?key=secret")
    assert of_request("POST", f"http://{authority}/orders") == ""


@pytest.mark.parametrize(
    "path",
    ["/responses", "/v1/messages", "/api/chat", "/generate", "/rerank", "/score", "/v1/embeddings"],
)
def test_an_ordinary_word_tells_only_with_a_question_to_a_model(path: str) -> None:
    """Given a survey that takes `POST /responses`, then it takes them in a replay too."""
    url = f"https://forms.acme.test{path}"

    assert may_be_asked("POST", "forms.acme.test", path)
    assert of_request("POST", url) == ""
    assert of_request("POST", url, names=None).endswith("and it asks a model")
    assert of_request("GET", url, names=None) == ""


@pytest.mark.parametrize(
    "path",
    ["/v1/files", "/v1/models/m", "/collections/c/points", "/v1/threads", "/v1.41/containers/json"],
)
def test_what_everybody_has_tells_nothing(path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        assert of_request(method, f"http://127.0.0.1:6333{path}", names=None) == ""


def test_wherever_a_dialect_could_be_recognised_is_looked_at() -> None:
    """No endpoint of a dialect for any host passes when its body asks a model."""
    spelled = {"/v1/chat/completions", "/v1/embeddings", "/v2/chat", "/v1/complete", "/tokenize"}
    everywhere = [each for each in DIALECTS if not each.hosts]

    assert everywhere
    for path in spelled:
        assert of_request("POST", f"http://h.test{path}", names=None)


@pytest.mark.parametrize(
    ("path", "names", "asks"),
    [
        ("/responses", "model input", True),
        ("/surveys/7/responses", "answers", False),
        ("/survey/responses", "model rating", False),
        ("/v1/messages", "model messages max_tokens", True),
        ("/v1/messages", "messages", False),  # short messages to telephones
        ("/api/chat", "model messages", True),
        ("/api/chat", "id messages", False),  # the program's own, as Vercel's useChat asks it
        ("/api/generate", "model prompt", True),
        ("/generate", "inputs", True),
        ("/tgi/generate", "inputs parameters", True),
        ("/report/generate", "inputs", False),
        ("/score", "model text_1 text_2", True),
        ("/score", "model inputs", False),
        ("/rerank", "query texts", True),
        ("/rerank", "query documents model", True),
        ("/rerank", "query", False),
        ("/tokenize", "content", True),
        ("/detokenize", "tokens", True),
        ("/v1/embeddings", "input model", True),
        ("/v1/embeddings", "input", False),
        ("/v1/batches", "input_file_id endpoint", True),
        ("/v1/batches", "batch_notes", False),
        ("/v1/assistants", "model", True),
    ],
)
def test_the_bodys_own_members_tell(path: str, names: str, *, asks: bool) -> None:
    url = f"http://h.test{path}"

    assert bool(of_request("POST", url, names=frozenset(names.split()))) is asks


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"model": "m"}', frozenset({"model"})),
        (b'{"answers": [{"model": "Tesla"}]}', frozenset({"answers"})),
        (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm', frozenset({"model"})),
        (b'{"shop": "a model"}', frozenset({"shop"})),
        (b"model=m", frozenset[str]()),
        (b"", frozenset[str]()),
    ],
)
def test_names_of_a_body_are_its_own(body: bytes, names: frozenset[str]) -> None:
    assert names_of(Request(method="POST", url="http://h/x", body=body), {}) == names


def test_members_that_were_read_count_before_the_bytes() -> None:
    coding = (("Content-Encoding", "br"),)
    packed = Request(method="POST", url="http://h/x", headers=coding, body=b"\x1f\x8b")

    assert names_of(packed, {"model": "m"}) == frozenset({"model"})
    assert names_of(packed, {}) is None


def test_it_is_told_why_no_store_answers() -> None:
    def why(method: str, url: str, body: dict[str, object] | None = None) -> str:
        return why_unanswered(Request(method=method, url=url), body or {})

    assert "what there is" in why("GET", "https://api.openai.com/v1/models")
    assert why("POST", "https://h/v1/responses", {"background": True}) == "a job, polled"
    assert why("PURGE", "https://api.openai.com/v1/unheard") == "only a POST asks for a sample"
    assert why("POST", "https://api.openai.com/v1/unheard").startswith("it has not the form")
