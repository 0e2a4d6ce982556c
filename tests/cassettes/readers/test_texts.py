"""The text of a recording as plain values."""

from __future__ import annotations

import sys

import pytest

from cachesaver.cassettes.readers.texts import documents
from cachesaver.errors import CassetteError, ConfigurationError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"a": [1, 2]}', "c"),
        (b'\xef\xbb\xbf {"a": [1, 2]}', "c.json"),
        (b"a: [1, 2]", "c.yaml"),
        (b"a = [1, 2]", "c.toml"),
    ],
)
def test_json_yaml_and_toml_are_one(text: bytes, name: str) -> None:
    (document,) = documents(text, location=name)

    assert [value for _, value in document.places("a")] == [1, 2]
    assert [value for _, value in document.core_places("a")] == [1, 2]
    assert document.places("b") == []


@pytest.mark.parametrize("text", [b'{"a": ', b"a: [", b"a: \xff", b"\x00"])
def test_what_is_none_of_them_is_one_error(text: bytes) -> None:
    with pytest.raises(CassetteError, match="c is no JSON, YAML or TOML"):
        documents(text, location="c")


def test_without_pyyaml_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'cachesaver\[yaml\]'"):
        documents(b"a: 1", location="c.yaml")
    assert documents(b'{"a": 1}', location="c.json")
