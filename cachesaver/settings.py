"""What a session is told to do, checked before anything happens.

Every option has an environment variable, so that `cachesaver run` and child processes can say it.
"""

from __future__ import annotations

import enum
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from cachesaver.contexts import checked_replicate
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Request
from cachesaver.options import Rules, Window
from cachesaver.ports import Store

if TYPE_CHECKING:
    from cachesaver.budget import Budget, Number

__all__ = ["Match", "Mode", "Settings", "settings"]

Match = Callable[[Request], bool | None]
"""Asked of every POST: True makes it a provider call, False keeps us out, None leaves it to us."""

ENV = {
    "namespace": "CACHESAVER_NAMESPACE",
    "replicate": "CACHESAVER_REPLICATE",
    "store": "CACHESAVER_STORE",
    "mode": "CACHESAVER_MODE",
    "hosts": "CACHESAVER_HOSTS",
    "strict": "CACHESAVER_STRICT",
    "quiet": "CACHESAVER_QUIET",
    "window": "CACHESAVER_WINDOW",
    "size": "CACHESAVER_SIZE",
    "max_concurrency": "CACHESAVER_CONCURRENCY",
    "budget": "CACHESAVER_BUDGET",
    "pace": "CACHESAVER_PACE",
}


class Mode(enum.Enum):
    """What may be done about a question."""

    CACHE = "cache"
    """Answer from the store; buy and store what is missing."""
    REPLAY = "replay"
    """Answer from the store; what is missing raises `NotRecordedError`. No provider call goes out."""
    REFRESH = "refresh"
    """Buy every sample anew; the namespace remembers the new ones."""
    LIVE = "live"
    """Let everything through untouched; nothing is looked up or stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One session's options, all valid. See `cachesaver.install` for what each means."""

    namespace: str = "default"
    replicate: int | None = None
    store: str | Store = ""
    mode: Mode = Mode.CACHE
    run: str = ""
    hosts: tuple[str, ...] = ()
    match: Match | None = None
    rules: Rules = field(default_factory=Rules)
    strict: bool = False
    quiet: bool = False
    through_mocks: bool = False
    window: Window = field(default_factory=Window)
    max_concurrency: int | None = None
    budget: Budget | None = None
    pace: float | None = None
    gateway: str = ""
    """The address of the gateway beside this program; of the environment only."""
    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where that gateway sends its calls, by the provider's name; of the environment only."""


def settings(  # noqa: PLR0913  # one place knows all options
    *,
    namespace: str | None = None,
    replicate: int | None = None,
    store: str | os.PathLike[str] | Store | None = None,
    mode: str | Mode | None = None,
    run: str | None = None,
    hosts: Iterable[str] | None = None,
    match: Match | None = None,
    ignore: Iterable[str] = (),
    blank: Iterable[str | re.Pattern[str]] = (),
    aliases: Mapping[str, str] | None = None,
    strict: bool | None = None,
    quiet: bool | None = None,
    through_mocks: bool = False,
    window: float | str | None = None,
    size: int | None = None,
    max_concurrency: int | None = None,
    budget: Number | str | Budget | None = None,
    pace: float | None = None,
) -> Settings:
    """Return the options given, those of the environment where not given, defaults otherwise.

    Raises:
        ConfigurationError: One of them cannot be; says which, and what it may be.
    """
    return Settings(
        namespace=_text("namespace", namespace, "default"),
        replicate=_replicate(replicate),
        store=_store(store),
        mode=_mode(mode),
        run=_text("run", run or "", ""),
        hosts=tuple(_host(host) for host in _hosts(hosts)),
        match=_callable(match),
        rules=Rules(
            ignore=tuple(_path(path) for path in _listed("ignore", ignore)),
            blank=tuple(_pattern(each) for each in _listed("blank", blank)),
            aliases={_origin(key): value for key, value in (aliases or {}).items()},
        ),
        strict=_flag("strict", strict),
        quiet=_flag("quiet", quiet),
        through_mocks=through_mocks,
        window=_window(window, size),
        max_concurrency=_limit(max_concurrency),
        budget=_budget(budget),
        pace=_pace(pace),
        gateway=os.environ.get("CACHESAVER_GATEWAY", "").rstrip("/"),
        upstreams=_upstreams(os.environ.get("CACHESAVER_UPSTREAMS", "")),
    )


def _upstreams(said: str) -> Mapping[str, str]:
    """Read `NAME=URL`, separated by blanks."""
    pairs = (each.partition("=") for each in said.split())
    return MappingProxyType({name: url for name, _, url in pairs if url})


def _text(name: str, given: object, default: str) -> str:
    value = os.environ.get(ENV[name], default) if given is None else given
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{name} must be text, not {type(value).__name__}: pass {name}='exp1'"
        )
    if name == "namespace" and not value:
        raise ConfigurationError(
            "namespace is empty: name the stream of randomness, as in namespace='exp1'"
        )
    return value


def _replicate(given: object) -> int | None:
    if given is not None:
        return checked_replicate(given)
    said = os.environ.get(ENV["replicate"], "").strip()
    return checked_replicate(int(said) if said.isdecimal() else said) if said else None


