"""The environment that leads a program's clients to a gateway. Pure: what to change in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cachesaver.errors import ConfigurationError
from cachesaver.gateway.providers import PROVIDERS
from cachesaver.gateway.routing import checked_origin, checked_pattern

__all__ = ["FOLLOWED", "Plan", "plan"]

FOLLOWED: Mapping[str, str] = MappingProxyType(
    {
        # a base URL that has no default, and so is led here only where it is set: who reads it
        "AZURE_OPENAI_ENDPOINT": "openai 3.57, lib/azure.py",
        "GOOGLE_VERTEX_BASE_URL": "google-genai 3.6, _base_url.py",
        "ANTHROPIC_VERTEX_BASE_URL": "anthropic 2.14, lib/vertex/_client.py",
        "ANTHROPIC_FOUNDRY_BASE_URL": "anthropic 2.14, lib/foundry.py",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a program's environment is to say.

    Attributes:
        allow: Hosts that its own settings send calls to.
        variables: By name, what stands behind the address of the gateway in its value.
    """

    allow: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def environment(self, url: str, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return what to change in the environment *inherited*, given a gateway at *url*.

        A proxy that the environment names must not be asked for what is on this machine.
        """
        told = {name: url + behind for name, behind in self.variables.items()}
        for name in ("NO_PROXY", "no_proxy"):
            known = [host for host in inherited.get(name, "").split(",") if host]
            told[name] = ",".join(dict.fromkeys([*known, "127.0.0.1", "localhost"]))
        upstreams = " ".join(f"{each.name}={each.origin}" for each in PROVIDERS)
        return {**told, "CACHESAVER_GATEWAY": url, "CACHESAVER_UPSTREAMS": upstreams}


def plan(inherited: Mapping[str, str]) -> Plan:
    """Return what to change in the environment *inherited*.

    What it sets already still names the provider: the gateway is told to call there. What cannot be
    called through a gateway (a socket's path, a URL with a key in it) is left alone.
    """
    allow, variables = list[str](), dict[str, str]()
    moved = {provider for name, provider, _ in _known() if inherited.get(name, "").strip()}
    for name, provider, behind in _known():
        given = inherited.get(name, "").strip()
        if not given:
            # Who has told one client of a provider of another address means none of them to go here.
            if behind and provider not in moved:
                variables[name] = behind
            continue
        try:
            scheme, _, rest = checked_origin("given", given).partition("://")
            allow.append(checked_pattern(rest.partition("/")[0]))
        except ConfigurationError:
            continue
        variables[name] = f"/{scheme}/{rest}"
    return Plan(allow=tuple(dict.fromkeys(allow)), variables=variables)


def _known() -> Iterator[tuple[str, str, str]]:
    """All variables, whose they are, and where each leads by default; empty: nowhere."""
    for provider in PROVIDERS:
        for name, behind in provider.variables.items():
            yield name, provider.name, f"/{provider.name}{behind}"
    yield from ((name, name, "") for name in FOLLOWED)
