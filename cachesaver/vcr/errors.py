"""What a request raises that no recorded one is for; vcrpy's error too, where a program knows that."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from cachesaver.errors import ReplayError
from cachesaver.vcr.matchers import MATCHERS

if TYPE_CHECKING:
    from cachesaver.vcr.cassette import Cassette

__all__ = ["UnhandledHTTPRequestError", "UnrecordedRequestError", "unrecorded"]

_SHOWN: Final = 3
_BODIES: Final = frozenset({"body", "raw_body"})
_QUERIES: Final = frozenset({"query", "uri", "url", "headers"})
"""Matchers whose word on a difference may hold credentials."""


class UnhandledHTTPRequestError(KeyError):
    """A cassette was asked for the response to a request that it does not hold."""


class UnrecordedRequestError(ReplayError):
    """No recorded request is this one, and the record mode records nothing.

    It is `vcr.errors.CannotOverwriteExistingCassetteException` too, once that has been imported.

    Attributes:
        cassette: That was asked.
        failed_request: That was made.
        similar_requests: The recorded ones most like it, each with the names of the matchers that take
            one for the other, and of those that do not with what differs.
        reason: "cassette_not_found", "already_played", "no_match" or "nothing_similar".
    """

    def __init__(self, cassette: Cassette, request: Any) -> None:
        self.cassette = cassette
        self.failed_request = request
        is_request = hasattr(request, "uri")  # else what metadata are missing
        found = cassette.find_requests_with_most_matches(request) if is_request else []
        self.similar_requests = found
        self.reason = _reason(cassette, self.similar_requests)
        Exception.__init__(
            self, "\n".join(_lines(self))
        )  # not vcrpy's, which makes words of its own

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the message: cassettes do not travel between processes."""
        return ReplayError, self.args


def unrecorded(cassette: Cassette, request: Any) -> UnrecordedRequestError:
    """Return the error for *request*, of vcrpy's class too where the program has imported that."""
    errors = sys.modules.get("vcr.errors")
    theirs = getattr(errors, "CannotOverwriteExistingCassetteException", None)
    kind: Any = UnrecordedRequestError
    if isinstance(theirs, type):
        kind = type(kind.__name__, (kind, theirs), {"__module__": kind.__module__})
    return cast("UnrecordedRequestError", kind(cassette, request))


def _reason(cassette: Cassette, similar: Sequence[tuple[Any, Any, Any]]) -> str:
    if not cassette.rewound and not len(cassette):
        return "cassette_not_found"
    if not similar:
        return "nothing_similar"
    return "no_match" if similar[0][2] else "already_played"


_HEADLINES: Final = {
    "cassette_not_found": "there is no cassette",
    "already_played": "what was recorded of it has been played already",
    "no_match": "no recorded request is this one",
    "nothing_similar": "nothing like it was recorded",
}

_ADVICE: Final = {
    "cassette_not_found": "Record it: pytest --record-mode=once",
    "already_played": """\
Record it once more: pytest --record-mode=new_episodes
or let one answer do for all: allow_playback_repeats=True""",
    "no_match": """\
Record it: pytest --record-mode=new_episodes (or rewrite, for the whole cassette)
or leave what differs from run to run out of match_on, or out of requests by before_record_request""",
    "nothing_similar": """\
Record it: pytest --record-mode=new_episodes
or let it out unseen, as by ignore_hosts or ignore_localhost""",
}


def _lines(error: UnrecordedRequestError) -> list[str]:
    cassette, reason = error.cassette, error.reason
    names = ", ".join(getattr(matcher, "__name__", "?") for matcher in cassette.matchers)
    lines = [
        (
            f"{_named(error.failed_request)} was not sent: {_HEADLINES[reason]} "
            f"(record_mode={str(cassette.record_mode)!r})."
        ),
        (
            f"Cassette {cassette.path}: {len(cassette)} recorded, {len(cassette.play_counts)} played, "
            f"matched on {names}"
        ),
    ]
    if reason == "no_match":
        lines.append("Nearest:")
        for recorded, _, differing in error.similar_requests[:_SHOWN]:
            lines.append(f"  {_named(recorded)}")
            lines += [f"    {line}" for name, what in differing for line in _told(name, what)]
    return [*lines, _ADVICE[reason]]


def _told(name: str, what: str | None) -> list[str]:
    """What the matcher *name* said; of headers and queries only that they differ: keys are in them."""
    is_ours = name in MATCHERS and name not in _QUERIES
    shown = (what or "").splitlines() if is_ours or name not in MATCHERS else []
    if len(shown) == 1 and name not in _BODIES:
        return [f"{name} differs: {shown[0]}"]
    return [f"{name} differs{':' if shown else ''}", *(f"  {line}" for line in shown)]


def _named(request: Any) -> str:
    """Method and URL without userinfo and query."""
    parts = getattr(request, "parsed_uri", None)
    if parts is None:
        return repr(request)
    return f"{request.method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
