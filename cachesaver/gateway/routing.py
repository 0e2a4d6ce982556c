"""Where a call is to go and how it is to be drawn, as the path and the headers of a request say it.

    /[ns/NAME/][replicate/NUMBER/][run/ID/][id/NAME/][key/KEY/] PROVIDER/path?query
    /[...]                                                      https/HOST[:PORT]/path?query

The parts in front come in any order, each once, and headers say the same (`x-cachesaver-namespace`),
both percent-encoded; what stands behind the provider or the host goes on as it came, byte by byte.
Pure: nothing is looked up or opened here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote

from cachesaver.errors import ConfigurationError
from cachesaver.exchange import Headers, get_header
from cachesaver.gateway.providers import RESERVED, Provider, is_known, named, of_origin
from cachesaver.gateway.refusals import Refusal
from cachesaver.relaying import DRAWS, MOST

__all__ = ["Map", "Route", "checked_origin", "checked_pattern", "is_pattern"]

_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        # a part of the path: the header that says the same, and wins
        "ns": "x-cachesaver-namespace",
        "replicate": "x-cachesaver-replicate",
        "run": "x-cachesaver-run",
        "id": "x-cachesaver-request-id",
        "key": "x-cachesaver-key",
    }
)

_PORTS: Mapping[str, str] = MappingProxyType({"http": "80", "https": "443"})

_ADDRESS = re.compile(
    r"(?P<host>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
"""A host in lower case and perhaps a port. No userinfo, no escapes, no dot at the end: what could be
read in two ways is not read at all."""

_PATTERN = re.compile(rf"(?:\*\.)?(?:{_ADDRESS.pattern})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one request says.

    Attributes:
        origin: Scheme, host and port (not the scheme's own) that the call is for.
        target: Path and query there, percent-encoded as they came.
        provider: Whom *origin* belongs to, where that is known.
        namespace: To draw in; empty: the gateway's.
        replicate: As it was spelled; empty: the gateway's.
        run: To draw in; empty: the gateway's.
        request_id: What the draws are called; empty: by the order of arrival.
        draws: Their ids, from a process that has named them itself; empty: it has not.
        key: That the caller brings; empty: none.
    """

    origin: str
    target: str
    provider: Provider | None = None
    namespace: str = ""
    replicate: str = ""
    run: str = ""
    request_id: str = ""
    draws: tuple[str, ...] = ()
    key: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The URL of a direct call."""
        return self.origin + self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """Which way leads where.

    Attributes:
        upstreams: Origins, perhaps with a path, that stand behind a provider's name instead of its own.
        allowed: Patterns that `checked_pattern` let pass: hosts that may be called by address.
    """

    upstreams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    allowed: tuple[str, ...] = ()

    def route(self, path: str, query: str, headers: Headers) -> Route:
        """Return the route of a request.

        Args:
            path: As it came, percent-encoded.
            query: As it came, without the question mark.
            headers: Of the request.

        Raises:
            Refusal: It leads nowhere, or where nobody may go.
        """
        if not path.startswith("/"):
            raise Refusal(400, "absolute", _ABSOLUTE)
        said, rest = _taken(path)
        for part, name in _HEADERS.items():
            if value := get_header(headers, name):
                said[part] = value if part == "key" else unquote(value)
        origin, provider, path = self._found(rest)
        return Route(
            origin=origin,
            target=(path or "/") + (f"?{query}" if query else ""),
            provider=provider,
            namespace=said.get("ns", ""),
            replicate=said.get("replicate", ""),
            run=said.get("run", ""),
            request_id=said.get("id", ""),
            draws=_draws(headers),
            key=said.get("key", ""),
        )

    def _found(self, rest: str) -> tuple[str, Provider | None, str]:
        """Return origin, provider and path of what stands behind the parts in front."""
        name, slash, behind = rest.removeprefix("/").partition("/")
        if name in _PORTS:
            address, slash, behind = behind.partition("/")
            origin = self._permitted(name, address)
            return origin, of_origin(origin), slash + behind
        provider = named(name)
        base = self.upstreams.get(name) or (provider.origin if provider else "")
        if not base:
            raise Refusal(404, "no_provider", _NO_PROVIDER)
        scheme, _, host_and_path = base.partition("://")
        host, cut, front = host_and_path.rstrip("/").partition("/")
        return f"{scheme}://{host}", provider, cut + front + slash + behind

    def _permitted(self, scheme: str, address: str) -> str:
        """Return the origin of *address*, if calls may go there."""
        found = _ADDRESS.fullmatch(address.lower())
        if found is None:
            raise Refusal(400, "bad_address", _BAD_ADDRESS)
        host, port = found["host"], found["port"] or _PORTS[scheme]
        own = port == _PORTS[scheme]
        known = scheme == "https" and own and is_known(host)
        if not (known or self._is_allowed(scheme, host, port)):
            raise Refusal(
                403,
                "not_allowed",
                f"calls to {host}:{port} over {scheme} are not allowed: this gateway is no open proxy. "
                "Start it with --allow HOST[:PORT] if they should be",
            )
        return f"{scheme}://{host}" + ("" if own else f":{port}")

    def _is_allowed(self, scheme: str, host: str, port: str) -> bool:
        for pattern in self.allowed:
            wanted, wanted_port = _cut(pattern)
            if (wanted_port or _PORTS[scheme]) != port:
                continue
            if wanted == host:
                return True
            # Behind a wildcard may stand any address of the network; only TLS tells who it is.
            if scheme == "https" and wanted.startswith("*.") and host.endswith(wanted[1:]):
                return True
        return False


def _taken(path: str) -> tuple[dict[str, str], str]:
    """Take the parts in front off *path*: what they say, and the rest."""
    said = dict[str, str]()
    while True:
        part, _, behind = path[1:].partition("/")
        if part not in _HEADERS:
            return said, path
        value, slash, rest = behind.partition("/")
        if part in said or not value:
            raise Refusal(400, "bad_path", _BAD_PATH)
        said[part], path = unquote(value), slash + rest


def _draws(headers: Headers) -> tuple[str, ...]:
    """Return the draw ids that a relay says.

    Raises:
        Refusal: Somebody says what a relay does not say.
    """
    said = get_header(headers, DRAWS)
    if said is None:
        return ()
    relayed = bool(get_header(headers, _HEADERS["run"])) and _IDS.fullmatch(said)
    if not relayed or len(said) > _DIGITS * MOST:
        raise Refusal(400, "bad_draws", _BAD_DRAWS)
    return tuple(said[at : at + _DIGITS] for at in range(0, len(said), _DIGITS))


def _cut(pattern: str) -> tuple[str, str]:
    """Host and port of *pattern*; the port is empty where it names none."""
    host, colon, port = pattern.rpartition(":")
    return (pattern, "") if not colon or port.endswith("]") else (host, port)


def checked_pattern(given: str) -> str:
    """Return *given*, a host that calls may go to (`api.acme.test`, `*.acme.test`, `localhost:8000`).

    Raises:
        ConfigurationError: It is none, or an address that no provider has.
    """
    pattern = given.strip().lower()
    if is_pattern(pattern):
        return pattern
    if _PATTERN.fullmatch(pattern) is None:
        raise ConfigurationError(
            f"calls cannot be allowed to {given!r}: give a host and perhaps a port, such as "
            "'api.acme.test', '*.acme.test' or 'localhost:8000', without scheme and path"
        )
    raise ConfigurationError(
        f"calls cannot be allowed to {given!r}: an address of this kind tells the secrets of the "
        "machine, and no provider has one"
    )


def is_pattern(given: str) -> bool:
    """Tell whether `checked_pattern` lets *given*, in lower case, pass."""
    return _PATTERN.fullmatch(given) is not None and not _is_link_local(_cut(given)[0])


def _is_link_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host in _METADATA
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped.is_link_local or mapped.is_multicast or str(mapped) in _METADATA


_METADATA = frozenset({"metadata.google.internal", "metadata", "fd00:ec2::254", "100.100.100.200"})
"""Where clouds tell a machine its secrets, beside the link-local addresses: Google, AWS, Alibaba."""


def checked_origin(name: str, given: str) -> str:
    """Return *given*, an origin and perhaps a path, that calls for the provider *name* are to go to.

    Raises:
        ConfigurationError: It is none, or *name* cannot be one.
    """
    if re.fullmatch(r"[a-z][a-z0-9-]*", name) is None or name in RESERVED:
        raise ConfigurationError(
            f"{name!r} cannot be the name of a provider: use letters, as in 'acme'"
        )
    scheme, mark, rest = given.strip().rstrip("/").partition("://")
    host = rest.partition("/")[0].lower()
    sound = (
        mark and scheme.lower() in _PORTS and _ADDRESS.fullmatch(host) and not set(rest) & set("?#")
    )
    if not sound or _is_link_local(_cut(host)[0]):
        raise ConfigurationError(
            f"the provider {name!r} cannot be at {given!r}: give an address such as "
            "'https://llm.acme.test' or 'http://127.0.0.1:8000/v1', without key and query"
        )
    return (
        f"{scheme.lower()}://{host.removesuffix(':' + _PORTS[scheme.lower()])}{rest[len(host) :]}"
    )


_DIGITS = 64
_IDS = re.compile(rf"(?:[0-9a-f]{{{_DIGITS}}})+", re.ASCII)

_BAD_DRAWS = (
    f"{DRAWS} is for processes that cachesaver runs in, which name their draws themselves: "
    "to name yours, send x-cachesaver-request-id"
)
_ABSOLUTE = (
    "this is a gateway, not a forward proxy: give it as the base URL of a client, not as HTTP_PROXY"
)
_NO_PROVIDER = (
    "no provider is called as the path says: it begins with a provider's name, as in /openai/v1/..., or "
    "with a scheme and a host, as in /https/api.acme.test/v1/..., perhaps after /ns/NAME"
)
_BAD_ADDRESS = (
    "the host in the path cannot be read: write it as in /https/api.acme.test:8443/v1/..."
)
_BAD_PATH = "the path says something twice, or names nothing: write it as in /ns/exp1/openai/v1/..."
