"""What we know of providers' APIs and let through: which calls those are, and why no store answers.

A table, read by `cachesaver explain` and by the rule for hosts the user named; nothing here is
looked at on the way of a call. A row may not stand for a call that asks for a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from cachesaver.dialects.hosts import path_of, stateful
from cachesaver.exchange import Request

__all__ = ["PASSED", "Passed", "passed", "refused"]

JOB = "starts, changes or reads a job, which is polled"
STATE = "reads or changes what the provider keeps: an answer from a store would be out of date"
SESSION = "opens or drives a session"
CATALOGUE = "says what there is, not what a model answers"
BOOKS = "the account's own books"
CONTENT = "fetches a file that is there already"
UNKNOWN = "in a format that is not read here"
UNREAD = "the same answer at every draw, in a format that is not read here"

_READS = frozenset({"GET", "HEAD", "DELETE", "PATCH"})
_WRITES = frozenset({"POST"})
_ALL = _READS | _WRITES | {"PUT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Calls that pass through.

    Attributes:
        name: Of what they are about.
        path: A regular expression for the end of the URL's path.
        why: One clause.
        source: Where the API is documented.
        methods: Upper case.
        kept_if_named: Whether a store answers all the same where the user names the host.
    """

    name: str
    path: str
    why: str
    source: str
    methods: frozenset[str] = _ALL
    kept_if_named: bool = False


def _under(name: str, why: str, source: str) -> Passed:
    """Everything at and below the path segment *name*."""
    return Passed(name=name, path=rf"/{name}(?:/.*)?", why=why, source=source)


_OPENAI = "https://platform.openai.com/docs/api-reference/"
_COHERE = "https://docs.cohere.com/reference/"
_GOOGLE = "https://ai.google.dev/api/"
_OLLAMA = "https://github.com/ollama/ollama/blob/main/docs/api.md"
_REPLICATE = "https://replicate.com/docs/reference/http"
_AWS = "https://docs.aws.amazon.com/bedrock/latest/APIReference/"

