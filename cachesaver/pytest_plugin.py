"""The pytest plugin: tests answered from cassettes, by a marker or a fixture.

Imported by pytest in every project that has cachesaver installed, so it imports nothing of ours before a
test asks for it, and adds no option that is there already: `--record-mode` and `--block-network` may be
pytest-recording's, or the project's own, and ours heed them.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from cachesaver import pytest_vcr

if TYPE_CHECKING:
    from cachesaver.pytesting.leftovers import Uses
    from cachesaver.recording import Cassette

__all__ = ["cassette"]

_MODES = ("none", "once", "new_episodes", "all", "rewrite", "verify")

_OPTIONS: Final[Mapping[str, dict[str, Any]]] = {
    "--record-mode": {
        "choices": _MODES,
        "help": "what cassettes record: none (default), once, new_episodes, all or rewrite; "
        "verify: compare live answers with them",
    },
    "--block-network": {
        "action": "store_true",
        "help": "let tests connect to no host but those allowed, except while a cassette is recorded",
    },
    "--cassette-unused": {
        "metavar": "FILE",
        "help": "write to FILE, as JSON, which answers in cassettes no test was given",
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
    ("cachesaver_max_age", "how old answers of cassettes may be, such as 30d", "string", ""),
    ("cachesaver_on_expiry", "what becomes of older ones: warn, fail, rerecord", "string", "warn"),
    ("cachesaver_block_network", "as --block-network", "bool", False),
    ("cachesaver_allowed_hosts", "as --allowed-hosts, one a line", "linelist", []),
    pytest_vcr.SETTING,
)

_MARKER: Final = (
    "cassette(path, *, record_mode, exhausted, **options): answer the provider calls of this "
    "test from a cassette; see cachesaver.use_cassette"
)

_CASSETTE: pytest.StashKey[Cassette] = pytest.StashKey()
_BEGAN: pytest.StashKey[datetime] = pytest.StashKey()
_BEGIN: Final = "cachesaver_began"
_TOLD: Final = "cachesaver_uses"
_OWNERS: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""Which test has which file, by the file's name without case."""
_PASSED: pytest.StashKey[bool] = pytest.StashKey()
_USES: pytest.StashKey[Uses] = pytest.StashKey()
_STARTED: pytest.StashKey[float] = pytest.StashKey()
_IS_WHOLE: pytest.StashKey[bool] = pytest.StashKey()
"""Whether no test has been left out."""
_PARTIAL: Final = ("ignore", "ignore_glob", "lf", "failedfirst", "stepwise")
"""Options that leave out files, of which `pytest_deselected` is not told, or begin with what failed."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hook of pytest-recording, where that does not."""
    pytest_vcr.add_hooks(pluginmanager)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our settings."""
    for name, told, kind, default in _SETTINGS:
        parser.addini(name, told, type=kind, default=default)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None]:
    """Add fixtures first, and options that nobody else has once all plugins and the project have theirs."""
    pytest_vcr.offer(early_config)
    yield
    known = vars(parser.parse_known_args(args, namespace=argparse.Namespace())).keys() | _names(
        parser
    )
    group = parser.getgroup("cachesaver", "cassettes of provider calls")
    for option, attributes in _OPTIONS.items():
        if known.isdisjoint({option, option.strip("-").replace("-", "_")}):
            group.addoption(option, **attributes)


def _names(parser: pytest.Parser) -> set[str]:
    """Return how options are written, whatever their values are called; not told in public."""
    groups: Any = getattr(parser, "_groups")  # noqa: B009
    return {name for group in groups for option in group.options for name in option.names()}


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)
    config.addinivalue_line(
        "markers",
        "block_network(allowed_hosts=[...]): let this test connect to no host but those that match "
        "one of these regular expressions",
    )
    config.stash[_BEGAN] = _began(config)
    config.stash[_OWNERS] = {}
    config.stash[_IS_WHOLE] = True
    config.stash[_STARTED] = time.monotonic()
    pytest_vcr.take_over(config)


def _began(config: pytest.Config) -> datetime:
    """Return when this run of tests began, to the millisecond as answers are; workers are told."""
    told = getattr(config, "workerinput", {}).get(_BEGIN)
    now = datetime.now(UTC)
    return (
        datetime.fromisoformat(told)
        if told
        else now.replace(microsecond=now.microsecond // 1000 * 1000)
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist when the run began."""
    node.workerinput[_BEGIN] = node.config.stash[_BEGAN].isoformat()


@pytest.fixture
def cassette(_cachesaver_cassette: Cassette) -> Cassette:
    """The cassette of this test: everything it asks a provider is answered from it.

    The marker `cassette` takes what `cachesaver.use_cassette` takes; without a path it is
    `cassettes/MODULE/TEST.cassette` beside the test.
    """
    return _cachesaver_cassette


@pytest.fixture
def _cachesaver_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    from cachesaver.pytesting.network import kept_in
    from cachesaver.pytesting.places import claim
    from cachesaver.recording import use_cassette

    item = _item(request)
    marker = item.get_closest_marker("cassette")
    options = {**_settings(item.config), **(marker.kwargs if marker else {})}
    made = use_cassette(claim(item, item.config.stash[_OWNERS]), **options)
    made.since = item.config.stash[_BEGAN]
    with made as used:
        item.stash[_CASSETTE] = used
        with kept_in(used.session):
            yield used
    _uses(item.config).note(item.nodeid, used.store, passed=item.stash.get(_PASSED, False))


