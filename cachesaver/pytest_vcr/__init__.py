"""The marker `vcr`, for suites that were written for pytest-recording or pytest-vcr.

Which of the two we stand for says the ini option `cachesaver_vcr`; by itself we stand for pytest-recording
where neither is installed. Imports nothing of ours before a marked test runs.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any, Final, Literal

import pytest

__all__ = ["OPTIONS", "SETTING", "add_hooks", "blocks", "take_over"]

_PLUGINS: Final = {
    # what we stand for: the package, and the name of its plugin
    "pytest-recording": ("pytest_recording", "recording"),
    "pytest-vcr": ("pytest_vcr", "vcr"),
}
_CHOICES: Final = ("auto", *_PLUGINS, "off")
_MODES: Final = ("once", "new_episodes", "none", "all")

OPTIONS: Final[dict[str, dict[str, Any]]] = {
    # pytest-recording's and pytest-vcr's, beside those that our own cassettes have too
    "--disable-recording": {
        "action": "store_true",
        "help": "run tests marked vcr without their cassettes",
    },
    "--vcr-record": {"choices": _MODES, "help": "as --record-mode, for tests marked vcr"},
    "--disable-vcr": {"action": "store_true", "help": "as --disable-recording"},
    "--cassette-drift": {
        "choices": ("off", "report", "fail"),
        "default": "off",
        "help": "tell of, or fail for, what tests marked vcr send otherwise than it was recorded",
    },
}
SETTING: Final[tuple[str, str, Literal["string"], object]] = (
    "cachesaver_vcr",
    f"whose marker vcr to take: {', '.join(_CHOICES)} (auto: pytest-recording's, where nobody has it)",
    "string",
    "auto",
)

_TAKEN: pytest.StashKey[str] = pytest.StashKey()
"""What `cachesaver_vcr` says, where we have taken the marker."""


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

    config.stash[_TAKEN] = str(config.getini(SETTING[0]))
    plugins.register(_fixtures(chosen), "cachesaver-vcr")
    plugins.register(Reports(config), "cachesaver-vcr-reports")
    for marker in (
        "vcr(*cassettes, **options): answer all HTTP requests of this test from a cassette",
        "default_cassette(name): call the cassette of this test so",
    ):
        config.addinivalue_line("markers", marker)


def blocks(item: pytest.Item) -> bool:
    """Tell whether to block the network in *item* is for the fixtures of pytest-recording."""
    taken = item.config.stash.get(_TAKEN, "")
    marked = item.get_closest_marker("vcr") is not None
    return bool(taken) and (marked or taken != "auto")


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
