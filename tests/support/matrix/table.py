"""Which SDKs there are, and what each sends its requests through. Imports none of them.

A row is added with what the SDK's own release does: see its metadata and its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["COLUMNS", "SDKS", "Row", "Sdk", "rows"]

COLUMNS = ("cold", "warm", "stream", "error", "timeout", "cancel", "cassette")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to call an SDK.

    Attributes:
        way: A key of the module's `WAYS`.
        client: The distribution that sends its requests.
        hook: The transport of ours that sees them, a module of `cachesaver.transports`; empty for none.
        apart: Columns that do not apply, and why.
        passes: Why its requests pass through unread; empty where they are answered.
    """

    way: str
    client: str
    hook: str
    apart: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    passes: str = ""

    def is_refused(self, column: str) -> bool:
        """Tell whether what *column* wants cannot be had, and must be refused."""
        return column == "cassette" and bool(self.passes) and column not in self.apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """One distribution.

    Attributes:
        name: On PyPI.
        module: Of `matrix.sdks`.
        rows: The ways to call it.
        extras: What is installed beside it.
        heavy: Whether it gets an environment of its own, because it is no part of our test group.
        named: Whether the provider's host is named (`hosts=`): its requests are anybody's by path.
        about: What is called, where that is not clear.
        predicts: Whether it asks for predictions, which the rehearsal does not make.
    """

    name: str
    module: str
    rows: tuple[Row, ...]
    extras: tuple[str, ...] = ()
    heavy: bool = False
    named: bool = False
    about: str = ""
    predicts: bool = False

    @property
    def title(self) -> str:
        """How it is called in tests and tables: unique."""
        return f"{self.name} ({self.about})" if self.about else self.name


_NO_STREAM: Mapping[str, str] = MappingProxyType({"stream": "it has no streams"})
_NONE_HERE: Mapping[str, str] = MappingProxyType({"stream": "not called as a stream here"})

_RUST = (
    "sent by litellm's own Rust (reqwest), which no hook answers: use the gateway. Nothing is recorded, "
    'and `mode="replay"` refuses it'
)
_JOBS = (
    "a prediction is a job that is started and polled, whose state a store cannot know: "
    "it passes through"
)


def _passing(way: str, client: str, hook: str, why: str, **apart: str) -> Row:
    """Return a row of what is sent as if we were not there, so that nothing of it is ever warm.

    Where *hook* sees it, a replay lets it out too: it may be anybody's. Else a replay refuses it.
    """
    never = ("warm", "cassette") if hook else ("warm",)
    missing = {**dict.fromkeys(never, "it is never stored"), **apart}
    return Row(way=way, client=client, hook=hook, passes=why, apart=MappingProxyType(missing))


def _httpx(name: str, client: str = "httpx") -> Row:
    return Row(way=name, client=client, hook="httpx")


def _aiohttp(name: str = "async, aiohttp") -> Row:
    return Row(way=name, client="aiohttp", hook="aiohttp")


# What a generated SDK calls its aiohttp client is one of httpx, on aiohttp's connections: seen there.
_STAINLESS = (_httpx("sync"), _httpx("async"))

_STAINLESS2 = (
    _httpx("sync", "httpx2"),
    _httpx("async", "httpx2"),
    _httpx("async, aiohttp", "httpx2"),
    _httpx("with_raw_response", "httpx2"),
    _httpx("with_streaming_response", "httpx2"),
)

SDKS: tuple[Sdk, ...] = (
    Sdk(name="openai", module="openai", extras=("aiohttp",), rows=_STAINLESS2),
    Sdk(
        name="openai",
        about="DeepSeek and xAI",
        module="openai_compatible",
        rows=tuple(
            _httpx(f"{whose}, {way}", "httpx2")
            for whose in ("DeepSeek", "xAI")
            for way in ("sync", "async")
        ),
    ),
    Sdk(name="anthropic", module="anthropic", extras=("aiohttp",), rows=_STAINLESS2),
    Sdk(
        name="google-genai",
        module="google_genai",
        extras=("aiohttp", "httpx"),
        rows=(
            _httpx("sync", "httpx2"),
            _httpx("sync, httpx"),
            _httpx("async, httpx2", "httpx2"),
            _aiohttp(),
        ),
    ),
    Sdk(
        name="mistralai",
        module="mistralai",
        named=True,
        rows=(_httpx("sync", "httpx2"), _httpx("async", "httpx2")),
    ),
    Sdk(name="cohere", module="cohere", rows=_STAINLESS),
    Sdk(
        name="groq",
        module="groq",
        rows=(*_STAINLESS, _httpx("async, aiohttp")),
        extras=("httpx-aiohttp",),
    ),
    Sdk(
        name="together",
        module="together",
        rows=(*_STAINLESS, _httpx("async, aiohttp")),
        extras=("httpx-aiohttp",),
    ),
    Sdk(
        name="huggingface-hub",
        module="huggingface_hub",
        rows=(_httpx("sync", "httpx2"), _httpx("async", "httpx2")),
    ),
    Sdk(name="ollama", module="ollama", named=True, rows=_STAINLESS),
    Sdk(
        name="boto3",
        module="boto3",
        rows=(Row(way="bedrock-runtime", client="urllib3", hook="urllib3"),),
    ),
    Sdk(name="fireworks-ai", module="fireworks", rows=(*_STAINLESS, _httpx("async, aiohttp"))),
    Sdk(name="cerebras-cloud-sdk", module="cerebras", rows=_STAINLESS),
    Sdk(
        name="voyageai",
        module="voyageai",
        rows=(
            Row(way="sync", client="requests", hook="urllib3", apart=_NO_STREAM),
            Row(way="async", client="aiohttp", hook="aiohttp", apart=_NO_STREAM),
        ),
    ),
    Sdk(name="openrouter", module="openrouter", rows=_STAINLESS),
    Sdk(
        name="azure-ai-inference",
        module="azure_ai_inference",
        extras=("aiohttp",),
        heavy=True,
        rows=(Row(way="sync", client="requests", hook="urllib3"), _aiohttp("async")),
    ),
    Sdk(
        name="litellm",
        module="litellm",
        extras=("litellm[mcp]",),
        heavy=True,
        rows=(
            *(_httpx(f"{route}/, completion") for route in ("openai", "anthropic", "gemini")),
            # httpx clients on aiohttp's connections: seen as the former.
            *(_httpx(f"{route}/, acompletion") for route in ("openai", "anthropic", "gemini")),
            Row(way="anthropic.messages", client="httpx", hook="httpx", apart=_NONE_HERE),
            _passing("anthropic.messages, LITELLM_RUST", "reqwest", "", _RUST, **_NONE_HERE),
            _passing("ocr", "reqwest", "", _RUST, **_NO_STREAM),
        ),
    ),
    Sdk(
        name="replicate",
        module="replicate",
        heavy=True,
        predicts=True,
        rows=(
            _passing("sync", "httpx", "httpx", _JOBS, **_NONE_HERE),
            _passing("async", "httpx", "httpx", _JOBS, **_NONE_HERE),
        ),
    ),
)


def rows(*, heavy: bool | None = None) -> Iterator[tuple[Sdk, Row]]:
    """Iterate all rows; those of SDKs that are *heavy*, or not, if given."""
    for sdk in SDKS:
        if heavy is None or sdk.heavy is heavy:
            yield from ((sdk, row) for row in sdk.rows)