def _store(given: object) -> str | Store:
    if given is None:
        return os.environ.get("CACHESAVER_STORE", "")
    if isinstance(given, str | os.PathLike):
        return os.fsdecode(cast("str | os.PathLike[str]", given))
    if hasattr(given, "acquire") and hasattr(given, "fill"):
        return given  # type: ignore[return-value]  # looks like a Store, which is all a protocol is
    raise ConfigurationError(
        f"store must be a path, a URL such as 'lmdb:///data/llm' or 'memory://', or a Store, "
        f"not {type(given).__name__}"
    )


def _mode(given: object) -> Mode:
    value = os.environ.get("CACHESAVER_MODE", "cache") if given is None else given
    if isinstance(value, Mode):
        return value
    try:
        return Mode(value)
    except ValueError:
        known = ", ".join(repr(mode.value) for mode in Mode)
        raise ConfigurationError(f"mode {value!r} is not known: use one of {known}") from None


def _window(given: object, size: object) -> Window:
    value = os.environ.get("CACHESAVER_WINDOW") if given is None else given
    if value == "flight":
        return Window(flights=True, size=_size(size))
    try:
        seconds = None if value in (None, "", "turn") else float(cast("str", value))
    except (TypeError, ValueError):
        seconds = -1.0
    if seconds is not None and not 0 <= seconds <= _LONGEST_WINDOW:
        raise ConfigurationError(
            f"window must be seconds from 0 to {_LONGEST_WINDOW:g}, 'turn' (of the event loop) or "
            f"'flight' (as long as a call for the same question is under way), not {value!r}"
        )
    return Window(seconds=seconds, size=_size(size))


_LONGEST_WINDOW = 3600.0


def _size(given: object) -> int | None:
    value = os.environ.get("CACHESAVER_SIZE") or None if given is None else given
    try:
        size = None if value is None else int(cast("str", value))
    except (TypeError, ValueError):
        size = 0
    if size is not None and (size < 1 or isinstance(value, bool | float)):
        raise ConfigurationError(
            f"size must be a whole number of draws, 1 or more, as in size=64, not {value!r}"
        )
    return size


def _listed(name: str, given: object) -> Iterable[object]:
    if isinstance(given, str | bytes | re.Pattern) or not isinstance(given, Iterable):
        raise ConfigurationError(f"{name} must be a list, as in {name}=['...'], not {given!r}")
    return cast("Iterable[object]", given)


def _hosts(given: Iterable[str] | None) -> Iterable[object]:
    if given is None:
        return [host for host in os.environ.get("CACHESAVER_HOSTS", "").split(",") if host]
    return _listed("hosts", given)


def _host(given: object) -> str:
    if not isinstance(given, str) or not given or "/" in given or " " in given:
        raise ConfigurationError(
            f"hosts holds {given!r}: give host names such as 'api.acme.test', '*.acme.test' or "
            f"'localhost:8000', without scheme and path"
        )
    return given.lower()


def _callable(given: Match | None) -> Match | None:
    if given is not None and not callable(given):
        raise ConfigurationError(
            "match must be a function of a Request that returns True, False or None"
        )
    return given


def _path(given: object) -> str:
    if not isinstance(given, str) or not all(given.split(".")):
        raise ConfigurationError(
            f"ignore holds {given!r}: give dotted paths such as 'metadata.run' or 'tools.*.id'"
        )
    return given


def _pattern(given: object) -> re.Pattern[str]:
    try:
        pattern: re.Pattern[Any] = re.compile(cast("Any", given))  # what is no pattern raises
    except (re.error, TypeError) as error:
        raise ConfigurationError(
            f"blank holds {given!r}, which is no regular expression: {error}"
        ) from None
    if not isinstance(pattern.pattern, str):
        raise ConfigurationError(f"blank holds {given!r}: give patterns of text, not of bytes")
    return pattern


def _origin(given: str) -> str:
    parts = urlsplit(given)
    if not parts.scheme or not parts.netloc or parts.path not in ("", "/"):
        raise ConfigurationError(
            f"aliases holds {given!r}: give origins such as 'http://127.0.0.1:8000', without a path"
        )
    return f"{parts.scheme}://{parts.netloc}".lower()


def _flag(name: str, given: bool | None) -> bool:  # noqa: FBT001  # the value itself
    if given is not None:
        return given
    return os.environ.get(ENV[name], "").lower() in ("1", "true", "yes", "on")


def _limit(given: object) -> int | None:
    said = os.environ.get(ENV["max_concurrency"]) or None if given is None else given
    if said is None:
        return None
    limit = int(said) if isinstance(said, str) and said.isdecimal() and given is None else said
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ConfigurationError(
            f"max_concurrency is {said!r}: give the most calls to have under way at a time, a whole "
            f"number from 1, as in max_concurrency=8"
        )
    return limit


def _pace(given: object) -> float | None:
    said = os.environ.get(ENV["pace"]) or None if given is None else given
    if said is None:
        return None
    try:
        pace = -1.0 if isinstance(said, bool) else float(cast("str", said))
    except (TypeError, ValueError):
        pace = -1.0
    if not 0 < pace < math.inf:
        raise ConfigurationError(
            f"pace is {said!r}: give how many times as fast as recorded a stored answer is to come, "
            f"as in pace=1 (as recorded) or pace=10"
        )
    return pace


def _budget(given: object) -> Budget | None:
    said = os.environ.get(ENV["budget"]) if given is None else given
    if said is None:
        return None
    from cachesaver.budget import budget_of
    from cachesaver.prices import check_prices

    budget = budget_of(said)
    if budget is not None and budget.usd is not None:
        check_prices(budget.prices)
    return budget
