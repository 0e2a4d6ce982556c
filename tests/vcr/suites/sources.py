"""Suites of other projects that use `@pytest.mark.vcr`: where they come from, and what they need to run.

The package under test is the released one from PyPI, at the version of the tag; only the tests are taken
from the source. Requirements are what the project's own developers install for its tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["SUITES", "Suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One suite.

    Attributes:
        name: What it is called here.
        git: Where to clone its source from; empty: it is in an sdist.
        tag: What to check out; empty: the newest.
        sdist: A requirement whose sdist holds the tests.
        folder: Where in the source pytest is run.
        is_locked: Whether `uv.lock` of the source says the versions of everything.
        shadows: Folders of code there that would hide what is installed.
        requires: What the tests need, the package under test included.
        shown: Packages whose versions the page names.
        plugin: pytest-recording, or pytest-vcr.
        marker: Which tests are run, by pytest's `-m`.
        arguments: More of pytest's.
        environment: Variables that the tests want.
        left_out: Tests that are run on neither, with the reason.
        differs: Parts of the names of tests that end otherwise with us, with the reason.
        remark: What a reader of the page must know.
    """

    name: str
    git: str = ""
    tag: str = ""
    sdist: str = ""
    folder: str = "."
    is_locked: bool = False
    shadows: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    plugin: str = "pytest-recording"
    marker: str = "vcr"
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict[str, str])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    differs: dict[str, str] = field(default_factory=dict[str, str])
    remark: str = ""


_PYDANTIC_AI = (
    *("anthropic", "bedrock", "cohere", "google", "groq", "huggingface", "mistral"),
    *("openai", "openai_responses", "openrouter"),
)

