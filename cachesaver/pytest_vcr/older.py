"""The fixtures of pytest-vcr, by its names, over our cassettes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from cachesaver.pytest_vcr import takes
from cachesaver.pytest_vcr.reports import note

if TYPE_CHECKING:
    from cachesaver.vcr import VCR, Cassette

__all__ = ["vcr", "vcr_cassette", "vcr_cassette_dir", "vcr_cassette_name", "vcr_config"]

Options = dict[str, Any]


@pytest.fixture(scope="module")
def vcr_config() -> Options:
    """Options of all cassettes of a project, a folder or a module."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Where the cassettes of a module lie."""
    return str(request.path.parent / "cassettes")


@pytest.fixture
def vcr_cassette_name(request: pytest.FixtureRequest) -> str:
    """What the cassette of the test is called."""
    owner: Any = getattr(request, "cls")  # noqa: B009  # it has no type
    name = str(request.node.name)
    return f"{owner.__name__}.{name}" if owner else name


@pytest.fixture(scope="module")
def vcr(request: pytest.FixtureRequest, vcr_config: Options, vcr_cassette_dir: str) -> VCR:
    """The `VCR` of a module."""
    from cachesaver.vcr import VCR

    options = {
        "cassette_library_dir": vcr_cassette_dir,
        "path_transformer": VCR.ensure_suffix(".yaml"),
        **vcr_config,
        **_told(request),
    }
    return VCR(**options)


@pytest.fixture
def vcr_cassette(
    request: pytest.FixtureRequest, vcr: VCR, vcr_cassette_name: str
) -> Iterator[Cassette]:
    """The cassette of the test."""
    with vcr.use_cassette(vcr_cassette_name, **_told(request)) as used:
        note(request.node, used)
        yield used


def _told(request: pytest.FixtureRequest) -> Options:
    """Return what the nearest marker and the command line say."""
    marker = request.node.get_closest_marker("vcr")
    told: Options = dict(marker.kwargs) if marker else {}
    for name in ("--record-mode", "--vcr-record"):
        if mode := request.config.getoption(name, default=None):
            told["record_mode"] = mode
    if request.config.getoption("--disable-vcr", default=False):
        # Everything goes out, and nothing is kept.
        told |= {"record_mode": "new_episodes", "before_record_response": _forget}
    return told


def _forget(response: object) -> None:
    """Keep no response."""


@pytest.fixture(autouse=True)
def _cachesaver_vcr(request: pytest.FixtureRequest) -> None:
    if takes(request.node):
        request.getfixturevalue("vcr_cassette")
