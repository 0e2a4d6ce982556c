"""How long an answer takes."""

from __future__ import annotations

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.latency import Latency


@pytest.mark.parametrize(
    ("spelling", "latency"),
    [
        ("0", Latency()),
        ("0.2", Latency(base=0.2)),
        ("0.2+0.01/token", Latency(base=0.2, per_token=0.01)),
        (" 0.2+0.01/token~0.5@7 ", Latency(base=0.2, per_token=0.01, jitter=0.5, seed=7)),
        ("1~0.1", Latency(base=1, jitter=0.1)),
        ("1@3", Latency(base=1, seed=3)),
    ],
)
def test_spellings(spelling: str, latency: Latency) -> None:
    assert Latency.parse(spelling) == latency


@pytest.mark.parametrize("spelling", ["", "fast", "-1", "1+2", "1.2.3", "1~2", "1~1"])
def test_what_is_no_latency_is_refused(spelling: str) -> None:
    with pytest.raises(ConfigurationError, match="is no latency"):
        Latency.parse(spelling)


def test_without_jitter_all_answers_are_alike() -> None:
    steady = Latency(base=0.2, per_token=0.01)

    assert {steady.schedule("q", n) for n in range(5)} == {(0.2, 0.01)}


def test_jitter_stretches_by_seed_question_and_sample_within_its_bounds() -> None:
    shaky = Latency(base=1.0, per_token=0.1, jitter=0.5, seed=1)
    other = Latency(base=1.0, per_token=0.1, jitter=0.5, seed=2)

    heads = [shaky.schedule("q", n)[0] for n in range(100)]

    assert heads == [shaky.schedule("q", n)[0] for n in range(100)]
    assert heads != [other.schedule("q", n)[0] for n in range(100)]
    assert 0.5 <= min(heads) < 0.7
    assert 1.3 < max(heads) <= 1.5
