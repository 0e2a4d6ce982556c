"""What a command line names."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cachesaver.cli.cassettes.sources import (
    answers,
    cassettes,
    interactions,
    is_store,
    recordings,
)
from cachesaver.errors import CassetteError, ConfigurationError
from recorded import vcrpy


def test_a_store_is_told_by_what_lies_in_it(filled: Path, tmp_path: Path) -> None:
    assert is_store(str(filled))
    assert is_store("lmdb:///a/b")
    assert not is_store(str(tmp_path))
    assert not is_store(str(tmp_path / "nowhere"))


def test_a_folder_is_searched_for_recordings(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.yaml.gz").write_bytes(gzip.compress(vcrpy("x")))
    (tmp_path / "a" / "d.yml").write_bytes(vcrpy("x"))
    (tmp_path / "a" / "e.yaml").write_text("no: recording")
    (tmp_path / "a" / "f.cassette").write_text('{"cachesaver cassette": 1}\n')
    (tmp_path / "a" / "g.txt").write_bytes(vcrpy("x"))
    (tmp_path / "a" / "broken.json").write_text('{"interactions": [')
    (tmp_path / "a" / "broken.yaml").write_text("interactions:\n- request: {")
    (tmp_path / "a" / "mkdocs.yml").write_text("use:\n- x: !!python/name:foo.bar\n")
    (tmp_path / "a" / "tsconfig.json").write_text('{\n // how\n "a": 1}\n')

    found = [path.name for path in recordings([str(tmp_path), str(tmp_path / "a" / "g.txt")])]

    assert found == ["c.yaml.gz", "broken.json", "broken.yaml", "d.yml", "f.cassette", "g.txt"]
    assert [path.name for path in cassettes([str(tmp_path)])] == ["f.cassette"]


def test_a_file_that_is_named_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("no: recording")

    with pytest.raises(CassetteError):
        list(recordings([str(tmp_path / "a.yaml")]))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(cassettes([str(tmp_path / "b.cassette")]))


def test_stores_and_recordings_have_answers_and_interactions(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(vcrpy("x", "y"))

    assert len(answers(str(filled))) == len(interactions(str(filled))) == 3
    assert len(answers(str(tmp_path / "a.yaml"))) == 2
    assert len(interactions(str(tmp_path / "a.yaml"))) == 3
