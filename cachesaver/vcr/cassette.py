"""A cassette of vcrpy's, opened: its interactions in order, which of them are played, and what is new.

What is green with vcrpy is to be green here, so its rules decide: the project's matchers, and the first
recorded request they take that is not yet played. Thread-safe.
"""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import copy
import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, cast

from cachesaver.errors import ConfigurationError
from cachesaver.vcr.errors import UnhandledHTTPRequestError, UnrecordedRequestError
from cachesaver.vcr.files import YAML, FilesystemPersister, is_missing
from cachesaver.vcr.matchers import KEYS, MATCHERS, Matcher, compared, is_match

__all__ = ["Cassette", "RecordMode"]

Hook = Callable[..., Any]
Pair = tuple[Any, Any]
"""A request and its response."""


class RecordMode(StrEnum):
    """vcrpy's record modes, by its names."""

    ALL = "all"
    ANY = "any"
    NEW_EPISODES = "new_episodes"
    NONE = "none"
    ONCE = "once"


def _itself(value: Any) -> Any:
    return value


class Cassette:
    """Recorded requests and responses.

    Attributes:
        path: Of the file.
        record_mode: See `RecordMode`.
        data: The interactions: pairs of a request and a response.
        play_counts: How often each was played, by its place in `data`.
        dirty: Whether there is something to save.
        rewound: Whether it was loaded from a file.
        inject: Whether a decorated function gets it as its first argument.
        played: Pairs of a request as it was made and the recorded one that answered it, in order.
        misses: What was raised for requests that are not recorded; a program may have swallowed it.
    """

    def __init__(  # noqa: PLR0913  # vcrpy's own options
        self,
        path: str,
        *,
        serializer: Any = YAML,
        persister: Any = None,
        record_mode: str | RecordMode = RecordMode.ONCE,
        match_on: Sequence[Matcher] = (MATCHERS["uri"], MATCHERS["method"]),
        before_record_request: Hook = _itself,
        before_record_response: Hook = _itself,
        before_save_interaction: Iterable[Hook] = (),
        after_load_interaction: Iterable[Hook] = (),
        allow_playback_repeats: bool = False,
        drop_unused_requests: bool = False,
        inject: bool = False,
    ) -> None:
        self.path = path
        self.record_mode = checked_mode(record_mode)
        self.matchers = tuple(match_on)
        self.allow_playback_repeats = allow_playback_repeats
        self.drop_unused_requests = drop_unused_requests
        self.inject = inject
        self.data: list[Pair] = []
        self.played: list[Pair] = []
        self.misses: list[UnrecordedRequestError] = []
        self.play_counts: Counter[int] = Counter()
        self.dirty = False
        self.rewound = False
        self._serializer = serializer
        self._persister = persister or FilesystemPersister()
        self._before_record_request = before_record_request
        self._before_record_response = before_record_response
        self._before_save = tuple(before_save_interaction)
        self._after_load = tuple(after_load_interaction)
        self._metadata: dict[str, Any] = {}
        self._loaded = 0
        self._keys = [KEYS[matcher] for matcher in self.matchers if matcher in KEYS]
        self._places: dict[tuple[Any, ...], list[int]] = {}
        self._indexed = 0
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Cassette {self.path!r} [{self.record_mode}]: {len(self)} recorded>"

    def __len__(self) -> int:
        return len(self.data)

    def __contains__(self, request: Any) -> bool:
        return self._playable(request) is not None

    # --- what tests look at

    @property
    def requests(self) -> list[Any]:
        """The recorded requests, in order."""
        return [request for request, _ in self.data]

    @property
    def responses(self) -> list[Any]:
        """The recorded responses, in order."""
        return [response for _, response in self.data]

    @property
    def play_count(self) -> int:
        """How many responses were played."""
        return sum(self.play_counts.values())

    @property
    def all_played(self) -> bool:
        """Whether every response was played."""
        return len(self.play_counts) == len(self)

    @property
    def write_protected(self) -> bool:
        """Whether what is not recorded is refused."""
        mode = self.record_mode
        return mode is RecordMode.NONE or (mode is RecordMode.ONCE and self.rewound)

    @property
    def _path(self) -> str:  # pyright: ignore[reportUnusedFunction]  # projects look at it
        return self.path

    @property
    def _match_on(self) -> Sequence[Matcher]:  # pyright: ignore[reportUnusedFunction]  # as above
        return self.matchers

    def rewind(self) -> None:
        """Forget what was played."""
        self.play_counts = Counter()

    def filter_request(self, request: Any) -> Any:
        """Return *request* as it is compared and kept; None if it is not for the cassette."""
        return self._before_record_request(request)

    def responses_of(self, request: Any) -> list[Any]:
        """Return all responses to *request*, played or not.

        Raises:
            UnhandledHTTPRequestError: There is none.
        """
        found = [self.data[place][1] for place in self._matching(self.filter_request(request))]
        if not found:
            raise UnhandledHTTPRequestError(f"the cassette {self.path!r} does not hold {request!r}")
        return found

    def find_requests_with_most_matches(
        self, request: Any
    ) -> list[tuple[Any, list[str], list[tuple[str, str | None]]]]:
        """Return the recorded requests that most matchers take for *request*, and the matchers' words."""
        made = self.filter_request(request)
        found = [(stored, *compared(made, stored, self.matchers)) for stored, _ in self.data]
        most = max((len(alike) for _, alike, _ in found), default=0)
        return [each for each in found if most and len(each[1]) == most]

    def get_metadata(self, key: str, default: Any) -> Any:
        """Return the value that is kept under *key*; *default*, kept from now on, if there is none.

        Raises:
            UnrecordedRequestError: There is none, and the record mode records nothing.
        """
        if key not in self._metadata:
            if self.write_protected:
                raise UnrecordedRequestError(self, f"metadata {key!r}")
            self._metadata[key] = default
            self.dirty = True
        return self._metadata[key]

    # --- playing

    def can_play_response_for(self, request: Any) -> bool:
        """Tell whether *request* would be answered from here."""
        plays = self.record_mode is not RecordMode.ALL
        return plays and (self.rewound or self.allow_playback_repeats) and request in self

    def play_response(self, request: Any) -> Any:
        """Return the response to *request* that is next, and count it.

        Raises:
            UnhandledHTTPRequestError: None is left.
        """
        place = self._played(self._playable(request))
        if place is None:
            raise UnhandledHTTPRequestError(f"the cassette {self.path!r} does not hold {request!r}")
        return self.data[place][1]

    def play(self, request: Any) -> Pair | None:
        """Return the interaction that answers *request*, and count it; None if none does."""
        with self._lock:
            if not self.can_play_response_for(request):
                return None
            place = self._played(self._playable(request))
            if place is None:
                return None
            self.played.append((self.filter_request(request), self.data[place][0]))
            return self.data[place]

    def _played(self, place: int | None) -> int | None:
        if place is not None:
            self.play_counts[place] += 1
        return place

    def _playable(self, request: Any) -> int | None:
        made = self.filter_request(request)
        if made is None:
            return None
        free = (
            place
            for place in self._matching(made)
            if self.allow_playback_repeats or not self.play_counts[place]
        )
        return next(free, None)

    def _matching(self, made: Any) -> Iterator[int]:
        """Iterate the places of the recorded requests that all matchers take for *made*."""
        for place in self._candidates(made):
            if is_match(made, self.data[place][0], self.matchers):
                yield place

    def _candidates(self, made: Any) -> Sequence[int]:
        """The places of which those matchers that compare what can be looked up do not say no."""
        if not self._keys:
            return range(len(self.data))
        with self._lock:
            if self._indexed > len(self.data):  # a test has taken something out
                self._places, self._indexed = {}, 0
            for place in range(self._indexed, len(self.data)):
                self._places.setdefault(self._key(self.data[place][0]), []).append(place)
            self._indexed = len(self.data)
            return tuple(self._places.get(self._key(made), ()))

    def _key(self, request: Any) -> tuple[Any, ...]:
        taken = (key(request) for key in self._keys)
        return tuple(tuple(each) if isinstance(each, list) else each for each in cast("Any", taken))

    # --- recording

    def append(self, request: Any, response: Any) -> None:
        """Add an interaction, as the filters leave it."""
        kept = self.filter_request(request)
        if not kept:
            return
        answered = self._before_record_response(copy.deepcopy(response))
        if answered is None:
            return
        with self._lock:
            self.data.append((kept, answered))
            self.dirty = True

    def load(self) -> None:
        """Read the cassette, if it is there."""
        try:
            requests, responses, *metadata = self._persister.load_cassette(
                self.path, serializer=self._serializer
            )
        except Exception as error:
            if not is_missing(error):
                raise
            return
        for request, response in zip(requests, responses, strict=False):
            if (pair := self._through(self._after_load, request, response)) is not None:
                self.append(*pair)
        self._loaded = len(self.data)
        self._metadata = dict(metadata[0]) if metadata else {}
        self.dirty, self.rewound = False, True

    def save(self) -> None:
        """Write the cassette, if there is anything new; never where nothing is recorded."""
        if self.record_mode is RecordMode.NONE or not (self.dirty or self._drops()):
            return
        pairs = [self._through(self._before_save, *copy.deepcopy(pair)) for pair in self._kept()]
        left = [pair for pair in pairs if pair is not None]
        told: dict[str, Any] = {
            "requests": [request for request, _ in left],
            "responses": [response for _, response in left],
        }
        if self._metadata:
            told["metadata"] = self._metadata
        self._persister.save_cassette(self.path, told, serializer=self._serializer)
        self.dirty = False

    def _drops(self) -> bool:
        """Whether there is something recorded that was not played, and is to go."""
        unplayed = any(not self.play_counts[place] for place in range(self._loaded))
        return self.drop_unused_requests and self.record_mode is not RecordMode.ALL and unplayed

    def _kept(self) -> list[Pair]:
        """What is to be in the file: what was there and is still wanted, and what is new."""
        old, new = self.data[: self._loaded], self.data[self._loaded :]
        if self.record_mode is RecordMode.ALL:
            old = (
                []
                if self.drop_unused_requests
                else [each for each in old if not self._is_in(each, new)]
            )
        elif self.drop_unused_requests:
            old = [each for place, each in enumerate(old) if self.play_counts[place]]
        return [*old, *new]

    def _is_in(self, pair: Pair, pairs: Sequence[Pair]) -> bool:
        return any(is_match(request, pair[0], self.matchers) for request, _ in pairs)

    def _through(self, hooks: Sequence[Hook], request: Any, response: Any) -> Pair | None:
        """Return the interaction as *hooks* leave it; None if one of them drops it."""
        pair: Any = request, response
        for hook in hooks:
            pair = hook(*pair, self) if _takes_three(hook) else hook(*pair)
            if pair is None:
                return None
            if not isinstance(pair, tuple | list) or len(cast("Any", pair)) != 2:  # noqa: PLR2004  # a pair
                raise TypeError(f"{hook!r} must return (request, response), or None, not {pair!r}")
        return cast("Pair", tuple(pair))


def _takes_three(hook: Hook) -> bool:
    try:
        inspect.signature(hook).bind(None, None, None)
    except (TypeError, ValueError):
        return False
    return True


def checked_mode(given: Any) -> RecordMode:
    """Return *given*, ours or vcrpy's, as a record mode.

    Raises:
        ConfigurationError: There is no such mode.
    """
    try:
        return RecordMode(getattr(given, "value", given))
    except ValueError:
        known = ", ".join(RecordMode)
        raise ConfigurationError(
            f"no record mode is called {given!r}; write one of {known}."
        ) from None
