"""What makes two requests the same question: canonical form, fingerprint, `explain`.

Pure. Two requests share a fingerprint only if the provider could not tell, from what it reads, that
they ask for different things; where that is in doubt they do not share one. The rules are
contract.md's ("Identity"); what a provider ignores stands in the tables of its dialect.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from cachesaver.canonical import Body, parse_body, spell_parts
from cachesaver.credentials import PERHAPS_SECRET, SECRET_MEMBERS, body_secrets, is_secret
from cachesaver.exchange import Request
from cachesaver.multipart import Part
from cachesaver.options import Rules
from cachesaver.ports import Dialect
from cachesaver.redaction import redact_text
from cachesaver.ties import counted
from cachesaver.unread import digest, unread_names
from cachesaver.values import value

__all__ = [
    "VERSION",
    "Dropped",
    "Question",
    "identify",
    "inputs_of",
    "questions_body",
]

VERSION = 1
"""Of the canonical form. It is part of every fingerprint: changing it leaves old samples readable
under their old fingerprints and asks every question anew."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """One thing that is not part of the question. *where*: `body.user`, `query.key`, ..."""

    where: str
    why: str


@value(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A recognised request and what identifies it.

    Attributes:
        request: As it came.
        dialect: That recognised it.
        body: Its parsed JSON object; empty where it is not one.
        canonical: The bytes that were digested. Secrets of headers, query and userinfo are not in
            it; what stands in the body is. Store it only through `questions_body`.
        fingerprint: 64 hex digits (SHA-256).
        count: How many samples it asks for, at least 1.
        wants_stream: Whether it asks for a stream.
        exact: Whether its body, written anew, says the same: not so where a key stands twice in
            it, or a number is beyond a double. Such a body goes out as it came or not at all.
    """

    request: Request
    dialect: Dialect
    body: Mapping[str, object] = field(repr=False)
    canonical: bytes = field(repr=False)
    fingerprint: str
    count: int
    wants_stream: bool
    exact: bool = True

    @property
    def unread(self) -> bool:
        """Whether nothing is known of its API."""
        return _is_unread(self.dialect)


def identify(
    request: Request,
    dialect: Dialect,
    body: Body | None = None,
    *,
    rules: Rules | None = None,
    dropped: list[Dropped] | None = None,
) -> Question:
    """Return the question that *request* asks under *dialect*.

    Args:
        request: Any; this never raises for what its body is.
        dialect: That recognised it.
        body: Its body, if `parse_body` has been called on it already.
        rules: The user's own; none by default.
        dropped: Filled with what was left out and why, for `explain`.
    """
    parsed = parse_body(request) if body is None else body
    rules = rules or _NO_RULES
    asked = parsed.members
    streams = dialect.wants_stream(request, asked)
    kept = _kept(parsed, dialect, rules, streams=streams, dropped=dropped)
    canonical = b"\n".join(
        (
            b"cachesaver/%d %s %s"
            % (VERSION, dialect.name.encode(), request.method.upper().encode()),
            *_target(request, dialect, rules, dropped),
            *_headers(request, dialect, dropped),
            b"",
            kept,
        )
    )
    return Question(
        request=request,
        dialect=dialect,
        body=asked,
        canonical=canonical,
        fingerprint=hashlib.sha256(canonical).hexdigest(),
        count=max(1, dialect.count(asked)),
        wants_stream=streams,
        exact=parsed.is_json or not parsed.members or bool(parsed.parts),
    )


def inputs_of(
    question: Question, body: Body | None = None, *, rules: Rules | None = None
) -> tuple[Question, ...]:
    """Return a question for each of the inputs that the deterministic *question* is made of.

    Takes what `identify` took. The same input has the same fingerprint whatever it came with.
    """
    parsed = parse_body(question.request) if body is None else body
    bodies = question.dialect.inputs(parsed.members) if parsed.is_json else (parsed.members,)
    if len(bodies) == 1 and bodies[0] is parsed.members:
        return (question,)
    return tuple(
        identify(question.request, question.dialect, replace(parsed, members=each), rules=rules)
        for each in bodies
    )


_NO_RULES = Rules()


def _target(
    request: Request, dialect: Dialect, rules: Rules, dropped: list[Dropped] | None
) -> tuple[bytes, bytes, bytes]:
    """Origin, path and query, one line each."""
    parts = urlsplit(request.url)
    origin = _origin(parts.scheme, parts.netloc)
    path, query = dialect.target(parts.path or "/", parts.query)
    return (
        rules.aliases.get(origin, origin).encode(),
        _plain_path(path).encode(),
        _query(query, parts.hostname, dialect, dropped).encode() if query else b"",
    )


