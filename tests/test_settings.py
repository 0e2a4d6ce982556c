"""Options are checked before anything happens, and each refusal says what to write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cachesaver.budget import Budget
from cachesaver.errors import ConfigurationError
from cachesaver.options import Window
from cachesaver.settings import Mode, settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "NAMESPACE",
        "REPLICATE",
        "STORE",
        "MODE",
        "RUN",
        "HOSTS",
        "STRICT",
        "QUIET",
        "WINDOW",
        "SIZE",
        "CONCURRENCY",
        "BUDGET",
        "PACE",
    ):
        monkeypatch.delenv(f"CACHESAVER_{name}", raising=False)


def test_the_defaults() -> None:
    chosen = settings()

    assert (chosen.namespace, chosen.store, chosen.mode) == ("default", "", Mode.CACHE)
    assert (chosen.strict, chosen.quiet, chosen.through_mocks, chosen.hosts) == (False,) * 3 + ((),)
    assert chosen.max_concurrency is None
    assert chosen.budget is None
    assert chosen.pace is None


def test_the_environment_says_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "NAMESPACE": "env",
        "STORE": "memory://",
        "MODE": "replay",
        "HOSTS": "A.test,b.test",
        "STRICT": "1",
        "QUIET": "true",
        "CONCURRENCY": "8",
        "BUDGET": "5 usd, 100 calls",
        "PACE": "2.5",
    }
    for name, value in said.items():
        monkeypatch.setenv(f"CACHESAVER_{name}", value)

    chosen = settings()

    assert (chosen.namespace, chosen.store, chosen.mode) == ("env", "memory://", Mode.REPLAY)
    assert (chosen.hosts, chosen.strict, chosen.quiet) == (("a.test", "b.test"), True, True)
    assert (chosen.max_concurrency, chosen.budget) == (8, Budget(usd=5, calls=100))
    assert (chosen.pace, settings(pace=1).pace) == (2.5, 1.0)
    assert settings(max_concurrency=2).max_concurrency == 2
    assert settings(budget="3 samples").budget == Budget(samples=3)
    assert settings(namespace="given", mode="live", strict=False).namespace == "given"
    assert settings(mode="live").mode is Mode.LIVE
    assert settings(strict=False).strict is False


@pytest.mark.parametrize(("said", "number"), [("", None), ("0", 0), (" 12 ", 12)])
def test_the_environment_numbers_a_replicate(
    said: str, number: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESAVER_REPLICATE", said)

    assert settings().replicate == number
    assert settings(replicate=7).replicate == 7


@pytest.mark.parametrize("said", ["-1", "1.0", "one", "²"])
def test_another_number_of_a_replicate_is_refused(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CACHESAVER_REPLICATE", said)

    with pytest.raises(ConfigurationError, match="replicate must be a whole number from 0"):
        settings()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"namespace": ""}, "namespace is empty: name the stream"),
        ({"namespace": 3}, "namespace must be text, not int"),
        (
            {"mode": "cahce"},
            "mode 'cahce' is not known: use one of 'cache', 'replay', 'refresh', 'live'",
        ),
        ({"replicate": -1}, "replicate must be a whole number from 0, as in replicate=3, not -1"),
        ({"replicate": "3"}, "not '3'"),
        ({"replicate": True}, "not True"),
        ({"replicate": 1.0}, "not 1.0"),
        ({"store": 3}, "store must be a path, a URL such as"),
        ({"hosts": "api.x.test"}, "hosts must be a list, as in hosts="),
        ({"hosts": ["https://api.x.test"]}, "without scheme and path"),
        ({"hosts": [""]}, "give host names such as"),
        ({"match": 3}, "match must be a function"),
        ({"ignore": "user"}, "ignore must be a list"),
        ({"ignore": ["a..b"]}, "give dotted paths"),
        ({"blank": ["("]}, "no regular expression"),
        ({"blank": [b"x"]}, "give patterns of text, not of bytes"),
        ({"blank": [3]}, "no regular expression"),
        ({"aliases": {"x.test": "y"}}, "give origins such as"),
        ({"aliases": {"http://x.test/v1": "y"}}, "without a path"),
        ({"max_concurrency": 0}, "max_concurrency is 0: give the most calls to have under way"),
        ({"max_concurrency": True}, "max_concurrency is True"),
        ({"max_concurrency": "8"}, "max_concurrency is '8'"),
        ({"max_concurrency": 2.0}, "max_concurrency is 2.0"),
        ({"budget": "5 apples"}, "budget '5 apples' is not understood: write budget=5 (dollars)"),
        ({"budget": -5}, "the budget says -5, which is not a number from 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(says)) as caught:
        settings(**given)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["0", "-1", "many", "1.5"])
def test_what_the_environment_says_is_checked_too(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CACHESAVER_CONCURRENCY", said)

    with pytest.raises(ConfigurationError, match=f"max_concurrency is '{said}'"):
        settings()


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHESAVER_CONCURRENCY", "")
    monkeypatch.setenv("CACHESAVER_BUDGET", "")

    assert settings().max_concurrency is None
    assert settings().budget is None


def test_dollars_need_to_know_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: dict[str, object] = {}
    monkeypatch.setattr("cachesaver.prices.find_spec", absent.get)

    assert settings(budget="3 samples").budget
    assert settings(budget=Budget(usd=5, prices={"mine": (1, 2)})).budget
    with pytest.raises(ConfigurationError, match=r"pip install 'cachesaver\[prices\]'") as caught:
        settings(budget=5)

    assert "\n" not in str(caught.value)


def test_paths_patterns_and_origins_are_taken() -> None:
    chosen = settings(
        store=Path("/data/x"),
        ignore=["metadata.run", "tools.*.id"],
        blank=[r"\d+", re.compile("a")],
        aliases={"HTTP://X.test:80/": "http://y.test"},
        hosts=["*.acme.test", "LOCALHOST:8000"],
    )

    assert chosen.store == "/data/x"
    assert chosen.rules.ignore == ("metadata.run", "tools.*.id")
    assert [each.pattern for each in chosen.rules.blank] == [r"\d+", "a"]
    assert chosen.rules.aliases == {"http://x.test:80": "http://y.test"}
    assert chosen.hosts == ("*.acme.test", "localhost:8000")


class TestTheWindow:
    @pytest.mark.parametrize(
        ("given", "window"),
        [
            (None, Window()),
            ("turn", Window()),
            ("", Window()),
            (0, Window(seconds=0)),
            ("0.5", Window(seconds=0.5)),
            (3600, Window(seconds=3600)),
            ("flight", Window(flights=True)),
        ],
    )
    def test_is_seconds_or_a_turn_or_a_flight(
        self, given: Any, window: Window, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert settings(window=given).window == window
        if given is not None:
            monkeypatch.setenv("CACHESAVER_WINDOW", str(given))
            assert settings().window == window

    @pytest.mark.parametrize("given", [-1, 3601, "soon", float("nan"), [1]])
    def test_is_nothing_else(self, given: Any) -> None:
        with pytest.raises(ConfigurationError, match="window must be seconds from 0 to 3600"):
            settings(window=given)

    @pytest.mark.parametrize("given", [8, "8"])
    def test_may_close_at_a_size(self, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert settings(size=given).window == Window(size=8)
        assert settings(size=given, window="flight").window == Window(size=8, flights=True)
        monkeypatch.setenv("CACHESAVER_SIZE", "9")
        assert settings().window.size == 9
        monkeypatch.setenv("CACHESAVER_SIZE", "")
        assert settings().window.size is None

    @pytest.mark.parametrize("given", [0, -3, 1.5, True, "many", "1.5", [3]])
    def test_a_size_is_a_whole_number(self, given: Any) -> None:
        with pytest.raises(ConfigurationError, match="size must be a whole number of draws"):
            settings(size=given)


@pytest.mark.parametrize("pace", [0, -1, True, "fast", float("inf"), float("nan")])
def test_a_pace_that_is_none_is_refused(pace: Any) -> None:
    with pytest.raises(ConfigurationError, match="as in pace=1"):
        settings(pace=pace)
