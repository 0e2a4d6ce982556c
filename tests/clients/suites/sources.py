"""Where each client's own suite comes from, and what it needs to run: one row per suite.

A row's requirements are what the client's own developers install, by the file that is named beside
them; where a suite needs a version that is not on PyPI, the row says what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One suite.

    Attributes:
        client: The package that is tested, at its newest release.
        extras: Of the client.
        requires: What the tests need besides.
        source: The package whose sdist holds the tests; empty: the client's.
        aliases: Whether the tests import `httpx` and are to get httpx2.
        arguments: For pytest, besides those in the suite's own configuration.
        paths: What is run of it; empty: all.
        provider: The variable that names a mock server to the suite: it gets `mock_provider.py`.
        known: Tests that end otherwise in some manner, by name, and why that is left so; one clause.
        remark: What a reader of the page must know.
    """

    client: str
    extras: str = ""
    requires: tuple[str, ...] = ()
    source: str = ""
    aliases: bool = False
    arguments: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    provider: str = ""
    known: dict[str, str] = field(default_factory=dict[str, str])
    remark: str = ""


_HTTPX = ("chardet==5.2.0", "pytest>=8,<9", "trio", "trustme", "uvicorn")
"""https://github.com/encode/httpx/blob/0.28.1/requirements.txt, what its tests import."""

_MOCK = ("starlette", "uvicorn")
"""What `mock_provider.py` imports besides the SDK."""

_ROUTES = (
    "The tests of routes want a mock server made from the API's description, which is not in the sdist; "
    "they get one made from the SDK's own models (`tests/clients/suites/mock_provider.py`). "
    "For time, the routes of beta and of an account's administration are left out, of the others the "
    "second round, in which the same answers are validated (`[strict]`), and of the rest what sends little."
)

_READ_FIRST = (
    "its mock looks that nobody has read the body yet; what we are to answer, we have read"
)
_TWIN = "asks for the very object that its mock had; what we answer for goes out as a twin of it"
_KNOWN = {
    "test_request_errors_are_wrapped": _TWIN,
    "test_unmapped_transport_errors": _TWIN,
    "test_multipart_retry_rewinds_seekable_file": _TWIN,
    "test_binary_content_upload_with_iterator": _READ_FIRST,
    "test_binary_content_upload_with_asynciterator": _READ_FIRST,
}

_FEWER = ("-n", "2", "--ignore=tests/api_resources/beta", "-k", "not [strict]")
"""With `_ROUTES`, which says so."""

