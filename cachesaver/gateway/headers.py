"""Which headers a gateway hands on (RFC 9110, section 7.6.1), in both directions. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from cachesaver.dialects.routing import FIRST_INDEX
from cachesaver.encoding import decoder_for
from cachesaver.exchange import Headers, without_headers

__all__ = ["HOP_BY_HOP", "end_to_end", "for_upstream", "with_status"]

HOP_BY_HOP = frozenset(
    {
        # RFC 9110, section 7.6.1: of one connection, and not to be handed on
        *("connection", "proxy-connection", "keep-alive", "te", "transfer-encoding", "upgrade"),
        # RFC 9110, section 6.6.2: what it announces is lost where a message is framed anew
        "trailer",
        # RFC 9110, section 11.7: between a client and its proxy
        *("proxy-authenticate", "proxy-authorization", "proxy-authentication-info"),
        # RFC 7540, section 3.2.1: goes with `Upgrade: h2c`
        "http2-settings",
    }
)

_SET_ANEW = frozenset({"host", "content-length", "expect"})
"""Of a request: the next connection has its own. `Expect` has been met by who read the body."""


def end_to_end(headers: Headers) -> Headers:
    """Return *headers* less those of one connection, the ones that `Connection` names included."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    }
    # What frames a message, or says whom it is for, is not for a sender to take away.
    return without_headers(headers, HOP_BY_HOP | (named - {"content-length", "host"}))


def for_upstream(headers: Headers, *, decodable: bool) -> Headers:
    """Return what of a client's *headers* goes to the provider.

    Where the answer is to be stored (*decodable*), only content codings are asked for that can be
    taken off here; the answer is passed on in the coding it comes in.
    """
    ours = {name.lower() for name, _ in headers if name.lower().startswith("x-cachesaver-")}
    # Where it is to be stored it asks for certain samples; who answers is told where that is known.
    kept = without_headers(
        end_to_end(headers), _SET_ANEW | (ours - {FIRST_INDEX} if decodable else ours)
    )
    if not decodable:
        return kept
    return tuple(
        (name, _decodable(value) if name.lower() == "accept-encoding" else value)
        for name, value in kept
    )


def _decodable(accepted: str) -> str:
    """Return the codings of *accepted* that we can take off; `*` says none that we need."""
    codings = (each.strip() for each in accepted.split(","))
    return ", ".join(each for each in codings if each and _is_decodable(each)) or "identity"


def _is_decodable(coding: str) -> bool:
    name = coding.partition(";")[0].strip()
    return name != "*" and decoder_for((("content-encoding", name),)) is not None


def with_status(headers: Headers) -> Headers:
    """Return *headers* with a `Cache-Status` (RFC 9211) of ours, if no one has said it yet."""
    said: Iterable[str] = (value for name, value in headers if name.lower() == "cache-status")
    if any(value.startswith("cachesaver;") for value in said):
        return headers
    return (*headers, ("cache-status", "cachesaver; fwd=bypass"))
