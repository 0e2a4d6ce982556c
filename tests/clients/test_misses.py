"""A miss through each SDK: what it says, and how long that takes with the SDK's own retries."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver.errors import BudgetExceededError, NotRecordedError
from cachesaver.exchange import Request
from cachesaver.rehearsal import Rehearsal
from cachesaver.stores.memory import MemoryStore
from refused import SDKS

pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession"),
    pytest.mark.filterwarnings("ignore:.*google.genai:DeprecationWarning"),
]

SPOKEN_TO = {"groq", "together"}
"""SDKs that make everything a failure of the connection but what a server says."""


@pytest.mark.parametrize("sdk", SDKS)
def test_a_miss_is_told_at_once_and_in_full(rehearsal: Rehearsal, tmp_path: Path, sdk: str) -> None:
    ask, _ = SDKS[sdk]
    path = tmp_path / "a.cassette"
    with cachesaver.use_cassette(path):
        ask(rehearsal.url, {}, 2)

    begun = time.monotonic()
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        if sdk != "openai embeddings":  # whose answers are everybody's
            ask(rehearsal.url, {}, 2)
        with pytest.raises(Exception) as caught:  # noqa: PT011  # of whatever kind it is there
            ask(rehearsal.url, {}, 2, text="Say anything.")
    took = time.monotonic() - begun

    assert isinstance(caught.value, NotRecordedError) is (sdk not in SPOKEN_TO)
    told = str(caught.value)
    assert any(line.startswith("-") and "Say something." in line for line in told.splitlines())
    assert any(line.startswith("+") and "Say anything." in line for line in told.splitlines())
    commands = [line for line in told.splitlines() if line.startswith("    ")]
    assert "pytest --record-mode=new_episodes" in told
    assert f"cachesaver cassette show {path}" in told
    assert len([each for each in commands if "cassette" in each or "pytest" in each]) == 2
    assert len(cassette.session.misses) == 1
    assert took < 1.5  # of back-off it would be more


@pytest.mark.parametrize("sdk", SDKS)
def test_so_is_the_end_of_a_budget(rehearsal: Rehearsal, sdk: str) -> None:
    ask, _ = SDKS[sdk]
    attempts: list[str] = []

    def counted(request: Request) -> None:
        attempts.append(request.summary)

    with cachesaver.install(
        namespace="a", store="memory://", quiet=True, budget="1 call", match=counted
    ):
        ask(rehearsal.url, {}, 2)
        with pytest.raises(Exception) as caught:  # noqa: PT011  # of whatever kind it is there
            ask(rehearsal.url, {}, 2, text="Say anything.")

    assert isinstance(caught.value, BudgetExceededError) is (sdk not in SPOKEN_TO)
    assert "and the budget of 1 call has 0 left" in str(caught.value)
    assert rehearsal.calls().calls == 1
    assert len(attempts) == 2, "nobody tries again"


class Failing(MemoryStore):
    """A store that fails from some time on."""

    fails = False

    def acquire(self, *asked: Any, **more: Any) -> Any:
        if self.fails:
            raise OSError("the disk is full")
        return super().acquire(*asked, **more)


@pytest.mark.parametrize("sdk", SDKS)
def test_so_it_is_where_the_store_has_failed(rehearsal: Rehearsal, sdk: str) -> None:
    ask, _ = SDKS[sdk]
    store = Failing()
    with cachesaver.install(namespace="a", store=store, quiet=True, budget="1 call"):
        ask(rehearsal.url, {}, 2)
        store.fails = True
        with pytest.raises(Exception) as caught:  # noqa: PT011  # of whatever kind it is there
            ask(rehearsal.url, {}, 2, text="Say anything.")

    assert "and the budget of 1 call has 0 left" in str(caught.value)
    assert rehearsal.calls().calls == 1
