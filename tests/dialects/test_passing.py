"""What is let through, and why: each row by a call of its own, and none by a call for a sample."""

from __future__ import annotations

import json
import re

import pytest

from cachesaver.dialects.passing import JOB, PASSED, STATE, UNREAD, Passed, passed, refused
from cachesaver.exchange import Request

CALLS = [
    # method, path, name
    ("POST", "/v1/batches", "batches"),
    ("GET", "/v1/messages/batches/msgbatch_1/results", "batches"),
    ("POST", "/v1beta/models/m:batchGenerateContent", "batches"),
    ("GET", "/v1/batch/jobs/1", "jobs"),
    ("GET", "/v1/fine_tuning/jobs/1/events", "fine_tuning"),
    ("GET", "/v1/embed-jobs/1", "embed-jobs"),
    ("GET", "/v1/finetuning/finetuned-models", "finetuning"),
    ("POST", "/v1/models/meta/llama/predictions", "predictions"),
    ("GET", "/v1/trainings/1", "trainings"),
    ("GET", "/v1/videos/1", "videos"),
    ("POST", "/v1/evals", "evals"),
    ("POST", "/v1/responses/resp_1/cancel", "cancel"),
    ("POST", "/api/paas/v4/async/chat/completions", "async"),
    ("POST", "/api/paas/v4/async/images/generations", "async"),
    ("POST", "/async-invoke", "async-invoke"),
    ("POST", "/upload/v1beta/files", "files"),
    ("POST", "/v1/uploads/upload_1/parts", "uploads"),
    ("POST", "/v1/assistants/asst_1", "assistants"),
    ("POST", "/v1/threads/t/runs", "threads"),
    ("POST", "/v1/conversations", "conversations"),
    ("POST", "/v1/vector_stores/vs_1/search", "vector_stores"),
    ("GET", "/v1/containers/c/files/f/content", "containers"),
    ("POST", "/v1/skills", "skills"),
    ("PATCH", "/v1beta/cachedContents/1", "cachedContents"),
    ("POST", "/v1beta/fileSearchStores", "fileSearchStores"),
    ("POST", "/v1/datasets", "datasets"),
    ("POST", "/v1/connectors/c/oauth/authorize", "connectors"),
    ("GET", "/v1/collections", "collections"),
    ("POST", "/knowledgebases/K/retrieve", "knowledgebases"),
    ("POST", "/retrieveAndGenerateStream", "knowledge bases"),
    ("POST", "/guardrail/g/version/DRAFT/apply", "guardrails"),
    ("GET", "/v1/chat/completions/c/messages", "stored completions"),
    ("POST", "/v1/chat/completions/c", "stored completions"),
    ("DELETE", "/v1/responses/resp_1", "stored responses"),
    ("GET", "/v1beta/interactions/i", "stored interactions"),
    ("POST", "/v1/responses/compact", "shortened conversations"),
    ("POST", "/v1/realtime/client_secrets", "realtime"),
    ("POST", "/model/m/invoke-with-bidirectional-stream", "conversations in speech"),
    ("POST", "/agents/A/agentAliases/B/sessions/s/text", "agentAliases"),
    ("POST", "/agents/session-1", "inline agents"),
    ("POST", "/oauth/token", "credentials"),
    ("POST", "/tenant/oauth2/v2.0/token", "credentials"),
    ("POST", "/connect/token", "credentials"),
    ("POST", "/v1/auth/grant", "credentials"),
    ("POST", "/openai/realtimeapi/sessions", "credentials"),
    ("POST", "/v1alpha/auth_tokens", "credentials"),
    ("POST", "/sts/v1.0/issueToken", "credentials"),
    ("POST", "/v1/projects/-/serviceAccounts/a:generateAccessToken", "credentials"),
    ("GET", "/v1/models/gpt-5", "models"),
    ("DELETE", "/v1/models/ft:gpt-4.1", "models"),
    ("POST", "/v1/models", "models"),
    ("GET", "/v1/hardware", "hardware"),
    ("GET", "/api/tags", "models"),
    ("POST", "/api/pull", "models"),
    ("GET", "/props", "the server"),
    ("HEAD", "/m/resolve/main/tokenizer.json", "the Hugging Face Hub"),
    ("GET", "/bucket/film.mp4", "pictures, films and recordings"),
    ("GET", "/v1/organization/costs", "organization"),
    ("GET", "/v1/account", "account"),
    ("POST", "/v1/images/edits", "images by link"),
    ("POST", "/api/v1/image/generate", "images"),
    ("POST", "/v1/speak", "speech"),
    ("POST", "/v1/generate", "text generation that has ended"),
    ("POST", "/v9/embeddings", "embeddings and the like"),
    ("POST", "/v1beta/models/m:countTokens", "embeddings and the like"),
]


def called(method: str, path: str) -> Request:
    return Request(method=method, url=f"https://h.test{path}?a=b")


@pytest.mark.parametrize(("method", "path", "name"), CALLS)
def test_a_call_is_known_for_what_it_is(method: str, path: str, name: str) -> None:
    known = passed(called(method, path))

    assert known is not None
    assert known.name == name


def test_every_row_has_a_call() -> None:
    rows = {id(row): row for row in PASSED}
    for method, path, _ in CALLS:
        rows.pop(id(passed(called(method, path))), None)

    assert list(rows.values()) == []


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/filesystem",
        "/v1/my-embeddings",
        "/v1beta/models/m:generateContent",
        "/model/anthropic.claude/converse",
        "/models/chat",
        "/v1/batcheses",
    ],
)
def test_no_row_stands_for_a_call_for_a_sample(path: str) -> None:
    assert passed(called("POST", path)) is None
    assert refused(called("POST", path), {}) == ""


@pytest.mark.parametrize("row", PASSED, ids=lambda row: f"{row.name} {row.path}")
def test_a_row_says_where_it_is_documented(row: Passed) -> None:
    assert row.source.startswith(("https://", "recorded exchanges", "the dialects"))
    assert row.why
    re.compile(row.path)


def test_what_is_let_through_is_refused_on_a_host_the_user_named() -> None:
    assert refused(called("POST", "/v1/threads"), {}) == STATE
    assert refused(called("POST", "/v1/batches/1/cancel"), {}) == JOB
    assert refused(called("POST", "/x/rerank"), {}) == UNREAD
    assert refused(called("POST", "/v1/speak"), {}) == ""  # where the user has the say
    assert refused(called("POST", "/v1/chat"), {"message": "x", "conversation_id": "c"})
    assert not refused(called("POST", "/v1/chat"), {"message": "x"})
    assert refused(called("POST", "/v1/responses"), json.loads('{"background": true}'))