def _query(
    query: str, hostname: str | None, dialect: Dialect, dropped: list[Dropped] | None
) -> str:
    host = (hostname or "").lower()
    pairs = [_asked(pair, host, dialect, dropped) for pair in query.split("&") if pair]
    return "&".join(sorted(filter(None, pairs)))


@lru_cache(maxsize=1024)
def _origin(scheme: str, netloc: str) -> str:
    """Scheme, host and port without userinfo, a scheme's own port left out."""
    parts = urlsplit(f"{scheme}://{netloc}")
    host = (parts.hostname or "").lower()
    shown = f"[{host}]" if ":" in host else host
    port = netloc.lower().rpartition("@")[2].removeprefix(shown).removeprefix(":")
    standard = port in ("", str(_DEFAULT_PORTS.get(scheme)))
    return f"{scheme}://{shown}" if standard else f"{scheme}://{shown}:{port}"


def _plain_path(path: str) -> str:
    """One spelling for the two ways clients escape the colon of a model version (Bedrock)."""
    return path.replace("%3A", ":").replace("%3a", ":") if "%" in path else path


def _asked(pair: str, host: str, dialect: Dialect, dropped: list[Dropped] | None) -> str:
    """*pair* of a query as it counts: not at all where it is a credential."""
    name = unquote(pair.partition("=")[0]).lower()
    if not is_secret(name, host):
        if name not in PERHAPS_SECRET:
            return pair
        if _is_unread(dialect):
            return f"{name}={digest(pair)}"
    _note(dropped, f"query.{name}", "a credential")
    return ""


def _is_unread(dialect: Dialect) -> bool:
    """Whether nothing is known of the API; dialects of other packages may not say."""
    unread: bool = getattr(dialect, "unread", False)
    return unread


def _headers(request: Request, dialect: Dialect, dropped: list[Dropped] | None) -> list[bytes]:
    """The answer-shaping headers, sorted; the rest of them are transport or credentials."""
    shaping = dialect.headers.intersection(request.header_names)
    if not shaping and dropped is None and not _is_unread(dialect):  # as nearly always
        return []
    lines = [f"{name}: {_values(request, name)}".encode() for name in sorted(shaping)]
    if _is_unread(dialect):
        unread = shaping.union(unread_names(request))
        lines += [
            # What nobody knows may be a credential.
            f"{name}: {digest(_values(request, name))}".encode()
            for name in sorted(unread - shaping)
        ]
        shaping = unread
    for name in request.header_names if dropped is not None else ():
        if name not in shaping:
            _note(dropped, f"header.{name}", "does not shape the answer")
    return lines


def _values(request: Request, name: str) -> str:
    return ",".join(value.strip() for named, value in request.headers if named.lower() == name)


def _kept(
    parsed: Body,
    dialect: Dialect,
    rules: Rules,
    *,
    streams: bool,
    dropped: list[Dropped] | None,
) -> bytes:
    """The body less what does not shape the answer, in one canonical spelling."""
    if parsed.parts:
        return spell_parts(_kept_parts(parsed.parts, dialect, rules, dropped))
    if not parsed.is_json:
        return parsed.canonical
    members = dict(parsed.members)
    for path, why in dialect.volatile.items():
        if path in members:
            if path in _FORM and streams and not dialect.converts:
                continue  # the two forms cannot be turned into each other: they are two questions
            del members[path]
        elif "." not in path or not _without(members, path.split(".")):
            continue
        _note(dropped, f"body.{path}", why)
    _forget_credentials(members, dialect, dropped)
    may_state = None in members.values() or not members.keys().isdisjoint(dialect.defaults)
    stated = [n for n, v in members.items() if _is_default(dialect, n, v)] if may_state else ()
    for name in stated:
        del members[name]
        _note(dropped, f"body.{name}", "states the documented default")
    return parsed.spell(_by_rules(members, dialect, rules, dropped))


_FORM = ("stream", "stream_options")
"""Members that tell in which form an answer comes."""


def _by_rules(
    members: dict[str, object], dialect: Dialect, rules: Rules, dropped: list[Dropped] | None
) -> object:
    """*members* with made-up ties counted, and less what the user's rules take out."""
    left, found = counted(members, dialect.ties) if dialect.ties else (members, False)
    if found:
        _note(dropped, "body: ids made up by the client", "they count by their place")
    for path in rules.ignore:
        if _without(left, path.split(".")):
            _note(dropped, f"body.{path}", "ignored by your rules")
    return _blank(left, rules.blank) if rules.blank else left


