"""What is recorded is in the file before its buyer has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachesaver.cassettes.files import put_in_order, read
from cachesaver.cassettes.format import Document
from cachesaver.cassettes.recorder import Recorder
from cachesaver.errors import CassetteError
from cachesaver.exchange import Response, Sample

QUESTION = b'{"method": "POST", "url": "https://x.test/v1", "body": {"q": 1}}'


def sample(text: bytes, status: int = 200) -> Sample:
    headers = (("content-type", "text/plain"),)
    return Sample(
        response=Response(status=status, headers=headers, chunks=(text,)), draw=text.hex()
    )


def held(path: Path) -> list[tuple[str, int, int]]:
    """Return what stands in the file, in its order: fingerprint, answers, errors."""
    _, documents = read(path)
    return [(each.fingerprint, len(each.answers), len(each.errors)) for each in documents]


def recorder(path: Path, outdated: dict[str, Document] | None = None) -> Recorder:
    return Recorder(path, outdated or {}, lambda: {"openai": "1"})


def test_nothing_recorded_makes_no_file(tmp_path: Path) -> None:
    one = recorder(tmp_path / "a.cassette")
    one.close()
    one.close()

    assert not one.recorded
    assert list(tmp_path.iterdir()) == []


def test_it_is_on_disk_when_its_buyer_has_it_and_in_order_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.cassette"
    one = recorder(path)

    assert one.answered("b", QUESTION, 0, sample(b"1")).result() == sample(b"1")
    assert held(path) == [("b", 1, 0)]
    one.refused("b", QUESTION, sample(b"no", 429)).result()
    one.answered("a", QUESTION, 0, sample(b"2")).result()
    assert held(path) == [("b", 1, 0), ("b", 0, 1), ("a", 1, 0)]
    assert one.recorded == {"a", "b"}

    one.close()

    assert held(path) == [("a", 1, 0), ("b", 1, 1)]
    assert read(path)[0].clients == {"openai": "1"}


def test_what_is_outdated_goes_where_its_question_was_answered_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    for fingerprint in "abc":
        recorder(path).answered(fingerprint, QUESTION, 0, sample(b"old")).result()
    put_in_order(path, {})
    old = {each.fingerprint: each for each in read(path)[1]}

    again = recorder(path, old)
    again.answered("a", QUESTION, 0, sample(b"new")).result()
    again.refused("b", QUESTION, sample(b"no", 500)).result()
    again.close()

    assert held(path) == [("a", 1, 0), ("b", 1, 1), ("c", 1, 0)]
    assert [each.text for each in read(path)[1] if each.fingerprint == "c"] == [old["c"].text]
    assert b"old" not in next(each.text for each in read(path)[1] if each.fingerprint == "a")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = recorder(tmp_path / "file" / "a.cassette")

    with pytest.raises(CassetteError, match="cannot be written"):
        one.answered("a", QUESTION, 0, sample(b"1")).result()
