"""`cachesaver explain`: what makes a request the question it is, or why two differ.

REQUEST is a JSON file (- for standard input) with the keys url, body and, where they matter,
method and headers; or 8 or more digits of the fingerprint of a question in the store:

    {"url": "https://api.openai.com/v1/chat/completions",
     "body": {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}]}}

With one REQUEST: its canonical form, what was dropped and why, its fingerprint. With two: a diff, and
the exit status 1 if they are not the same question. Nothing is sent anywhere.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cachesaver import dialects
from cachesaver.canonical import parse_body
from cachesaver.cli.opening import existing_store
from cachesaver.dialects.passing import passed
from cachesaver.differences import difference
from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Request
from cachesaver.identity import (
    Dropped,
    Question,
    identify,
    inputs_of,
    questions_body,
)
from cachesaver.settings import settings

__all__ = ["HELP", "add_arguments", "run"]

HELP = "show what makes a request the question it is, or why two differ"

_SHORTEST = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver explain` takes."""
    parser.add_argument(
        "request", nargs="+", help="a JSON file, -, or a fingerprint", metavar="REQUEST"
    )
    parser.add_argument("--store", help="a directory or store URL (for fingerprints)")
    parser.add_argument(
        "--host", action="append", help="a further host to answer for", metavar="HOST"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    fingerprint: str
    canonical: bytes
    dropped: tuple[Dropped, ...] = ()
    inputs: tuple[str, ...] = ()
    """Fingerprints of the inputs that a batch is taken apart into."""


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation; 1 if two requests differ."""
    if len(arguments.request) > 2:  # noqa: PLR2004
        raise ConfigurationError("explain takes one request, or two to compare")
    explained = [_explain(each, arguments) for each in arguments.request]
    if len(explained) == 1:
        _print(explained[0])
        return 0
    one, other = explained
    if one.fingerprint == other.fingerprint:
        print(f"the same question: fingerprint {one.fingerprint}")
        return 0
    print(
        difference(
            one.canonical, other.canonical, names=(arguments.request[0], arguments.request[1])
        )
    )
    return 1


def _print(explained: _Explained) -> None:
    print(explained.canonical.decode("utf-8", "replace"))
    for dropped in explained.dropped:
        print(f"dropped {dropped.where}: {dropped.why}")
    for place, fingerprint in enumerate(explained.inputs):
        print(f"input {place}: looked up by itself, fingerprint {fingerprint}")
    print(f"fingerprint {explained.fingerprint}")


def _explain(given: str, arguments: argparse.Namespace) -> _Explained:
    if (
        len(given) >= _SHORTEST
        and set(given) <= set("0123456789abcdef")
        and not Path(given).exists()
    ):
        return _stored(given, arguments.store)
    request = _read(given)
    dropped = list[Dropped]()
    body = parse_body(request)
    dialect = dialects.recognise(request, body.members, hosts=settings(hosts=arguments.host).hosts)
    if dialect is None:
        raise ConfigurationError(f"{given}: {request.summary} {_why(request)}")
    question = identify(request, dialect, body, dropped=dropped)
    return _Explained(
        fingerprint=question.fingerprint,
        canonical=questions_body(question),
        dropped=tuple(dropped),
        inputs=_inputs(question),
    )


def _inputs(question: Question) -> tuple[str, ...]:
    found = inputs_of(question) if question.dialect.deterministic else (question,)
    return () if found == (question,) else tuple(each.fingerprint for each in found)


def _why(request: Request) -> str:
    """Why *request*, which no dialect recognises, is let through."""
    if (known := passed(request)) is not None:
        return f"passes through untouched. It is about {known.name}: {known.why} ({known.source})"
    return (
        "is no provider call we know, and passes through untouched. If it is one, name its host: "
        "--host, or install(hosts=[...])"
    )


def _stored(prefix: str, where: str | None) -> _Explained:
    with existing_store(where) as store:
        found = [pair for pair in store.questions() if pair[0].startswith(prefix)]
    if not found:
        raise ConfigurationError(
            f"no stored question has a fingerprint that begins with {prefix}: is it in another --store?"
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{len(found)} stored questions have a fingerprint that begins with {prefix}: give more digits"
        )
    return _Explained(fingerprint=found[0][0], canonical=found[0][1])


def _read(given: str) -> Request:
    try:
        text = sys.stdin.buffer.read() if given == "-" else Path(given).read_bytes()
        return _request(orjson.loads(text))
    except OSError as error:
        raise ConfigurationError(f"{given} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f'{given} is not a request: it must be JSON such as {{"url": "https://...", "body": {{...}}}}'
        ) from error


def _request(said: dict[str, Any]) -> Request:
    url, body = said["url"], said["body"]
    headers: dict[str, object] = said.get("headers") or {}
    return Request(
        method=str(said.get("method", "POST")).upper(),
        url=str(url),
        headers=tuple((str(name), str(value)) for name, value in headers.items()),
        body=body.encode() if isinstance(body, str) else orjson.dumps(body),
    )
