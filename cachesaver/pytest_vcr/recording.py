"""The fixtures of pytest-recording, by its names, over our cassettes.

A project's own fixtures of these names take their place, as they take those of pytest-recording.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from cachesaver.pytest_vcr import blocks, takes
from cachesaver.pytest_vcr.reports import note

if TYPE_CHECKING:
    from cachesaver.vcr import Cassette

__all__ = [
    "allowed_hosts",
    "block_network",
    "default_cassette_name",
    "disable_recording",
    "record_mode",
    "vcr",
    "vcr_cassette_dir",
    "vcr_config",
    "vcr_markers",
]

Options = dict[str, Any]

_FORBIDDEN: Final = "<>?%*:|\"'/\\"
"""What is a hyphen in the name of a cassette."""
_LONGEST: Final = 255
"""Bytes of a file's name."""


@pytest.fixture(scope="session")
def record_mode(pytestconfig: pytest.Config) -> str:
    """What `--record-mode` says; "none" by itself."""
    return str(_option(pytestconfig, "--record-mode") or "none")


@pytest.fixture(scope="session")
def disable_recording(pytestconfig: pytest.Config) -> bool:
    """Whether tests run without their cassettes."""
    return any(_option(pytestconfig, name) for name in ("--disable-recording", "--disable-vcr"))


@pytest.fixture
def vcr_config() -> Options:
    """Options of all cassettes of a project, a folder or a module."""
    return {}


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Where the cassettes of a module lie."""
    return str(request.path.parent / "cassettes" / request.path.stem)


@pytest.fixture
def vcr_markers(request: pytest.FixtureRequest) -> list[pytest.Mark]:
    """All markers `vcr` of the test, the nearest first."""
    return list(request.node.iter_markers(name="vcr"))


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """What the cassette of the test is called."""
    marker = request.node.get_closest_marker("default_cassette")
    if marker is None:
        return _name(getattr(request, "cls"), request.node.name)  # noqa: B009  # it has no type
    if not marker.args:
        raise pytest.UsageError("say the name: @pytest.mark.default_cassette('name.yaml')")
    return str(marker.args[0])


def _name(owner: Any, test: str) -> str:
    name = f"{owner.__name__}.{test}" if owner else test
    return name.translate(dict.fromkeys(map(ord, _FORBIDDEN), "-"))


@pytest.fixture
def allowed_hosts(request: pytest.FixtureRequest) -> list[str] | None:
    """Regular expressions of hosts that are not blocked: the marker's, the option's, the project's."""
    marker = request.node.get_closest_marker("block_network")
    told = (
        (marker.kwargs.get("allowed_hosts") if marker else None)
        or _option(request.config, "--allowed-hosts")
        or request.getfixturevalue("vcr_config").get("allowed_hosts")
    )
    return told.split(",") if isinstance(told, str) else told


@pytest.fixture
def block_network(
    request: pytest.FixtureRequest, record_mode: str, vcr_markers: list[pytest.Mark]
) -> Iterator[None]:
    """Block the network, if marker or option say so, and nothing is to be recorded."""
    if vcr_markers and _option(request.config, "--record-mode") is None:
        merged = _merged(request.getfixturevalue("vcr_config"), vcr_markers)
        record_mode = merged.get("record_mode", "none")
    if not _is_blocked(request) or (vcr_markers and record_mode != "none"):
        yield
        return
    from cachesaver.vcr.network import blocked

    with blocked(request.getfixturevalue("allowed_hosts")):
        yield


def _is_blocked(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("block_network")
    if marker is not None and (marker.args or not marker.kwargs.keys() <= {"allowed_hosts"}):
        raise pytest.UsageError(
            "block_network takes allowed_hosts=[...] and nothing else; "
            f"got {marker.args!r} and {marker.kwargs!r}"
        )
    return marker is not None or bool(_option(request.config, "--block-network"))


@pytest.fixture
def vcr(
    request: pytest.FixtureRequest,
    vcr_markers: list[pytest.Mark],
    vcr_cassette_dir: str,
    record_mode: str,
    disable_recording: bool,  # noqa: FBT001  # a fixture's value
) -> Iterator[Cassette | None]:
    """The cassette of the test; None where it is not marked `vcr`."""
    if disable_recording or not vcr_markers:
        with nullcontext():
            yield None
        return
    config = request.getfixturevalue("vcr_config")
    name = request.getfixturevalue("default_cassette_name")
    options = _merged(config, vcr_markers)
    mode = options.pop("record_mode", record_mode)
    with _block(
        request, vcr_markers, vcr_cassette_dir, _short(name, options), mode, options
    ) as used:
        note(request.node, used)
        yield used


def _block(
    request: pytest.FixtureRequest,
    markers: Sequence[pytest.Mark],
    folder: str,
    name: str,
    mode: str,
    options: Options,
) -> Any:
    """Return the block over the cassette *name* in *folder*; *mode* "rewrite" removes it first."""
    from cachesaver.vcr import VCR
    from cachesaver.vcr.files import FilesystemPersister

    ensure = VCR.ensure_suffix(f".{options.get('serializer', 'yaml')}")
    if mode == "rewrite":
        Path(ensure(os.path.join(folder, name))).unlink(missing_ok=True)  # noqa: PTH118  # as VCR joins
        mode = "new_episodes"
    recorder = VCR(path_transformer=ensure, cassette_library_dir=folder, record_mode=mode)
    extra = [os.path.join(folder, path) for mark in markers for path in mark.args]  # noqa: PTH118
    recorder.register_persister(FilesystemPersister(extra))
    request.config.hook.pytest_recording_configure(config=request.config, vcr=recorder)
    return recorder.use_cassette(name, **options)


def _merged(config: Options, markers: Sequence[pytest.Mark]) -> Options:
    """Return the options of *config* and *markers*, of which the nearest says the last word."""
    merged = deepcopy(config)
    for marker in reversed(markers):
        merged.update(marker.kwargs)
    return merged


def _short(name: str, options: Options) -> str:
    """Return *name* as pytest-recording shortens what no file can be called."""
    suffix = str(options.get("serializer", ".yaml"))
    if len(name) + len(suffix) <= _LONGEST:
        return name
    told = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"{name[: _LONGEST - len(suffix) - len(told) - 3]}...{told}"


def _option(config: pytest.Config, name: str) -> Any:
    return config.getoption(name, default=None)


# --- of themselves: by names of our own, so that no fixture of a project's is called unasked


@pytest.fixture(autouse=True)
def _cachesaver_block_network(request: pytest.FixtureRequest) -> None:
    if blocks(request.node) and _is_blocked(request):
        request.getfixturevalue("block_network")


@pytest.fixture(autouse=True)
def _cachesaver_vcr(request: pytest.FixtureRequest, _cachesaver_block_network: None) -> None:
    if takes(request.node):
        request.getfixturevalue("vcr")