@pytest.fixture(autouse=True)
def _by_marker(request: pytest.FixtureRequest) -> Iterator[None]:
    item = request.node
    if _has_cassette(item):
        request.getfixturevalue("_cachesaver_cassette")  # and none of the project's before its turn
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
    if drift := _drift(item):
        pytest.fail(str(drift), pytrace=False)
    return result


def pytest_unconfigure() -> None:
    """Let the threads go that outlived their tests."""
    if network := sys.modules.get("cachesaver.pytesting.network"):
        network.forget()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests came to their end."""
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Note that tests were left out; pytest's own `--lf` says so of none, too."""
    if items:
        items[0].config.stash[_IS_WHOLE] = False


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which tests have cassettes, and where cassettes lie."""
    if not any(map(_has_cassette, session.items)):
        return
    from cachesaver.pytesting.places import folder_of, name_of, path_of

    uses = _uses(session.config)
    uses.is_whole = session.config.stash[_IS_WHOLE] and not session.testsfailed
    for item in session.items:
        uses.folders.add(str(folder_of(item)))
        if _has_cassette(item):
            uses.owns(item.nodeid, path_of(item))
            uses.named |= {str(path_of(item))} if name_of(item) else set()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what a worker of xdist noted to its controller; write it down where it was asked for."""
    config = session.config
    if (uses := config.stash.get(_USES, None)) is not None:
        if (recording := sys.modules.get("cachesaver.recording")) is not None:
            began = config.stash[_STARTED]  # other runs there may have been in this process
            uses.opened.update(path for path, at in recording.OPENED.items() if at >= began)
        if (output := getattr(config, "workeroutput", None)) is not None:
            output[_TOLD] = uses.told()
        else:
            uses.is_whole = uses.is_whole and _takes_all(config)
    file = config.getoption("cassette_unused", default=None)
    if file and not hasattr(config, "workeroutput"):
        from cachesaver.pytesting.leftovers import write

        write(Path(file), _uses(config).unused(), config.invocation_params.dir)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what a worker of xdist noted."""
    if told := getattr(node, "workeroutput", {}).get(_TOLD):
        _uses(node.config).add(told)


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Name the answers and the cassettes that no test asks for."""
    uses = config.stash.get(_USES, None)
    if uses is None or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return
    lines = [
        f"{_shown(config, path)}: {len(left)} answer{'s were' if len(left) > 1 else ' was'} never asked for"
        for path, left in uses.unused().items()
    ]
    lines += [f"{_shown(config, each)}: no test has this cassette" for each in uses.orphans()]
    if lines:
        terminalreporter.section("cassettes")
        terminalreporter.write("".join(f"{line}\n" for line in lines))


def _uses(config: pytest.Config) -> Uses:
    from cachesaver.pytesting.leftovers import Uses

    return config.stash.setdefault(_USES, Uses())


def _takes_all(config: pytest.Config) -> bool:
    """Tell whether the command line names no part of the project, nor what it was when it last ran."""
    source = config.args_source
    is_home = config.invocation_params.dir == config.rootpath
    asks_all = source is config.ArgsSource.TESTPATHS or (
        source is config.ArgsSource.INVOCATION_DIR and is_home
    )
    return asks_all and not any(config.getoption(each, default=None) for each in _PARTIAL)


def _has_cassette(item: pytest.Item) -> bool:
    """Tell whether *item* has our marker, or our fixture, which a project's own may take the place of."""
    is_marked = item.get_closest_marker("cassette") is not None
    if not is_marked and "cassette" not in getattr(item, "fixturenames", ()):
        return False
    return _is_ours(item) or (is_marked and not _is_the_projects(item.config))


def _is_ours(item: pytest.Item) -> bool:
    """Tell whether the fixture `cassette` of *item* is ours, or made of it."""
    known: Any = getattr(item.session, "_fixturemanager")  # noqa: B009
    for each in reversed(known.getfixturedefs("cassette", item) or ()):
        if each.func.__module__ == __name__:
            return True
        if "cassette" not in each.argnames:
            break
    return False


def _is_the_projects(config: pytest.Config) -> bool:
    """Tell whether the project registers a marker `cassette` of its own."""
    lines = (line for line in config.getini("markers") if line != _MARKER)
    return any(re.match(r"cassette\b", line.strip()) for line in lines)


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


def _settings(config: pytest.Config) -> dict[str, Any]:
    """Return the options of `use_cassette` that the project has set for all its tests."""
    return {
        "record_mode": _record_mode(config),
        "max_age": config.getini("cachesaver_max_age") or None,
        "on_expiry": config.getini("cachesaver_on_expiry"),
    }


def _misses(item: pytest.Item) -> tuple[Exception, ...]:
    used = item.stash.get(_CASSETTE, None)
    return () if used is None else used.session.misses


def _drift(item: pytest.Item) -> Exception | None:
    used = item.stash.get(_CASSETTE, None)
    return None if used is None else used.drift()


def _tell(item: pytest.Item) -> None:
    if drift := _drift(item):
        item.add_report_section("call", "cachesaver", str(drift))
    for miss in _misses(item):
        item.add_report_section("call", "cachesaver", str(miss))


def _shown(config: pytest.Config, path: str) -> str:
    try:
        return str(Path(path).relative_to(config.rootpath))
    except ValueError:
        return path
