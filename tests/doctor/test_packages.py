"""Which clients are installed is told from metadata."""

from __future__ import annotations

import platform
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path
from typing import cast

import httpx

from cachesaver.clients import CLIENTS
from cachesaver.doctor.packages import installed


class Installed(Distribution):
    """A package of a name and a version that requires others."""

    def __init__(self, name: str, version: str, *requires: str) -> None:
        self._name = name
        self._version = version
        self._requires = requires

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        told = Message()
        told["Name"], told["Version"] = self._name, self._version
        for each in self._requires:
            told["Requires-Dist"] = each
        return told

    def read_text(self, filename: str) -> str | None:
        return str(self.metadata) if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def by_name(*found: Installed) -> dict[str, tuple[str, tuple[str, ...]]]:
    told = installed(cast("list[Distribution]", list(found)))
    return {each.name: (each.version, each.users) for each in told}


def test_a_client_is_found_with_those_who_require_it() -> None:
    told = by_name(
        Installed("httpx", "0.28.1"),
        Installed("Requests", "2.34"),
        Installed("zeta", "1", "httpx[http2]>=0.2", "other"),
        Installed("Alpha", "2", "HTTPX ; python_version > '3.8'", "requests (>=2)"),
    )

    assert told["httpx"] == ("0.28.1", ("Alpha 2", "zeta 1"))
    assert told["requests"] == ("2.34", ("Alpha 2",))


def test_what_only_an_extra_requires_is_nobodys() -> None:
    told = by_name(Installed("httpx", "1"), Installed("a", "1", 'httpx>=1; extra == "client"'))

    assert told["httpx"] == ("1", ())


def test_what_is_not_installed_is_not_told_and_python_brings_its_own() -> None:
    told = by_name()

    assert told == {
        name: (platform.python_version(), ()) for name in ("http.client", "urllib.request")
    }


def test_names_are_one_in_all_their_spellings() -> None:
    told = by_name(Installed("urllib3.future", "2"), Installed("x", "1", "urllib3_future"))

    assert told["urllib3-future"] == ("2", ("x 1",))


def test_of_two_of_one_name_the_first_on_the_path_counts() -> None:
    assert by_name(Installed("httpx", "1"), Installed("httpx", "2"))["httpx"][0] == "1"


def test_this_environment_is_told_as_it_is() -> None:
    told = {each.name: each for each in installed()}

    assert told["httpx"].version == httpx.__version__
    assert any(each.startswith("openai ") for each in told["httpx2"].users)
    assert list(told) == [name for name in map(_name, range(len(CLIENTS))) if name in told]


def _name(place: int) -> str:
    return CLIENTS[place].package or CLIENTS[place].imports[0]
