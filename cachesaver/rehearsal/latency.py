"""How long an answer takes: a head, and so much a token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.values import digest

__all__ = ["Latency"]

_SPELLING = re.compile(
    r"(?P<base>[\d.]+)(\+(?P<per_token>[\d.]+)/token)?(~(?P<jitter>[\d.]+))?(@(?P<seed>\d+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds to the first byte and per token; long answers take longer by themselves.

    Attributes:
        base: Seconds from the request to the head of the answer.
        per_token: Seconds a token; the samples of one request are spoken side by side.
        jitter: Each answer's time is stretched by up to this share, either way; below 1.
        seed: Of the jitter. Another seed makes another order of completion, and nothing else.
    """

    base: float = 0.0
    per_token: float = 0.0
    jitter: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.base < 0 or self.per_token < 0 or not 0 <= self.jitter < 1:
            raise ConfigurationError(
                f"{self} is no latency: seconds from 0, jitter from 0 to below 1"
            )

    @classmethod
    def parse(cls, spelling: str) -> Latency:
        """Return the latency spelt `BASE[+PER_TOKEN/token][~JITTER][@SEED]`.

        Such as `0.2`, or `0.2+0.01/token~0.5@7`.

        Raises:
            ConfigurationError: It is spelt otherwise.
        """
        found = _SPELLING.fullmatch(spelling.strip())
        try:
            given = {k: float(v) for k, v in (found.groupdict() if found else {}).items() if v}
        except ValueError:
            given = {}
        if not given:
            raise ConfigurationError(
                f"{spelling!r} is no latency; write BASE[+PER_TOKEN/token][~JITTER][@SEED], "
                "such as 0.2+0.01/token~0.5@7"
            )
        seed = int(given.pop("seed", 0))
        return cls(**given, seed=seed)

    def schedule(self, question: str, ordinal: int) -> tuple[float, float]:
        """Return seconds to the head and seconds a token, for the answer with this first sample."""
        if not self.jitter:
            return self.base, self.per_token
        rng = Random(digest(self.seed, question, ordinal))  # noqa: S311  # reproducible on purpose
        stretch = 1 + self.jitter * rng.uniform(-1, 1)
        return self.base * stretch, self.per_token * stretch