SUITES: tuple[Suite, ...] = (
    Suite(client="httpx", extras="brotli,cli,http2,socks,zstd", requires=_HTTPX),
    Suite(
        client="httpx2",
        extras="brotli,cli,http2,socks,zstd",
        requires=(*_HTTPX, "certifi"),
        source="httpx",
        aliases=True,
        remark=(
            "The sdist of httpx2 holds no tests. It is a fork of httpx, so these are httpx's, with "
            "`import httpx` turned to httpx2 by `httpx2.alias_httpx()`; what the fork does otherwise "
            "fails in every run."
        ),
    ),
    Suite(
        client="httpcore",
        extras="asyncio,http2,socks,trio",
        # pyproject.toml of the sdist names none; these are what its tests import.
        requires=("hpack", "pytest", "pytest-httpbin", "pytest-trio"),
    ),
    Suite(
        client="requests",
        extras="socks",
        # pyproject.toml, dependency group "test"
        requires=("httpbin~=0.10.0", "pytest", "pytest-httpbin==2.1.0", "pytest-mock", "trustme"),
    ),
    Suite(
        client="urllib3",
        extras="brotli,h2,socks,zstd",
        # pyproject.toml, dependency group "dev" without coverage, memray, build and towncrier
        requires=(
            *("anyio[trio]>=4.8", "cryptography", "httpx>=0.28.1", "hypercorn", "idna"),
            *("pyopenssl", "pytest>=8.3.4", "pytest-socket", "quart", "quart-trio", "trustme"),
        ),
        known={
            "test_debug_log": "the line is logged when the head is there, and so says how much is to come",
            "test_redirect_with_failed_tell": "a body that has been read needs no rewinding to be sent on",
            "test_release_conn_param_is_respected_after_http_error_retry": (
                "its mock has no status; a call of `install()` leaves mocks alone"
            ),
        },
        remark=(
            "Its own developers run a fork of hypercorn that is not on PyPI; with the released one, "
            "most tests of HTTPS proxies and of ALPN fail in every run."
        ),
    ),
    Suite(
        client="aiohttp",
        extras="speedups",
        # requirements/test.in
        requires=(
            *("blockbuster", "coverage", "freezegun", "gunicorn", "isal", "pkgconfig"),
            *("proxy.py>=2.4.4rc5", "pytest", "pytest-cov", "pytest-mock", "pytest-xdist"),
            *("pytest_codspeed", "python-on-whales", "setuptools-git", "trustme", "uvloop"),
            "zlib_ng",
        ),
        arguments=("--no-cov", "--numprocesses=2"),
        paths=(
            *("tests/test_client_functional.py", "tests/test_client_middleware.py"),
            *("tests/test_client_middleware_digest_auth.py", "tests/test_client_session.py"),
            *("tests/test_client_ws_functional.py", "tests/test_proxy_functional.py"),
            "tests/test_tracing.py",
        ),
        known={
            "test_connection_released_when_cookie_processing_fails": (
                "the connection is given back one turn of the loop later: others may still read from it"
            ),
        },
        remark="For time, only those tests of the client that send something.",
    ),
    Suite(
        client="openai",
        extras="aiohttp,bedrock,datalib,realtime,vertex,voice_helpers",
        # pyproject.toml, dependency group "dev" without the type checkers and formatters
        requires=(
            *("Pillow", "azure-identity", "griffe", "inline-snapshot", "pytest>=9.0.3"),
            *("pytest-asyncio", "pytest-xdist", "rich", "trio", *_MOCK),
        ),
        provider="TEST_API_BASE_URL",
        known=_KNOWN,
        arguments=_FEWER,
        paths=(
            *("tests/api_resources/audio", "tests/api_resources/chat"),
            *("tests/api_resources/test_completions.py", "tests/api_resources/test_embeddings.py"),
            *("tests/api_resources/test_files.py", "tests/api_resources/test_images.py"),
            *("tests/api_resources/test_moderations.py", "tests/api_resources/test_responses.py"),
            *("tests/lib/chat", "tests/lib/streaming"),
            *("tests/lib/test_azure.py", "tests/lib/test_bedrock.py", "tests/test_client.py"),
            *("tests/test_httpx2.py", "tests/test_legacy_response.py", "tests/test_response.py"),
            *("tests/test_sse_framing.py", "tests/test_streaming.py"),
        ),
        remark=_ROUTES,
    ),
    Suite(
        client="anthropic",
        extras="aiohttp,aws,bedrock,mcp,vertex,webhooks",
        # pyproject.toml, dependency group "dev" without the type checkers and formatters
        requires=(
            *("dirty-equals", "griffe", "http-snapshot[httpx]==0.1.9", "hypothesis"),
            *("importlib-metadata", "inline-snapshot", "opentelemetry-sdk", "packaging", "pytest"),
            *("pytest-asyncio", "pytest-xdist", "respx", "rich", "time-machine", *_MOCK),
        ),
        provider="TEST_API_BASE_URL",
        known=_KNOWN,
        arguments=(*_FEWER, "--ignore=tests/api_resources/organization"),
        paths=(
            *(
                "tests/api_resources",
                "tests/decoders",
                "tests/lib/streaming",
                "tests/lib/test_aws.py",
            ),
            *("tests/lib/test_azure.py", "tests/lib/test_bedrock.py"),
            *("tests/lib/test_bedrock_mantle.py", "tests/lib/test_credentials.py"),
            *("tests/lib/test_refusal_fallback.py", "tests/lib/test_refusal_fallback_streaming.py"),
            *(
                "tests/lib/test_vertex.py",
                "tests/lib/tools/test_runners.py",
                "tests/test_client.py",
            ),
            *("tests/test_exceptions.py", "tests/test_files.py"),
            *("tests/test_header_case_sensitivity.py", "tests/test_middleware.py"),
            *("tests/test_response.py", "tests/test_streaming.py"),
        ),
        remark=_ROUTES,
    ),
)
