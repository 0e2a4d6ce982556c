"""`cachesaver gateway`: a local reverse proxy that answers from the store, for programs in any language.

Clients are led to it by their base URL:

    cachesaver gateway -n exp1
    export OPENAI_BASE_URL=http://127.0.0.1:8125/openai/v1

The path names the provider (/openai, /anthropic, /gemini ...) or any address that is allowed
(/https/api.acme.test/v1/...), and before it, if need be, how to draw: /ns/NAME, /replicate/NUMBER,
/run/ID, /id/NAME. The headers x-cachesaver-namespace, -replicate, -run and -request-id say the same.
Only programs of this machine are answered, unless --listen says otherwise and a key is given.
Needs the extra: pip install 'cachesaver[gateway]'
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from cachesaver.cli.options import add_session_options, session_options
from cachesaver.errors import ConfigurationError
from cachesaver.stores.processes import is_alive

if TYPE_CHECKING:
    from types import FrameType

    from cachesaver.gateway import Gateway

__all__ = ["BESIDE", "HELP", "KEY", "add_arguments", "run"]

HELP = "answer clients in any language from the store, as a local reverse proxy"

BESIDE = "CACHESAVER_BESIDE"
"""Names the process that a gateway ends with; it then tells its address as JSON, and nothing else."""

KEY = "CACHESAVER_GATEWAY_KEY"

_WATCH = 0.1
"""Seconds between two looks at the process that the gateway ends with."""

_MIB = 1024 * 1024

_OWN = MappingProxyType({"http://0.0.0.0:": "http://127.0.0.1:", "http://[::]:": "http://[::1]:"})
"""Where a gateway listens that listens everywhere, and where this machine finds it."""

_IN_PATHS = "!$&'()*+,;=:@"
"""What a part of a path may have as it is, beside letters and digits (RFC 3986, 3.3)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `cachesaver gateway` takes."""
    add_session_options(parser)
    add = parser.add_argument
    add("--port", type=int, default=8125, help="0 for any that is free (%(default)s)")
    add(
        "--listen", default="127.0.0.1", help="the address to listen at (%(default)s)", metavar="IP"
    )
    add("--key", help=f"what every request must bring; better in {KEY}, where nobody sees it")
    add(
        "--allow",
        action="append",
        default=[],
        help="a further host that may be called by address, such as api.acme.test or localhost:8000",
        metavar="HOST",
    )
    add(
        "--upstream",
        action="append",
        default=[],
        help="where calls for a provider go, by its name in the path",
        metavar="NAME=URL",
    )
    add(
        "--largest-body",
        type=int,
        default=64,
        help="the most MiB of a provider call's body (%(default)s)",
        metavar="MIB",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; 0."""
    from cachesaver.gateway import Gateway

    key = arguments.key or os.environ.get(KEY) or ""
    gateway = Gateway(
        port=arguments.port,
        listen=arguments.listen,
        key=key or None,
        allow=arguments.allow,
        upstreams=dict(_upstream(each) for each in arguments.upstream),
        largest_body=arguments.largest_body * _MIB,
        run=arguments.joined,
        **session_options(arguments),
    )
    try:
        gateway.start()
    except OSError as error:
        where = f"port {arguments.port} of {arguments.listen}"
        message = f"{where} cannot be had ({error.strerror}); try --port 0"
        raise ConfigurationError(message) from error
    _serve(gateway, key)
    return 0


def _upstream(given: str) -> tuple[str, str]:
    name, equals, where = given.partition("=")
    if not equals:
        raise ConfigurationError(f"--upstream {given} names no address: write NAME=https://HOST")
    return name, where


def _serve(gateway: Gateway, key: str) -> None:
    told = _Told()
    beside = os.environ.get(BESIDE, "")
    if beside:
        # The pipe must end here: whoever reads it waits for its end.
        print(json.dumps({"url": gateway.url}), flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        while is_alive(beside) and not told.wait(_WATCH):
            pass
    else:
        print(_directions(gateway.url, gateway.variables(), key), end="", flush=True)
        told.wait()
    told.again = lambda: gateway.stop(at_once=True)
    gateway.stop(at_once=bool(beside))
    session = gateway.session
    if not session.settings.quiet and session.stats().requests:
        said = f"namespace {session.settings.namespace!r}: {session.stats()}"
        print(f"cachesaver: {said}", file=sys.stderr)


class _Told:
    """Waits for the signals that end a program; the second one is in a hurry."""

    def __init__(self) -> None:
        self.again: Callable[[], None] = _nothing
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._heard)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._event.is_set():
            self.again()
        self._event.set()

    def wait(self, seconds: float | None = None) -> bool:
        return self._event.wait(seconds)


def _nothing() -> None:
    """There is nothing to hurry."""


def _directions(url: str, variables: Mapping[str, str], key: str) -> str:
    """Return what to put where, as lines a shell can read; the key stands in none of them."""
    here = _reachable(url)
    words = [f"a gateway listens at {url} (Ctrl-C ends it)"]
    if here != url:
        words.append(
            f"for other machines, put the name or address of this one ({socket.gethostname()}) in "
            f"the place of {here.removeprefix('http://').rpartition(':')[0]}"
        )
    if key:
        words.append(_of_key(key))
    told = {name: here + _front(key) + value.removeprefix(url) for name, value in variables.items()}
    return "".join(
        [
            *(f"# {each}\n" for each in words),
            *(
                f'export {name}="{value}"\n' if key else f"export {name}={value}\n"
                for name, value in told.items()
            ),
        ]
    )


def _reachable(url: str) -> str:
    """Return *url* with an address of this machine, where it has the one that stands for all."""
    return next(
        (own + url[len(every) :] for every, own in _OWN.items() if url.startswith(every)), url
    )


def _front(key: str) -> str:
    return f"/key/${KEY}" if key else ""


def _of_key(key: str) -> str:
    told = f"set {KEY} to its key wherever these lines are read"
    if quote(key, safe=_IN_PATHS) == key:
        return told
    return f"{told}, percent-encoded: as it is, no path can hold it"
