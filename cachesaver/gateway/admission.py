"""Who may speak to the gateway at all: its own machine's programs, no web page, and who has the key.

Pure: decides on headers. A web page can make a browser on this machine send requests here (CSRF), and
by a name that it lets point to 127.0.0.1 also read the answers (DNS rebinding): a browser says in
`Origin`, `Sec-Fetch-Site` and `Host` that it does.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass, field

from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Headers, get_header
from cachesaver.gateway.refusals import Refusal

__all__ = ["Admission", "is_loopback"]

_SHORTEST = 16
"""Characters of a key: fewer can be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The rule of one gateway.

    Attributes:
        key: That every request must bring; empty: none.
    """

    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, listen: str, key: str | None) -> Admission:
        """Return the rule for a gateway that listens at *listen*.

        Raises:
            ConfigurationError: Others than this machine could use it without a key, or the key
                could be guessed.
        """
        if key and (
            len(key) < _SHORTEST or not key.isascii() or not key.isprintable() or " " in key
        ):
            raise ConfigurationError(
                f"the key of the gateway must be {_SHORTEST} or more printable ASCII characters without "
                "blanks: have one made by `openssl rand -hex 16`"
            )
        if not key and not is_loopback(listen):
            raise ConfigurationError(
                f"a gateway that listens at {listen} answers everybody who reaches this machine: give it "
                "a key, in CACHESAVER_GATEWAY_KEY or by --key, or let it listen at 127.0.0.1"
            )
        return cls(key=key or "")

    def check_sender(self, headers: Headers) -> None:
        """Refuse what a browser sends for a web page.

        Raises:
            Refusal: 403.
        """
        site = get_header(headers, "sec-fetch-site") or "none"
        if get_header(headers, "origin") is not None or site not in ("none", "same-origin"):
            raise Refusal(403, "web_page", _WEB_PAGE)
        # Who has the key may call us as he likes: no web page has it.
        if not self.key and not _is_of_loopback(get_header(headers, "host")):
            raise Refusal(403, "wrong_host", _WRONG_HOST)

    def check_key(self, given: str) -> None:
        """Refuse who brings another key than ours, in a time that does not tell how close it was.

        Raises:
            Refusal: 401.
        """
        if self.key and not hmac.compare_digest(given.encode(), self.key.encode()):
            raise Refusal(401, "wrong_key", _WRONG_KEY)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach *host*: an address of loopback, or `localhost`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_of_loopback(said: str | None) -> bool:
    """Tell whether the `Host` field *said* is one that a program of this machine would send."""
    if said is None:  # HTTP/1.0, which browsers do not speak
        return True
    host, colon, port = said.lower().rpartition(":")
    return is_loopback(host if colon and port.isdecimal() else said.lower())


_WEB_PAGE = (
    "this gateway answers programs, not web pages: the request comes from a page in a browser"
)
_WRONG_HOST = (
    "this gateway is called by a name that is not this machine's: reach it at 127.0.0.1 or localhost, or "
    "start it with a key"
)
_WRONG_KEY = (
    "this gateway wants its key: send it as the header x-cachesaver-key, "
    "or begin the path with /key/KEY/"
)
