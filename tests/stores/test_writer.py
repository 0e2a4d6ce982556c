from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from cachesaver.errors import StoreError
from cachesaver.exchange import Response, Sample
from cachesaver.stores import keys, session, upkeep
from cachesaver.stores.entries import Transaction, read_index, write_fresh
from cachesaver.stores.session import Session, open_session
from cachesaver.stores.testing import F, a_sample
from cachesaver.stores.writer import Filling

T = TypeVar("T")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Session]:
    found = open_session(tmp_path)
    yield found
    session.close(found)


def filling(index: int, sample: Sample | None = None) -> Filling:
    return Filling(
        fingerprint=F,
        index=index,
        token="0" * 32,
        sample=sample or a_sample(str(index)),
        question=b"{}",
    )


def remember(opened: Session, key: bytes, number: int) -> None:
    def work(claims: Transaction, _: Transaction) -> None:
        write_fresh(claims, key[keys.HEAD :], {key[: keys.HEAD]: number})

    opened.claim(work)


def mirrored(opened: Session, key: bytes) -> int | None:
    return opened.read(lambda txn: read_index(txn, opened.tables.memory, key))


def test_fillings_that_wait_are_committed_together(opened: Session) -> None:
    """Given a disk that is busy, then all that came meanwhile shares one sync."""
    fillings = [filling(index) for index in range(50)]
    before = opened.samples.env.info()["last_txnid"]

    with opened.writing:
        for one in fillings:
            opened.writer.put(one)
    for one in fillings:
        one.done.result(60)

    assert opened.samples.env.info()["last_txnid"] - before <= 2


def test_who_no_longer_waits_does_not_stop_the_writing(opened: Session) -> None:
    one = filling(0)
    with opened.writing:
        opened.writer.put(one)
        assert not one.done.cancel()

    assert one.done.result(60) == a_sample("0")


def test_a_sample_that_cannot_be_kept_fails_alone(opened: Session) -> None:
    odd = filling(0, Sample(response=Response(status=200), draw="d", usage={"x": {1}}))
    good = filling(1)

    with opened.writing:
        opened.writer.put(odd)
        opened.writer.put(good)

    with pytest.raises(TypeError, match="cannot keep a set"):
        odd.done.result(60)
    assert good.done.result(60) == a_sample("1")


def test_a_failing_disk_is_told_to_all_who_wait_and_ends_nothing(
    opened: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Callable[[Transaction], T]) -> T:
        raise OSError("no space")

    one = filling(0)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(opened, "write", broken)
        opened.writer.put(one)
        with pytest.raises(StoreError, match="no space"):
            one.done.result(60)
    two = filling(0)
    opened.writer.put(two)

    assert two.done.result(60) == a_sample("0")
    assert caplog.text == "", "who waits is told, and says it once"


def test_what_is_remembered_is_mirrored_in_a_while(
    opened: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = b"N" + b"k" * 48
    remember(opened, key, 7)

    opened.writer.remember()
    opened.writer.close()

    assert mirrored(opened, key) == 7
    assert opened.look(lambda claims: claims.get(b"D" + key[keys.HEAD :])) is None


def test_what_changes_while_it_is_mirrored_is_mirrored_again(opened: Session) -> None:
    key = b"N" + b"k" * 48
    remember(opened, key, 7)
    real, changes = opened.transfer, [8]

    def transfer(work: Callable[[Transaction, Transaction], T]) -> T:
        done = real(work)
        for number in changes[:1]:
            changes.clear()
            remember(opened, key, number)
            opened.writer.remember()
        return done

    opened.transfer = transfer  # type: ignore[method-assign]
    opened.writer.remember()
    opened.writer.close()

    assert mirrored(opened, key) == 8


@pytest.mark.parametrize("stalls", ["before", "after"])
def test_who_mirrors_late_brings_nothing_back(opened: Session, stalls: str) -> None:
    """Given one that stalls before or after it copied, then what others did meanwhile stands."""
    key = b"N" + b"k" * 48
    remember(opened, key, 7)
    real = opened.transfer

    def others(number: int) -> None:
        remember(opened, key, number)
        upkeep.mirror(opened)

    def transfer(work: Callable[[Transaction, Transaction], T]) -> T:
        opened.transfer = real  # type: ignore[method-assign]
        if stalls == "before":
            others(8)
            return real(work)
        done = real(work)
        others(8)
        remember(opened, key, 7)
        return done

    opened.transfer = transfer  # type: ignore[method-assign]
    upkeep.mirror(opened)
    upkeep.mirror(opened)

    assert mirrored(opened, key) == (8 if stalls == "before" else 7)


def test_who_mirrors_while_others_draw_comes_to_an_end(opened: Session) -> None:
    """Given others who draw whenever a copy is made, then theirs is for the next time."""
    key = b"N" + b"k" * 48
    remember(opened, key, 1)
    real, copies = opened.transfer, list[int]()

    def transfer(work: Callable[[Transaction, Transaction], T]) -> T:
        done = real(work)
        copies.append(len(copies))
        if len(copies) < 10:
            remember(opened, key, 1 + len(copies))
        return done

    opened.transfer = transfer  # type: ignore[method-assign]
    upkeep.mirror(opened)

    assert (len(copies), mirrored(opened, key)) == (1, 1)


def test_what_a_killed_process_left_is_mirrored_by_the_next(tmp_path: Path) -> None:
    found = open_session(tmp_path)
    key = b"N" + b"k" * 48
    remember(found, key, 7)  # and nobody tells the writer
    session.close(found)

    session.close(open_session(tmp_path))
    again = open_session(tmp_path)

    assert mirrored(again, key) == 7
    session.close(again)


def test_more_than_one_batch_is_mirrored(opened: Session) -> None:
    def work(claims: Transaction, _: Transaction) -> None:
        for number in range(5000):
            key = b"N" + number.to_bytes(48, "big")
            write_fresh(claims, key[keys.HEAD :], {key[: keys.HEAD]: number})

    opened.claim(work)
    opened.writer.remember()
    opened.writer.close()

    assert opened.read(lambda txn: txn.stat(opened.tables.memory)["entries"]) == 5000
    assert mirrored(opened, b"N" + (4999).to_bytes(48, "big")) == 4999


def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    found = open_session(tmp_path)
    session.close(found)

    with pytest.raises(StoreError, match="closed"):
        found.writer.put(filling(0))


def test_a_damaged_question_is_written_anew(opened: Session) -> None:
    key = keys.fingerprint_key(F)
    opened.write(lambda txn: txn.put(key, b"torn", db=opened.tables.questions))

    one = filling(0)
    opened.writer.put(one)
    one.done.result(60)

    record = opened.read(lambda txn: txn.get(key, db=opened.tables.questions))
    assert record is not None
    assert record.endswith(b"{}")
