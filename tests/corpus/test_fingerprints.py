"""Fingerprints of recorded requests against an oracle of our own making: what is one question.

The oracle shares nothing with `cachesaver.identity` but the dialects' tables: another JSON parser,
values compared as values instead of digests, URLs taken apart by other means.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

import cachesaver
import recordings
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.exchange import Request
from cachesaver.identity import Question, identify
from cachesaver.ports import Dialect
from recordings import Exchange
from recordings.fingerprints import questions
from recordings.planting import with_credentials

SECRET = {"key", "api-key", "api_key", "token", "sig", "x-amz-signature", "x-amz-credential"}

TRANSPORT = re.compile(
    ".*(api-key|auth|authorization|cookie|organization|project|security-token|request-?id|trace)"
    "|(accept-encoding|connection|content-.*|date|host|origin|referer|traceparent|user-agent|priority)"
    "|(x-stainless|sec|amz-sdk|x-amz|x-goog-api)-.*|.*idempotency-key|cache-control|pragma|expect|te"
)
"""What no server answers differently for, as far as we know none of them."""

Asked = list[tuple[Exchange, Question]]


@pytest.fixture(scope="module")
def asked(exchanges: tuple[Exchange, ...]) -> Asked:
    return list(questions(exchanges))


# --- the oracle ---


def frozen(value: object) -> Hashable:
    """*value*, out of JSON, so that it equals what JSON calls equal: 1 and 1.0, but not true."""
    if is_object(value):
        return ("object", frozenset((name, frozen(each)) for name, each in value.items()))
    if is_list(value):
        return ("array", tuple(map(frozen, value)))
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float):
        return ("number", value)
    return ("other", value)


class DuplicateKeyError(Exception):
    """JSON in which a key stands twice means what its reader makes of it."""


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise DuplicateKeyError
    return dict(pairs)


def without(value: object, steps: list[str]) -> object:
    """*value* less what the dotted path *steps* leads to."""
    if is_list(value):
        return [without(each, steps[1:]) for each in value] if steps[0] == "*" else value
    if not is_object(value):
        return value
    if len(steps) == 1:
        return {name: each for name, each in value.items() if name != steps[0]}
    return {
        name: without(each, steps[1:]) if steps[0] in ("*", name) else each
        for name, each in value.items()
    }


def body_key(request: Request, dialect: Dialect) -> Hashable:
    """What the body asks: JSON less the dialect's documented noise and defaults, or the bytes."""
    kind = request.header("content-type") or ""
    boundary = re.search('boundary="?([^";]+)', kind)
    if boundary is not None:
        body = request.body.replace(boundary[1].encode(), b"").rstrip()  # RFC 2046: an epilogue
        if any(path.endswith(".filename") for path in dialect.volatile):
            body = re.sub(rb"; filename\*=[^;\r\n]*", b"", body)
            body = re.sub(rb"filename=[^;\r\n]*?(\.\w+)?\"?(?=[;\r\n])", rb"filename=\1", body)
        return body
    if kind.startswith("application/x-www-form-urlencoded"):
        return tuple(sorted(parse_qsl(request.body.decode(), keep_blank_values=True)))
    try:
        asked: object = json.loads(request.body, object_pairs_hook=once)
    except (ValueError, DuplicateKeyError):
        return request.body
    if not is_object(asked):
        return frozen(asked)
    kept: object = asked
    streams = asked.get("stream") is True and not dialect.converts
    for path in dialect.volatile:
        if not (streams and path in ("stream", "stream_options")):
            kept = without(kept, path.split("."))
    assert is_object(kept)
    stated = {name: frozen(value) for name, value in dialect.defaults.items()}
    return frozen(
        {
            name: value
            for name, value in kept.items()
            if not (value is None and dialect.null_is_absent) and frozen(value) != stated.get(name)
        }
    )


