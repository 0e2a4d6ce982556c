"""The marker `vcr`, for suites that were written for pytest-recording or pytest-vcr.

Which of the two we stand for says the ini option `cachesaver_vcr`; by itself we stand for pytest-recording
where neither is installed. Imports nothing of ours before a marked test runs.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, Literal

import pytest

__all__ = ["OPTIONS", "SETTING", "add_hooks", "blocks", "offer", "take_over", "takes"]

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
_OFFERED: pytest.StashKey[str] = pytest.StashKey()
"""Whose fixtures are there, or "off"."""
_MARKERS: Final = (
    "vcr(*cassettes, **options): answer all HTTP requests of this test from a cassette",
    "default_cassette(name): call the cassette of this test so",
)


def _comes(plugins: pytest.PytestPluginManager, whose: str) -> bool:
    """Tell whether the plugin *whose* is installed, and not blocked by `-p no:...`."""
    package, name = _PLUGINS[whose]
    return importlib.util.find_spec(package) is not None and not plugins.is_blocked(name)


def add_hooks(plugins: pytest.PytestPluginManager) -> None:
    """Add `pytest_recording_configure`, where pytest-recording does not."""
    if not _comes(plugins, "pytest-recording"):
        from cachesaver.pytest_vcr import hooks

        plugins.add_hookspecs(hooks)


def offer(config: pytest.Config) -> None:
    """Register the fixtures, if the marker is ours: before conftests are read, since the last one wins.

    Raises:
        pytest.UsageError: `cachesaver_vcr` is none of what it can be.
    """
    chosen = _chosen(config)
    config.stash[_OFFERED] = chosen
    if chosen != "off":
        plugins = config.pluginmanager
        plugins.register(_without(_fixtures(chosen), plugins), "cachesaver-vcr")


def take_over(config: pytest.Config) -> None:
    """Take the marker `vcr`, if it is ours to take; all plugins and the project have said theirs.

    Raises:
        pytest.UsageError: `cachesaver_vcr` is none of what it can be.
    """
    if _OFFERED not in config.stash:
        offer(config)
    if "off" in (config.stash[_OFFERED], _chosen(config)) or _is_the_projects(config):
        return
    plugins = config.pluginmanager
    for _, name in _PLUGINS.values():
        if plugins.has_plugin(name):
            plugins.unregister(name=name)
    from cachesaver.pytest_vcr.reports import Reports

    config.stash[_TAKEN] = str(config.getini(SETTING[0]))
    plugins.register(Reports(config), "cachesaver-vcr-reports")
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


def takes(item: pytest.Item) -> bool:
    """Tell whether *item* has the marker `vcr`, and it is ours."""
    if _TAKEN not in item.config.stash or item.get_closest_marker("vcr") is None:
        return False
    return not _is_the_projects(item.config)  # a conftest may have said so since


def blocks(item: pytest.Item) -> bool:
    """Tell whether to block the network in *item* is for the fixtures of pytest-recording."""
    return takes(item) or item.config.stash.get(_TAKEN, "auto") != "auto"


def _is_the_projects(config: pytest.Config) -> bool:
    """Tell whether we were not told to take the marker, and the project registers it itself."""
    if str(config.getini(SETTING[0])).strip().lower() != "auto":
        return False
    theirs = (line for line in config.getini("markers") if line not in _MARKERS)
    return any(re.match(r"vcr\b", line.strip()) for line in theirs)


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


def _without(fixtures: ModuleType, plugins: pytest.PytestPluginManager) -> ModuleType:
    """Return *fixtures* but for those that a plugin (of `-p`, say) has brought before."""
    one: object = vars(fixtures)["vcr"]
    theirs = set(_brought(plugins, type(one))) & vars(fixtures).keys()
    if not theirs:
        return fixtures
    kept = ModuleType(fixtures.__name__)
    vars(kept).update((name, each) for name, each in vars(fixtures).items() if name not in theirs)
    return kept


def _brought(plugins: pytest.PytestPluginManager, kind: type) -> Iterator[str]:
    """Name the fixtures, which are of *kind*, of all plugins but those whose place we take."""
    replaced = [name for _, name in _PLUGINS.values()]
    for plugin_name, plugin in plugins.list_name_plugin():
        if plugin is None or plugin_name in replaced:
            continue
        for holder in (plugin, *type(plugin).__mro__):
            for name, each in [*getattr(holder, "__dict__", {}).items()]:
                if type(each) is kind:
                    yield getattr(each, "name", name)
