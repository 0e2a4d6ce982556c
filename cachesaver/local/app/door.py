"""Who may ask at all: who has the key, or else a program of this machine, but no web page.

A page in a browser on this machine can send requests here, and by a name that it lets point to 127.0.0.1
also read the answers; a browser says so in `Origin` and `Host`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

from cachesaver.errors import ConfigurationError
from cachesaver.local.app.refusals import Refusal

__all__ = ["Door", "is_loopback"]


class Door:
    """The rule of one application.

    Args:
        key: That requests must bring; `None`: none.
        listen: Where it listens; `None`: nowhere, it is mounted in the process that asks.

    Raises:
        ConfigurationError: Others than this machine could use it without a key.
    """

    def __init__(self, key: str | None, listen: str | None) -> None:
        if not key and listen is not None and not is_loopback(listen):
            raise ConfigurationError(
                f"a model that is served at {listen} answers everybody who reaches this machine: give it a "
                "key by --api-key or CACHESAVER_LOCAL_KEY, or let it listen at 127.0.0.1"
            )
        self._key = key
        self._is_mounted = listen is None

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in.

        Args:
            headers: By lower-case names.

        Raises:
            Refusal: 401, or 403.
        """
        if self._key:
            _check_key(self._key, headers.get("authorization", ""))
        elif not self._is_mounted:
            _check_sender(headers)


def _check_key(key: str, said: str) -> None:
    kind, _, given = said.partition(" ")
    is_ours = hmac.compare_digest(given.strip().encode(errors="replace"), key.encode())
    if kind.lower() != "bearer" or not is_ours:
        message = "incorrect or missing API key: send the one that the server was started with"
        raise Refusal(401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})


def _check_sender(headers: Mapping[str, str]) -> None:
    if "origin" in headers:
        message = (
            "without a key this server answers programs, not web pages: start it with --api-key"
        )
        raise Refusal(403, message, code="web_page")
    if "host" in headers and not is_loopback(_host(headers["host"])):
        message = (
            "this server is called by a name that is not this machine's: reach it at 127.0.0.1 or "
            "localhost, or start it with --api-key"
        )
        raise Refusal(403, message, code="wrong_host")


def _host(said: str) -> str:
    host, colon, port = said.lower().rpartition(":")
    return host if colon and port.isdecimal() else said.lower()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach *host*: an address of loopback, or `localhost`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
