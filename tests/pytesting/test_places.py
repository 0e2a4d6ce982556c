"""Which file a test has; the plugin's own tests see it from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cachesaver.pytesting.places import claim, name_of, path_of

TESTS = """
import pytest

@pytest.mark.parametrize("x", ["a/b"])
def test_plain(x): ...

@pytest.mark.cassette("shared.cassette")
def test_shared(): ...

@pytest.mark.cassette("beside/other.cassette", exhausted="cycle")
def test_beside(): ...

class TestIt:
    def test_in_class(self): ...
"""


@pytest.fixture
def items(pytester: pytest.Pytester, pytestconfig: pytest.Config) -> dict[str, pytest.Item]:
    known = pytestconfig.pluginmanager.has_plugin("cachesaver")
    plugin = () if known else ("-p", "cachesaver.pytest_plugin")
    pytester.makepyfile(test_it=TESTS)
    inside: Any = pytester
    found, _ = inside.inline_genitems(*plugin)
    return {item.name: item for item in found}


def test_by_the_name_of_the_test_or_as_it_is_named(
    items: dict[str, pytest.Item], pytester: pytest.Pytester
) -> None:
    folder = pytester.path / "cassettes"

    assert {name: path_of(item) for name, item in items.items()} == {
        "test_plain[a/b]": folder / "test_it" / "test_plain[a%2Fb].cassette",
        "test_shared": folder / "shared.cassette",
        "test_beside": Path.cwd() / "beside" / "other.cassette",
        "test_in_class": folder / "test_it" / "TestIt.test_in_class.cassette",
    }
    assert [*map(name_of, items.values())] == ["", "shared.cassette", "beside/other.cassette", ""]


def test_what_has_no_name_is_one_tests_alone(items: dict[str, pytest.Item]) -> None:
    plain, shared = items["test_plain[a/b]"], items["test_shared"]
    owners = {str(path_of(plain)).casefold(): "another"}

    with pytest.raises(pytest.UsageError, match="another would share"):
        claim(plain, owners)
    assert claim(shared, owners) == claim(shared, owners)
    assert claim(plain, {}) == path_of(plain)
