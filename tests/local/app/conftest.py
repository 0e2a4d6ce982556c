"""What of the application needs no torch is tested everywhere; the rest where there is a model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cachesaver.local.app import bodies

HAS_MODELS = all(find_spec(name) for name in ("torch", "transformers"))


@pytest.fixture(params=["at once", "in pieces"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read all bodies as small ones are read, and as large ones are."""
    monkeypatch.setattr(bodies, "AT_ONCE", 1 << 30 if request.param == "at once" else 0)


ALWAYS = {
    "test_bodies.py",
    "test_calls.py",
    "test_chat_ask.py",
    "test_detokenising.py",
    "test_door.py",
    "test_jobs.py",
    "test_narrating.py",
    "test_other_asks.py",
    "test_reading.py",
    "test_references.py",
    "test_refusals.py",
    "test_replies.py",
    "test_reports.py",
    "test_responses_ask.py",
    "test_speeches.py",
    "test_stops.py",
    "test_watching.py",
}
"""They test what can be imported without."""


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    if module_path.name in ALWAYS:
        return pytest.Module.from_parent(parent, path=module_path)
    return None  # the conftest above decides


if HAS_MODELS:
    import openai

    import local_app

    @pytest.fixture(scope="session")
    def server() -> Iterator[Any]:
        with local_app.start() as running:
            yield running

    @pytest.fixture(scope="session")
    def client(server: Any) -> Iterator[Any]:
        with openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0) as made:
            yield made
