"""The marker `vcr`, for suites that were written for pytest-recording or pytest-vcr.

Which of the two we stand for says the ini option `cachesaver_vcr`; by itself we stand for pytest-recording
where neither is installed. Imports nothing of ours before a marked test runs.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any, Final

import pytest

__all__ = ["add_hooks", "add_options", "take_over"]

_PLUGINS: Final = {
    # what we stand for: the package, and the name of its plugin
    "pytest-recording": ("pytest_recording", "recording"),
    "pytest-vcr": ("pytest_vcr", "vcr"),
}
_CHOICES: Final = ("auto", *_PLUGINS, "off")
_MODES: Final = ("once", "new_episodes", "none", "all", "rewrite")

_OPTIONS: Final[dict[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    # whose options: each, with what pytest is to know of it
    "pytest-recording": (
        ("--record-mode", {"choices": _MODES, "default": None, "help": "what cassettes record"}),
        (
            "--block-network",
            {"action": "store_true", "help": "let no socket connect, but where something is recorded"},
        ),
        (
            "--allowed-hosts",
            {"default": None, "help": "regular expressions, by commas, of hosts not to block"},
        ),
        (
            "--disable-recording",
            {"action": "store_true", "help": "run tests marked vcr without their cassettes"},
        ),
    ),
    "pytest-vcr": (
        (
            "--vcr-record",
            {"choices": _MODES[:-1], "default": None, "dest": "vcr_record", "help": "as --record-mode"},
        ),
        (
            "--vcr-record-mode",
            {"choices": _MODES[:-1], "default": None, "dest": "deprecated_vcr_record", "help": "the same"},
        ),
        (
            "--disable-vcr",
            {"action": "store_true", "dest": "disable_vcr", "help": "as --disable-recording"},
        ),
    ),
}


def add_options(parser: pytest.Parser, plugins: pytest.PytestPluginManager) -> None:
    """Add the options of the plugins that will not add them, and ours."""
    group = parser.getgroup("cachesaver", "cassettes of provider calls")
    for whose, options in _OPTIONS.items():
        for name, told in () if _comes(plugins, whose) else options:
            _add(group, name, told)
    group.addoption(
        "--cassette-drift",
        choices=("off", "report", "fail"),
        default="off",
        help="whether to tell, or fail for, what tests marked vcr send otherwise than it was recorded",
    )
    parser.addini(
        "cachesaver_vcr",
        f"whose marker vcr to take: {', '.join(_CHOICES)} (pytest-recording where neither is installed)",
        default="auto",
    )


def _add(group: Any, name: str, told: dict[str, Any]) -> None:
    try:
        group.addoption(name, **told)
    except ValueError:  # it is there, by another part of ours
        return


def _comes(plugins: pytest.PytestPluginManager, whose: str) -> bool:
    """Tell whether the plugin *whose* is installed, and not blocked by `-p no:...`."""
    package, name = _PLUGINS[whose]
    return importlib.util.find_spec(package) is not None and not plugins.is_blocked(name)


def add_hooks(plugins: pytest.PytestPluginManager) -> None:
    """Add `pytest_recording_configure`, where pytest-recording does not."""
    if not _comes(plugins, "pytest-recording"):
        from cachesaver.pytest_vcr import hooks

        plugins.add_hookspecs(hooks)


def take_over(config: pytest.Config) -> None:
    """Take the marker `vcr`, if it is ours to take.

    Raises:
        pytest.UsageError: `cachesaver_vcr` is none of what it can be.
    """
    chosen = _chosen(config)
    if chosen == "off":
        return
    plugins = config.pluginmanager
    for _, name in _PLUGINS.values():
        if plugins.has_plugin(name):
            plugins.unregister(name=name)
    from cachesaver.pytest_vcr.reports import Reports

    plugins.register(_fixtures(chosen), "cachesaver-vcr")
    plugins.register(Reports(config), "cachesaver-vcr-reports")
    for marker in (
        "vcr(*cassettes, **options): answer all HTTP requests of this test from a cassette",
        "default_cassette(name): call the cassette of this test so",
        "block_network(allowed_hosts): let no socket connect, but where something is recorded",
    ):
        config.addinivalue_line("markers", marker)


def _chosen(config: pytest.Config) -> str:
    told = str(config.getini("cachesaver_vcr")).strip().lower()
    chosen = {"true": "pytest-recording", "false": "off"}.get(told, told)
    if chosen not in _CHOICES:
        raise pytest.UsageError(
            f"cachesaver_vcr = {told!r} is unknown; write one of {', '.join(_CHOICES)}."
        )
    if chosen != "auto":
        return chosen
    is_taken = any(config.pluginmanager.has_plugin(name) for _, name in _PLUGINS.values())
    return "off" if is_taken else "pytest-recording"


def _fixtures(chosen: str) -> ModuleType:
    if chosen == "pytest-vcr":
        from cachesaver.pytest_vcr import older

        return older
    from cachesaver.pytest_vcr import recording

    return recording
