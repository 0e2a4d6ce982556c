"""A recorded exchange, with what the corpus' index says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cachesaver.exchange import Request, Response

__all__ = ["Exchange", "Pair", "facts_of"]

Pair: TypeAlias = tuple[Request | None, Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded request and its answer.

    Attributes:
        file: Path in the corpus.
        place: Which of the file's interactions, from 0.
        request: None where only the answer was recorded. Framing headers are left out; URLs that
            lack an origin have the one of their provider or `https://redacted.invalid`.
        response: Framing headers are left out; `content-encoding` describes the body. Status 200
            where the recording does not tell.
        provider: As the index names it.
        llm: Whether the index counts it as traffic of a provider.
        status: As recorded; None where the recording does not tell.
        stream: Kind of stream (`"sse"`, ...); empty for a whole answer.
        count: The `n` of the request, where it stated one.
        sizes: Bytes of request and response body, as the index counts them; None where it does not.
        odd: The oddities the index saw.
    """

    file: str
    place: int
    request: Request | None
    response: Response
    provider: str
    llm: bool
    status: int | None
    stream: str
    count: int | None
    sizes: tuple[int | None, int | None]
    odd: frozenset[str]

    @property
    def name(self) -> str:
        """Where to look it up."""
        return f"{self.file}#{self.place}"


def facts_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the index tells of an interaction, as attributes of `Exchange`."""
    return {
        "provider": told["provider"],
        "llm": told.get("llm", True),  # where only answers were recorded, they are a provider's
        "status": told.get("status"),
        "stream": told.get("stream") or "",
        "count": told.get("n"),
        "sizes": (told.get("req_bytes"), told.get("resp_bytes", told.get("response_bytes"))),
        "odd": frozenset(told.get("odd", ())),
    }