def question_key(request: Request, dialect: Dialect) -> Hashable:
    """Everything that a provider could tell two questions apart by."""
    parts = urlsplit(request.url)
    path = parts.path.replace("%3A", ":") or "/"
    query = parse_qsl(parts.query, keep_blank_values=True)
    if dialect.converts:
        path = re.sub(":stream(Generate|Raw)", lambda found: f":{found[1].lower()}", path)
        path = re.sub(
            "/(converse|invoke)(?:-stream|-with-response-stream)$", r"/\1", path
        )  # Bedrock
        query = [pair for pair in query if pair not in (("alt", "sse"), ("$alt", "sse"))]
    headers = {name: request.header(name) for name in dialect.headers}
    if dialect.name == "generic":
        named = {name.lower() for name, _ in request.headers}
        headers = {name: request.header(name) for name in named if not TRANSPORT.fullmatch(name)}
        headers |= {"accept": request.header("accept") or "*/*"}
    return (
        dialect.name,
        request.method,
        (parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}[parts.scheme]),
        path,
        tuple(sorted(pair for pair in query if pair[0].lower() not in SECRET)),
        frozen(headers),
        body_key(request, dialect),
    )


# --- what is claimed ---


def test_no_two_questions_share_a_fingerprint(asked: Asked) -> None:
    keys = defaultdict[str, dict[Hashable, str]](dict)
    for exchange, question in asked:
        key = question_key(question.request, question.dialect)
        keys[question.fingerprint].setdefault(key, exchange.name)

    assert [sorted(names.values()) for names in keys.values() if len(names) > 1] == []


def test_one_question_has_one_fingerprint(asked: Asked) -> None:
    fingerprints = defaultdict[Hashable, dict[str, str]](dict)
    for exchange, question in asked:
        key = question_key(question.request, question.dialect)
        fingerprints[key].setdefault(question.fingerprint, exchange.name)

    assert [sorted(names.values()) for names in fingerprints.values() if len(names) > 1] == []


def test_the_corpus_asks_enough_twice_for_that_to_say_something(asked: Asked) -> None:
    times = Counter(question.fingerprint for _, question in asked)
    spellings = defaultdict[str, set[bytes]](set)
    for _, question in asked:
        spellings[question.fingerprint].add(question.request.body)

    assert len(asked) == 2689
    assert sum(count > 1 for count in times.values()) > 200
    assert sum(len(bodies) > 1 for bodies in spellings.values()) > 50


def test_another_spelling_of_a_body_is_the_same_question(asked: Asked) -> None:
    respelt = 0

    for exchange, question in asked:
        try:
            body: object = json.loads(question.request.body, object_pairs_hook=once)
        except (ValueError, DuplicateKeyError):
            continue
        spelt = json.dumps(backwards(body), indent=1).encode()
        again = identify(question.request.with_body(spelt), question.dialect)
        respelt += spelt != question.request.body
        assert again.fingerprint == question.fingerprint, exchange.name

    assert respelt > 1800


def backwards(value: object) -> object:
    """*value* with the members of its objects in the opposite order and its integers as floats."""
    if is_object(value):
        return {name: backwards(value[name]) for name in reversed(value)}
    if is_list(value):
        return [backwards(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        return value
    return float(value)


def test_every_member_that_is_not_noise_is_part_of_the_question(asked: Asked) -> None:
    """Given a recorded body, when any member of it is another, then so is the question."""
    for exchange, question in asked:
        taken = {question.fingerprint}
        for name, value in question.body.items():
            if name in question.dialect.volatile:
                continue
            other = json.dumps({**question.body, name: [value]}).encode()
            changed = identify(question.request.with_body(other), question.dialect).fingerprint
            assert changed not in taken, f"{exchange.name}: {name}"
            taken.add(changed)


def test_who_asks_is_not_part_of_the_question(asked: Asked) -> None:
    """But where no API is known, in which a key in the query may be one of anything."""
    for exchange, question in asked:
        if question.unread:
            continue
        theirs = identify(with_credentials(question.request), question.dialect)
        assert theirs.fingerprint == question.fingerprint, exchange.name


def test_fingerprints_are_the_same_in_every_process(asked: Asked, corpus: Path) -> None:
    here = [f"{question.fingerprint} {exchange.name}" for exchange, question in asked]

    for seed in ("0", "1"):  # under which sets of two header names have two orders
        assert there(corpus, seed) == here


def there(corpus: Path, seed: str) -> list[str]:
    """The fingerprints that a process of hash seed *seed* gives."""
    folders = (Path(str(module.__file__)).parents[1] for module in (recordings, cachesaver))
    answer = subprocess.run(
        [sys.executable, "-m", "recordings.fingerprints", str(corpus)],
        env={
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(map(str, folders)),
        },
        capture_output=True,
        check=True,
        text=True,
    )
    return answer.stdout.splitlines()