def _kept_parts(
    parts: Sequence[Part], dialect: Dialect, rules: Rules, dropped: list[Dropped] | None
) -> list[Part]:
    """The parts of a form less what does not shape the answer."""
    kept = list[Part]()
    for part in parts:
        if part.name in dialect.volatile:
            _note(dropped, f"body.{part.name}", dialect.volatile[part.name])
        elif not part.is_file and part.content == _as_text(dialect.defaults.get(part.name)):
            _note(dropped, f"body.{part.name}", "states the documented default")
        elif part.name in rules.ignore:
            _note(dropped, f"body.{part.name}", "ignored by your rules")
        else:
            plain = _but_name(part, dialect, dropped) if part.is_file else part
            kept.append(_blank_part(plain, rules.blank) if rules.blank else plain)
    return kept


def _but_name(part: Part, dialect: Dialect, dropped: list[Dropped] | None) -> Part:
    """*part*, a file; where its name does not count, with what that says of its format only."""
    why = dialect.volatile.get(f"{part.name}.filename")
    if why is None:
        return part
    _note(dropped, f"body.{part.name}.filename", why)
    _, dot, extension = part.filename.rpartition(".")
    return part.with_filename(f".{extension.lower()}" if dot and extension.isalnum() else "")


def _as_text(default: object) -> bytes | None:
    """The way a form states *default*; None for what no form can."""
    if isinstance(default, bool):
        return b"true" if default else b"false"
    return str(default).encode() if isinstance(default, str | int | float) else None


def _blank_part(part: Part, patterns: Sequence[re.Pattern[str]]) -> Part:
    """*part* with what the user's patterns match in its headers, or in its text, gone."""
    lines = tuple(str(_blank(line, patterns)) for line in part.lines)
    if part.is_file:
        return Part(lines=lines, content=part.content)
    text = str(_blank(part.content.decode("utf-8", "surrogateescape"), patterns))
    return Part(lines=lines, content=text.encode("utf-8", "surrogateescape"))


def _is_default(dialect: Dialect, name: str, value: object) -> bool:
    if value is None:
        return dialect.null_is_absent
    if name not in dialect.defaults:
        return False
    default = dialect.defaults[name]
    # True == 1 in Python and not in JSON.
    return isinstance(value, bool) == isinstance(default, bool) and value == default


def _without(value: object, path: Sequence[str]) -> bool:
    """Remove *path* from *value*, copying what is changed below its top; tell if it was there."""
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        items = cast("list[object]", value)
        return head == "*" and sum(_step(items, place, rest) for place in range(len(items))) > 0
    if not isinstance(value, dict):
        return False
    members = cast("dict[str, object]", value)
    if head == "*":
        return sum(_step(members, name, rest) for name in list(members)) > 0
    return head in members and _step(members, head, rest)


def _step(holder: dict[str, object] | list[object], at: str | int, rest: Sequence[str]) -> bool:
    if not rest:
        if isinstance(holder, dict):
            del holder[str(at)]
            return True
        return False
    inner = holder[at]  # type: ignore[index]  # at fits its holder
    if not isinstance(inner, dict | list):
        return False
    copy = cast("dict[str, object] | list[object]", inner.copy())
    holder[at] = copy  # type: ignore[index]  # at fits its holder
    return _without(copy, rest)


def _forget_credentials(
    members: dict[str, object], dialect: Dialect, dropped: list[Dropped] | None
) -> None:
    """Remove what an API we know takes for credentials in its body."""
    if SECRET_MEMBERS.isdisjoint(members) or _is_unread(dialect):
        return
    for path in [path for path, _ in body_secrets(members)]:
        _forget(members, path)
        _note(dropped, f"body.{'.'.join(map(str, path))}", "a credential")


def _forget(holder: Any, path: Sequence[str | int]) -> None:
    """Remove what *path* leads to from *holder*, copying what is changed below its top."""
    head, *rest = path
    if not rest:
        del holder[head]
        return
    holder[head] = holder[head].copy()
    _forget(holder[head], rest)


def _blank(value: object, patterns: Sequence[re.Pattern[str]]) -> object:
    if isinstance(value, str):
        for pattern in patterns:
            value = pattern.sub("", value)
        return value
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_blank(item, patterns) for item in items]
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return {name: _blank(item, patterns) for name, item in members.items()}
    return value


def _note(dropped: list[Dropped] | None, where: str, why: str) -> None:
    if dropped is not None:
        dropped.append(Dropped(where=where, why=why))


def questions_body(question: Question) -> bytes:
    """Return the canonical form with known token shapes and the request's own credentials blanked.

    This is what stores keep to explain and to compare; it is not what was digested.
    """
    return redact_text(question.canonical, question.request)
