"""The pytest plugin: tests answered from cassettes, by a marker or a fixture.

Imported by pytest in every project that has cachesaver installed, so it imports nothing of ours before a
test asks for it, and adds no option that is there already: `--record-mode` and `--block-network` may be
pytest-recording's, or the project's own, and ours heed them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from cachesaver import pytest_vcr

if TYPE_CHECKING:
    from cachesaver.recording import Cassette

__all__ = ["cassette"]

_MODES = ("none", "once", "new_episodes", "all", "rewrite")

_OPTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "--record-mode": {
        "choices": _MODES,
        "help": "what cassettes record: none (default), once, new_episodes, all or rewrite",
    },
    "--block-network": {
        "action": "store_true",
        "help": "let tests connect to no host but those allowed, except while a cassette is recorded",
    },
    "--allowed-hosts": {
        "help": "regular expressions, separated by commas, of hosts that --block-network allows",
    },
    **pytest_vcr.OPTIONS,
}

_Kind = Literal["bool", "linelist", "string"]

_SETTINGS: Final[tuple[tuple[str, str, _Kind, object], ...]] = (
    # name, what it means, type, default
    ("cachesaver_record_mode", "as --record-mode", "string", "none"),
    (
        "cachesaver_cassette_dir",
        "where cassettes lie, seen from the folder of a test (default: cassettes)",
        "string",
        "cassettes",
    ),
    ("cachesaver_block_network", "as --block-network", "bool", False),
    ("cachesaver_allowed_hosts", "as --allowed-hosts, one a line", "linelist", []),
    pytest_vcr.SETTING,
)

_CASSETTE: pytest.StashKey[Cassette] = pytest.StashKey()
_OWNERS: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""Which test has which file, by the file's name without case."""
_UNUSED: pytest.StashKey[dict[str, int]] = pytest.StashKey()
"""How many answers of a cassette were never given, by its path."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hook of pytest-recording, where that does not."""
    pytest_vcr.add_hooks(pluginmanager)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our settings."""
    for name, told, kind, default in _SETTINGS:
        parser.addini(name, told, type=kind, default=default)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> Generator[None]:
    """Add the options that nobody else has added: now all plugins and the project have theirs."""
    yield
    known = vars(parser.parse_known_args(args, namespace=argparse.Namespace()))
    group = parser.getgroup("cachesaver", "cassettes of provider calls")
    for option, attributes in _OPTIONS.items():
        if option.strip("-").replace("-", "_") not in known:
            group.addoption(option, **attributes)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "cassette(path, *, record_mode, exhausted, **options): answer the provider calls of this "
        "test from a cassette; see cachesaver.use_cassette",
    )
    config.addinivalue_line(
        "markers",
        "block_network(allowed_hosts=[...]): let this test connect to no host but those that match "
        "one of these regular expressions",
    )
    config.stash[_OWNERS] = {}
    config.stash[_UNUSED] = {}
    pytest_vcr.take_over(config)


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """The cassette of this test: everything it asks a provider is answered from it.

    The marker `cassette` takes what `cachesaver.use_cassette` takes; without a path it is
    `cassettes/MODULE/TEST.cassette` beside the test.
    """
    from cachesaver.pytesting.network import kept_in
    from cachesaver.recording import use_cassette

    item = _item(request)
    marker = item.get_closest_marker("cassette")
    arguments = marker.args if marker else ()
    options: dict[str, Any] = {"record_mode": _record_mode(item.config)}
    options |= marker.kwargs if marker else {}
    path = _path(item, str(arguments[0]) if arguments else "")
    with use_cassette(path, **options) as used:
        item.stash[_CASSETTE] = used
        with kept_in(used.session):
            yield used
    if unused := len(used.store.unused):
        item.config.stash[_UNUSED][str(path)] = unused


@pytest.fixture(autouse=True)
def _by_marker(request: pytest.FixtureRequest) -> Iterator[None]:
    item, names = request.node, request.fixturenames
    if "cassette" in names or item.get_closest_marker("cassette") is not None:
        request.getfixturevalue("cassette")
    if pytest_vcr.blocks(item) or not _is_blocked(item):
        yield
        return
    from cachesaver.pytesting.network import allowed_hosts, blocked, lifted

    if _records(item):
        lifted(request)
        yield
        return
    with blocked(allowed_hosts(item)):
        yield


def _is_blocked(item: pytest.Item) -> bool:
    return bool(
        item.config.getoption("block_network", default=False)
        or item.config.getini("cachesaver_block_network")
        or item.get_closest_marker("block_network")
    )


def _records(item: pytest.Item) -> bool:
    """Tell whether the cassette of *item* records: as in pytest-recording, whatever is there."""
    used = item.stash.get(_CASSETTE, None)
    return used is not None and used.record_mode != "none"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a miss be seen even where the program, or an SDK, swallowed what it raised."""
    try:
        result = yield
    except BaseException:
        _tell(item)
        raise
    if misses := _misses(item):
        pytest.fail(
            f"a question was not answered, and nobody said so:\n\n{misses[0]}", pytrace=False
        )
    return result


def pytest_unconfigure() -> None:
    """Let the threads go that outlived their tests."""
    if network := sys.modules.get("cachesaver.pytesting.network"):
        network.forget()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the cassettes that hold what no test asked for."""
    unused = config.stash[_UNUSED]
    if not unused:
        return
    terminalreporter.section("cassettes")
    for path, count in sorted(unused.items()):
        answers = "1 answer was" if count == 1 else f"{count} answers were"
        terminalreporter.write_line(f"{_shown(config, path)}: {answers} never asked for")


def _item(request: pytest.FixtureRequest) -> pytest.Item:
    node: Any = request.node
    if not isinstance(node, pytest.Item):
        raise pytest.UsageError(
            "the fixture 'cassette' is for single tests: its scope is 'function'"
        )
    return node


def _record_mode(config: pytest.Config) -> str:
    given = config.getoption("record_mode", default=None)
    return str(given or config.getini("cachesaver_record_mode"))


def _path(item: pytest.Item, named: str) -> Path:
    """Return where the cassette of *item* lies: as *named*, or by the name of the test."""
    from cachesaver.cassettes.names import file_name

    folder = item.path.parent / str(item.config.getini("cachesaver_cassette_dir"))
    if named:
        given = Path(named)
        return given if given.is_absolute() or given.parent != Path() else folder / given
    _, _, test = item.nodeid.partition("::")
    path = folder / item.path.stem / file_name(test.replace("::", "."))
    owners = item.config.stash[_OWNERS]
    owner = owners.setdefault(str(path).casefold(), item.nodeid)
    if owner != item.nodeid:
        raise pytest.UsageError(
            f"{item.nodeid} and {owner} would share the cassette {path}; "
            "name one of them: @pytest.mark.cassette('another')"
        )
    return path


def _misses(item: pytest.Item) -> tuple[Exception, ...]:
    used = item.stash.get(_CASSETTE, None)
    return () if used is None else used.session.misses


def _tell(item: pytest.Item) -> None:
    for miss in _misses(item):
        item.add_report_section("call", "cachesaver", str(miss))


def _shown(config: pytest.Config, path: str) -> str:
    try:
        return str(Path(path).relative_to(config.rootpath))
    except ValueError:
        return path
