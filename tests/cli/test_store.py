"""Looking at a store, and finding what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import cachesaver.stores.directory as layout
from cachesaver.cli import main
from cachesaver.cli.opening import existing_store


def test_info_says_where_it_is_and_how_much_it_holds(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["store", "info", "--store", str(filled)])

    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert status == 0
    assert str(filled) in said["store"]
    assert (said["questions"], said["samples"], said["namespaces"]) == ("2", "3", "1")
    assert said["size"].endswith(" MB")


def test_a_sound_store_is_said_to_be(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["store", "verify", "--store", str(filled)])

    assert (status, capsys.readouterr().out) == (0, "every record reads back as it was written\n")


def test_damage_is_named_and_ends_with_1(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given one answer with a flipped bit, when verified, then that sample is named."""
    file = filled / layout.SAMPLES
    with existing_store(str(filled)) as store:
        lists = [list(store.samples(fingerprint)) for fingerprint, _ in store.questions()]
    ((_, only),) = next(samples for samples in lists if len(samples) == 1)
    content, answer = file.read_bytes(), only.response.body
    assert answer in content
    file.write_bytes(content.replace(answer, bytes([answer[0] ^ 1]) + answer[1:]))

    status = main(["store", "verify", "--store", str(filled)])

    said = capsys.readouterr().out
    assert status == 1
    assert said.count("\n") == 1
    assert "sample 0 of " in said
    assert "is damaged: its checksum does not fit." in said


def test_a_file_that_is_no_database_is_damage_too(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (filled / layout.SAMPLES).stat().st_size
    (filled / layout.SAMPLES).write_bytes(b"\1" * size)

    status = main(["store", "verify", "--store", str(filled)])

    assert status == 1
    assert layout.SAMPLES in capsys.readouterr().out
