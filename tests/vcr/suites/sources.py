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


SUITES: tuple[Suite, ...] = (
    Suite(
        name="llm",
        git="https://github.com/simonw/llm",
        tag="0.32",
        shadows=("llm",),
        # pyproject.toml, dependency group "dev"
        requires=("llm==0.32", "pytest-httpx", "pytest-asyncio", "numpy", "cogapp", "syrupy", "llm-echo==0.3a3"),
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
        arguments=("--record-mode=none", "tests/integration_tests"),
        environment={"OPENAI_API_KEY": "sk-foo"},
    ),
    Suite(
        name="langchain-anthropic",
        sdist="langchain-anthropic==1.7.10",
        shadows=("langchain_anthropic",),
        # pyproject.toml, dependency groups "test" and "test_integration"
        requires=(
            *("langchain-anthropic==1.7.10", "freezegun", "pytest-mock", "syrupy>=5,<6", "requests"),
            *("pytest-asyncio", "pytest-socket", "pytest-timeout", "pytest-retry", "pytest-xdist"),
            *("vcrpy>=8.2,<9", "langchain>=1,<2", "langchain-tests>=1.1.9,<2", "defusedxml"),
            *("langchain-core", "blockbuster"),
        ),
        shown=("langchain-anthropic", "langchain-tests", "anthropic"),
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
        shadows=("pydantic_ai_slim", "pydantic_graph", "pydantic_evals", "clai", "examples"),
        # pyproject.toml, dependency group "dev", less what checks types and coverage
        requires=(
            "pydantic-ai[cohere,mistral,bedrock,xai,groq,openrouter,huggingface,retries]==2.33.0",
            *("anyio>=4.7", "asgi-lifespan", "devtools", "dirty-equals", "inline-snapshot>=0.32.5"),
            *("pytest>=9.0.3", "pytest-examples", "pytest-mock", "pytest-recording", "pytest-xdist"),
            *("brotli", "fastmcp>=3.3,<4", "blockbuster>=1.5.26,<1.6", "genai-prices>=0.1"),
            *("mcp-types>=2", "vcrpy>=8.2.1", "httpx", "markdownify", "coverage"),
        ),
        shown=("pydantic-ai", "openai", "anthropic", "google-genai", "boto3", "httpx2"),
        arguments=("tests/models", "tests/providers", "tests/test_embeddings.py", "-p", "no:pretty"),
    ),
)