PASSED: tuple[Passed, ...] = (
    # --- jobs
    _under("batches", JOB, _OPENAI + "batch"),  # Anthropic's, Gemini's and xAI's have the same path
    Passed(
        name="batches",
        path=r":(?:batchGenerateContent|asyncBatchEmbedContent)",
        why=JOB,
        source=_GOOGLE + "batch-api",
    ),
    _under("fine_tuning", JOB, _OPENAI + "fine-tuning"),
    _under("jobs", JOB, "https://docs.mistral.ai/api/#tag/batch"),
    _under("embed-jobs", JOB, _COHERE + "create-embed-job"),
    _under("finetuning", JOB, _COHERE + "listfinetunedmodels"),
    _under("predictions", JOB, _REPLICATE),
    _under("trainings", JOB, _REPLICATE),
    _under("videos", JOB, _OPENAI + "videos"),
    _under("evals", JOB, _OPENAI + "evals"),
    _under("cancel", JOB, _OPENAI + "responses/cancel"),
    _under(
        "async", JOB, "https://docs.bigmodel.cn/api-reference (chat, images and videos by task)"
    ),
    _under("async-invoke", JOB, _AWS + "API_runtime_StartAsyncInvoke.html"),
    # --- state
    _under("containers", STATE, _OPENAI + "containers"),
    _under("files", STATE, _OPENAI + "files"),
    _under("uploads", STATE, _OPENAI + "uploads"),
    _under("assistants", STATE, _OPENAI + "assistants"),
    _under("threads", STATE, _OPENAI + "threads"),
    _under("conversations", STATE, _OPENAI + "conversations"),
    _under("vector_stores", STATE, _OPENAI + "vector-stores"),
    _under("skills", STATE, _OPENAI + "skills"),
    _under("cachedContents", STATE, _GOOGLE + "caching"),
    _under("fileSearchStores", STATE, _GOOGLE + "file-search/file-search-stores"),
    _under("datasets", STATE, _COHERE + "create-dataset"),
    _under("connectors", STATE, _COHERE + "create-connector"),
    _under("collections", STATE, "https://replicate.com/docs/reference/http#collections.list"),
    _under("knowledgebases", STATE, _AWS + "API_agent-runtime_Retrieve.html"),
    Passed(
        name="knowledge bases",
        path=r"/retrieveAndGenerate(?:Stream)?",
        why=STATE,
        source=_AWS + "API_agent-runtime_RetrieveAndGenerate.html",
    ),
    Passed(
        # A draft is edited under its name, and where automated reasoning checks, a model translates:
        # https://docs.aws.amazon.com/bedrock/latest/userguide/integrate-automated-reasoning-checks.html
        name="guardrails",
        path=r"/guardrail(?:/.*/apply|-checks/invoke)",
        why="checked as the guardrail stands, and not by rules alone",
        source="https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-test.html",
        methods=_WRITES,
    ),
    Passed(
        name="stored completions",
        path=r"/chat/completions(?:/[^/]+(?:/messages)?)?",
        why=STATE,
        source=_OPENAI + "chat/list",
        methods=_READS,
    ),
    Passed(
        name="stored completions",
        path=r"/chat/completions/[^/]+",
        why=STATE,
        source=_OPENAI + "chat/update",
        methods=_WRITES,
    ),
    Passed(
        name="stored responses",
        path=r"/responses(?:/[^/]+(?:/input_items)?)?",
        why=STATE,
        source=_OPENAI + "responses/get",
        methods=_READS,
    ),
    Passed(
        name="stored interactions",
        path=r"/interactions/[^/]+",
        why=STATE,
        source="https://ai.google.dev/gemini-api/docs/interactions",
        methods=_READS,
    ),
    Passed(
        name="shortened conversations",
        path=r"/responses/compact",
        why=STATE,
        source=_OPENAI + "responses/compact",
    ),
    # --- sessions
    _under("realtime", SESSION, _OPENAI + "realtime"),
    Passed(
        name="conversations in speech",
        path=r"/invoke-with-bidirectional-stream",
        why=SESSION,
        source=_AWS + "API_runtime_InvokeModelWithBidirectionalStream.html",
        methods=_WRITES,
    ),
    _under("agentAliases", SESSION, _AWS + "API_agent-runtime_InvokeAgent.html"),
    Passed(
        name="inline agents",
        path=r"/agents/[^/]+",
        why=SESSION,
        source=_AWS + "API_agent-runtime_InvokeInlineAgent.html",
        methods=_WRITES,
    ),
    # --- credentials
    Passed(
        name="credentials",
        # RFC 6749, section 3.2: the token endpoint; Auth0's, Entra's, IdentityServer's, Deepgram's, Azure
        # OpenAI's and Gemini's as they are documented
        path=(
            r"/(?:oauth2?(?:/v[\d.]+)?/token|token|auth/grant|realtimeapi/.*|auth_tokens"
            r"|sts/v[\d.]+/issueToken)|:generate(?:Access|Id)Token"
        ),
        why="gives out a credential",
        source="https://www.rfc-editor.org/rfc/rfc6749#section-3.2",
        methods=_WRITES,
    ),
    # --- catalogues
    Passed(
        name="models",
        path=r"/models(?:/[^:]*|/[^/]+)?",
        why=CATALOGUE,
        source=_OPENAI + "models",
        methods=_READS,
    ),
    Passed(
        name="models",
        path=r"/v1/models",
        why=STATE,
        source=_REPLICATE + "#models.create",
        methods=_WRITES,
    ),
    _under("hardware", CATALOGUE, _REPLICATE + "#hardware.list"),
    Passed(
        name="models",
        path=r"/api/(?:tags|ps|version|show)",
        why=CATALOGUE,
        source=_OLLAMA,
    ),
    Passed(
        name="models",
        path=r"/api/(?:pull|push|create|copy|delete)",
        why="loads, sends, makes, names or deletes a model",
        source=_OLLAMA,
    ),
    Passed(
        name="the server",
        path=r"/(?:props|health|slots|metrics)",
        why=CATALOGUE,
        source="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        methods=_READS,
    ),
    Passed(
        name="the Hugging Face Hub",
        path=r"/resolve/.*",
        why=CONTENT,
        source="https://huggingface.co/docs/hub/api",
        methods=_READS,
    ),
    Passed(
        name="pictures, films and recordings",
        path=r"\.(?:jpe?g|png|webp|gif|mp4|webm|wav|mp3)",
        why=CONTENT,
        source="recorded exchanges: xAI's and Replicate's answers point to them",
        methods=_READS,
    ),
    # --- books
    _under("organization", BOOKS, _OPENAI + "usage"),
    _under("account", BOOKS, _REPLICATE + "#account.get"),
    # --- samples that are not kept, unless the user says so
    Passed(
        name="images by link",
        path=r"/images/(?:generations|edits|variations)",
        why="the answer points to images that are gone within the hour",
        source=_OPENAI + "images",
        methods=_WRITES,
        kept_if_named=True,
    ),
    Passed(
        name="images",
        path=r"/image/generate",
        why=UNKNOWN,
        source="https://docs.venice.ai/api-reference/endpoint/image/generate",
        methods=_WRITES,
        kept_if_named=True,
    ),
    Passed(
        name="speech",
        path=r"/v1/(?:speak|listen|tts)",
        why=UNKNOWN,
        source="https://developers.deepgram.com/reference, https://docs.x.ai/docs/guides/voice",
        methods=_WRITES,
        kept_if_named=True,
    ),
    Passed(
        name="text generation that has ended",
        path=r"/v1/generate",
        why="retired by Cohere on 2025-09-15",
        source="https://docs.cohere.com/docs/deprecations",
        methods=_WRITES,
        kept_if_named=True,
    ),
    # --- the same at every draw, where no dialect reads it
    Passed(
        name="embeddings and the like",
        path=(
            r"/(?:embeddings?|embed|moderations|rerank(?:ing)?|tokenize|detokenize|count[_-]tokens"
            r"|input_tokens)"
        ),
        why=UNREAD,
        source="the dialects for these endpoints, which read the forms that are documented",
        methods=_WRITES,
    ),
    Passed(
        name="embeddings and the like",
        path=r":(?:countTokens|embedContent|batchEmbedContents)",
        why=UNREAD,
        source=_GOOGLE + "embeddings",
        methods=_WRITES,
    ),
)
"""The first row that fits counts."""


def passed(request: Request) -> Passed | None:
    """Return what *request*, which no dialect recognises, is known to be; None if nothing is known."""
    path, method = path_of(request.url), request.method.upper()
    return next((row for row in PASSED if method in row.methods and _end(row).search(path)), None)


def refused(request: Request, body: Mapping[str, object]) -> str:
    """Return why no store may answer *request* on a host the user named; empty if one may."""
    known = passed(request)
    return known.why if known and not known.kept_if_named else stateful(request.url, body)


@cache
def _end(row: Passed) -> re.Pattern[str]:
    return re.compile(f"(?:{row.path})\\Z")