SUITES: tuple[Suite, ...] = (
    Suite(
        name="llm",
        git="https://github.com/simonw/llm",
        tag="0.32",
        shadows=("llm",),
        # pyproject.toml, dependency group "dev"
        requires=(
            "llm==0.32",
            "pytest-httpx",
            "pytest-asyncio",
            "numpy",
            "cogapp",
            "syrupy",
            "llm-echo==0.3a3",
        ),
        shown=("llm", "openai"),
    ),
    Suite(
        name="langchain-openai",
        sdist="langchain-openai==1.7.4",
        shadows=("langchain_openai",),
        # pyproject.toml, dependency groups "test" and "test_integration"
        requires=(
            *("langchain-openai==1.7.4", "freezegun", "pytest-mock", "syrupy>=5,<6", "numpy"),
            *("pytest-asyncio>=1.3,<2", "pytest-cov", "pytest-retry", "pytest-socket", "pillow"),
            *("pytest-xdist", "vcrpy>=8.2,<9", "langchain>=1,<2", "langchain-tests>=1.1.9,<2"),
            "httpx",
        ),
        shown=("langchain-openai", "langchain-tests", "openai"),
        remark="Three tests want the names of deployments on Azure, on both.",
        arguments=("--record-mode=none", "tests/integration_tests"),
        environment={"OPENAI_API_KEY": "sk-foo"},
    ),
    Suite(
        name="langchain-anthropic",
        sdist="langchain-anthropic==1.7.10",
        shadows=("langchain_anthropic",),
        # pyproject.toml, dependency groups "test" and "test_integration"
        requires=(
            *(
                "langchain-anthropic==1.7.10",
                "freezegun",
                "pytest-mock",
                "syrupy>=5,<6",
                "requests",
            ),
            *("pytest-asyncio", "pytest-socket", "pytest-timeout", "pytest-retry", "pytest-xdist"),
            *("vcrpy>=8.2,<9", "langchain>=1,<2", "langchain-tests>=1.1.9,<2", "defusedxml"),
            *("langchain-core", "blockbuster"),
        ),
        shown=("langchain-anthropic", "langchain-tests", "anthropic"),
        remark="`test_compaction` sends what was not recorded, on both.",
        arguments=("--record-mode=none", "tests/integration_tests"),
        environment={"ANTHROPIC_API_KEY": "foo"},
    ),
    Suite(
        name="langchain-groq",
        sdist="langchain-groq==1.1.3",
        shadows=("langchain_groq",),
        # pyproject.toml, dependency group "test"
        requires=(
            *("langchain-groq==1.1.3", "pytest-mock", "syrupy>=5,<6", "pytest-asyncio"),
            *("vcrpy>=8.2,<9", "langchain-tests>=1.1.9,<2", "pytest-retry", "langchain>=1,<2"),
        ),
        shown=("langchain-groq", "langchain-tests", "groq"),
        arguments=("--record-mode=none", "tests/integration_tests"),
        environment={"GROQ_API_KEY": "foo"},
    ),
    Suite(
        name="pydantic-ai",
        git="https://github.com/pydantic/pydantic-ai",
        tag="v2.33.0",
        is_locked=True,
        shadows=("pydantic_ai_slim", "pydantic_graph", "pydantic_evals", "clai", "examples"),
        # pyproject.toml, dependency group "dev", less what checks types and coverage
        requires=(
            "pydantic-ai[cohere,mistral,bedrock,xai,groq,openrouter,huggingface,retries]==2.33.0",
            "clai==2.33.0",
            *("anyio>=4.7", "asgi-lifespan", "devtools", "dirty-equals", "inline-snapshot>=0.32.5"),
            *(
                "pytest>=9.0.3",
                "pytest-examples",
                "pytest-mock",
                "pytest-recording",
                "pytest-xdist",
            ),
            *("brotli", "fastmcp>=3.3,<4", "blockbuster>=1.5.26,<1.6", "genai-prices>=0.1"),
            *("mcp-types>=2", "vcrpy>=8.2.1", "httpx", "markdownify", "coverage"),
        ),
        shown=("pydantic-ai", "openai", "anthropic", "google-genai", "boto3", "httpx2"),
        arguments=(
            *("-p", "no:pretty", "tests/test_embeddings.py"),
            *(f"tests/models/test_{name}.py" for name in _PYDANTIC_AI),
        ),
        remark=(
            "The clone these numbers are from lacked the seven cassettes larger than 4 MB, whose tests "
            "fail on both; `test_infer_model` takes longer than the 120 seconds it was given on both."
        ),
    ),
    Suite(
        name="llm-anthropic",
        git="https://github.com/simonw/llm-anthropic",
        tag="0.25.1",
        # pyproject.toml, dependency group "dev"
        requires=(
            *(
                "llm-anthropic==0.25.1",
                "anthropic>=0.96,<1",
                "pytest-asyncio",
                "cogapp",
                "inline-snapshot[black]",
            ),
            "pytest-recording",
        ),
        shown=("llm-anthropic", "anthropic"),
        arguments=("tests",),
    ),
    Suite(
        name="llm-gemini",
        git="https://github.com/simonw/llm-gemini",
        tag="0.33",
        # pyproject.toml, dependency group "dev"
        requires=("llm-gemini==0.33", "pytest-asyncio", "cogapp", "pytest-recording"),
        shown=("llm-gemini", "httpx"),
        arguments=("tests",),
    ),
    Suite(
        name="replicate",
        git="https://github.com/replicate/replicate-python",
        tag="1.0.7",
        shadows=("replicate",),
        # pyproject.toml, "dev-dependencies"
        requires=("replicate==1.0.7", "pytest-asyncio", "pytest-recording", "respx"),
        shown=("replicate", "httpx"),
        arguments=("tests",),
        environment={"REPLICATE_API_TOKEN": "r8_foo"},
        remark=(
            "The clone these numbers are from lacked `models-list__pagination.yaml`, which is larger than "
            "4 MB: the tests of it fail on both."
        ),
    ),
    Suite(
        name="opentelemetry-openai-v2",
        git="https://github.com/open-telemetry/opentelemetry-python-contrib",
        tag="opentelemetry-instrumentation-openai-v2==2.3b0",
        folder="instrumentation-genai/opentelemetry-instrumentation-openai-v2",
        # tests/requirements.latest.txt
        requires=(
            *("opentelemetry-instrumentation-openai-v2==2.3b0", "openai==1.109.1", "httpx==0.27.2"),
            "opentelemetry-util-genai==0.3b0",
            *(
                "pytest-vcr==1.0.2",
                "pytest-asyncio",
                "opentelemetry-sdk==1.39.1",
                "opentelemetry-test-utils==0.60b1",
            ),
            "pyyaml",
        ),
        shown=("opentelemetry-instrumentation-openai-v2", "openai"),
        plugin="pytest-vcr",
        arguments=("tests",),
        environment={"OPENAI_API_KEY": "test_openai_api_key"},
    ),
    Suite(
        name="openllmetry-openai",
        git="https://github.com/traceloop/openllmetry",
        tag="0.62.1",
        folder="packages/opentelemetry-instrumentation-openai",
        shadows=("opentelemetry",),
        # pyproject.toml, dependency group "test"
        requires=(
            *("opentelemetry-instrumentation-openai==0.62.1", "openai[datalib]==1.99.7"),
            *("opentelemetry-sdk>=1.38,<2", "pytest-asyncio>=0.23.7,<0.24", "pytest>=8.2.2,<9"),
            *("pytest-recording>=0.13.1,<0.14", "requests", "vcrpy>=8,<9"),
        ),
        shown=("opentelemetry-instrumentation-openai", "openai"),
        arguments=("tests",),
    ),
    Suite(
        name="openllmetry-anthropic",
        git="https://github.com/traceloop/openllmetry",
        tag="0.62.1",
        folder="packages/opentelemetry-instrumentation-anthropic",
        shadows=("opentelemetry",),
        # pyproject.toml, dependency group "test"
        requires=(
            *("opentelemetry-instrumentation-anthropic==0.62.1", "anthropic[bedrock]>=0.86,<1"),
            *("opentelemetry-sdk>=1.38,<2", "pytest-asyncio>=0.23.7,<0.24", "pytest>=8.2.2,<9"),
            *("pytest-recording>=0.13.1,<0.14", "vcrpy>=8,<9"),
        ),
        shown=("opentelemetry-instrumentation-anthropic", "anthropic"),
        # newer releases of what it stands on warn, and its configuration makes errors of that
        arguments=("tests", "-W", "ignore::DeprecationWarning", "-W", "ignore::ResourceWarning"),
    ),
    Suite(
        name="magentic",
        git="https://github.com/jackmpcollins/magentic",
        tag="v0.41.1",
        shadows=("src",),
        # pyproject.toml, dependency group "dev"
        requires=(
            *("magentic[anthropic]==0.41.1", "inline-snapshot>=0.14", "openai>=1.108.1,<2"),
            "litellm>=1.41.12,<2",
            *(
                "logfire>=0.46.1,<0.50",
                "pytest-asyncio",
                "pytest-clarity",
                "python-dotenv",
                "pytest-cov",
            ),
            *("pytest-recording>=0.13.2", "pytest-mock", "vcrpy>=6.0.2,<9", "anthropic<1"),
        ),
        shown=("magentic", "openai", "anthropic"),
        arguments=("tests", "--no-cov"),
        environment={
            "OPENAI_API_KEY": "sk-foo",
            "ANTHROPIC_API_KEY": "foo",
            "MISTRAL_API_KEY": "foo",
        },
    ),
)
