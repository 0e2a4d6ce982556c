from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from cachesaver.errors import StoreError
from cachesaver.stores import environments, session
from cachesaver.stores.entries import Transaction
from cachesaver.stores.processes import boot_id
from cachesaver.stores.session import Session, open_session


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Session]:
    found = open_session(tmp_path)
    yield found
    session.close(found)


def put(key: bytes, value: bytes) -> object:
    def work(txn: Transaction, _: object = None) -> bool:
        return txn.put(key, value)

    return work


def test_a_directory_is_opened_once_however_it_is_named(opened: Session, tmp_path: Path) -> None:
    (tmp_path.parent / "link").unlink(missing_ok=True)
    (tmp_path.parent / "link").symlink_to(tmp_path)

    again = open_session(tmp_path.parent / "link")

    assert again is opened
    session.close(again)
    assert opened.read(lambda txn: txn.stat()["entries"]) == 4


def test_the_last_who_closes_closes_the_files(tmp_path: Path) -> None:
    first, second = open_session(tmp_path), open_session(tmp_path)

    session.close(first)
    second.look(lambda txn: txn.stat())
    session.close(second)

    with pytest.raises(StoreError):
        second.look(lambda txn: txn.stat())


def test_a_directory_made_anew_in_the_same_place_is_another(tmp_path: Path) -> None:
    old = open_session(tmp_path / "store")
    shutil.rmtree(tmp_path / "store")

    new = open_session(tmp_path / "store")

    assert new is not old
    session.close(old)
    session.close(new)


def test_claims_of_an_earlier_boot_are_not_trusted(tmp_path: Path) -> None:
    session.close(open_session(tmp_path))
    for name in ("claims-earlier.mdb", "claims-earlier.mdb-lock"):
        (tmp_path / name).write_bytes(b"torn")

    session.close(open_session(tmp_path))

    assert list(tmp_path.glob("claims-earlier*")) == []
    assert (tmp_path / f"claims-2-{boot_id()}.mdb").exists()


def test_claims_of_another_version_at_work_are_left_to_it(tmp_path: Path) -> None:
    theirs = [tmp_path / f"claims-1-{boot_id()}.mdb{lock}" for lock in ("", "-lock")]
    session.close(open_session(tmp_path))
    for each in theirs:
        each.write_bytes(b"theirs")

    session.close(open_session(tmp_path))

    assert [each.read_bytes() for each in theirs] == [b"theirs", b"theirs"]


def test_where_boots_cannot_be_told_apart_claims_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "boot_id", lambda: "")

    found = open_session(tmp_path)

    assert found.claims.env.flags()["sync"]
    assert (tmp_path / "claims-2-durable.mdb").exists()
    session.close(found)


def test_samples_are_synced_and_claims_are_not(opened: Session) -> None:
    assert opened.samples.env.flags()["sync"]
    assert not opened.claims.env.flags()["sync"]


@pytest.mark.parametrize("kind", ["claim", "write"])
def test_a_full_map_grows_and_the_work_is_repeated(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "_LARGEST", 1 << 20)
    found = open_session(tmp_path)

    for number in range(5):
        getattr(found, kind)(put(b"%d" % number, b"x" * (1 << 19)))

    environment = found.claims if kind == "claim" else found.samples
    assert environment.env.info()["map_size"] > 1 << 21
    with environment.env.begin() as txn:
        assert all(len(txn.get(b"%d" % number) or b"") == 1 << 19 for number in range(5))
    session.close(found)


def test_a_map_that_another_process_has_grown_is_adopted(opened: Session) -> None:
    failures = [lmdb.MapResizedError("grown"), None]

    def work(_: Transaction) -> str:
        failure = failures.pop(0)
        if failure:
            raise failure
        return "done"

    assert opened.read(work) == "done"


def test_another_failure_is_a_store_error(opened: Session) -> None:
    def work(_: Transaction) -> None:
        raise lmdb.CorruptedError("page")

    with pytest.raises(StoreError, match=r"the store in .* failed: page"):
        opened.read(work)


def test_what_fails_in_between_is_undone(opened: Session) -> None:
    def work(claims: Transaction, _: Transaction) -> None:
        claims.put(b"k", b"v")
        raise KeyError

    with pytest.raises(KeyError):
        opened.claim(work)

    assert opened.look(lambda claims: claims.get(b"k")) is None


def test_a_pause_waits_for_open_transactions(opened: Session) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work(_: Transaction) -> None:
        inside.set()
        leave.wait(60)

    thread = threading.Thread(target=opened.read, args=(work,))
    thread.start()
    inside.wait(60)
    held = list[bool]()

    def fork() -> None:  # one thread does both
        opened.pause()
        held.append(opened.lock.is_held_here)
        opened.resume()
        held.append(opened.lock.is_held_here)

    pausing = threading.Thread(target=fork)
    pausing.start()

    assert pausing.is_alive()
    assert held == []
    leave.set()
    pausing.join()
    assert held == [True, False]
    thread.join()


def test_a_fork_within_a_transaction_waits_for_nothing(opened: Session) -> None:
    """Given a signal handler that forks in the middle of one, then it neither hangs nor ends it."""

    def work(_: Transaction) -> bool:
        opened.pause()
        opened.resume()
        return opened.lock.is_held_here

    assert opened.read(work)
    assert not opened.lock.is_held_here


def test_a_fork_within_a_transaction_waits_for_nobody_who_waits_for_it(opened: Session) -> None:
    """Given such a handler while another thread, which writes, waits for the same transaction's end."""

    def nothing(_: Transaction, __: Transaction) -> None:
        pass

    def work(_: Transaction) -> float:
        waiting = threading.Thread(target=opened.transfer, args=(nothing,))
        waiting.start()
        while opened.writing.acquire(blocking=False):
            opened.writing.release()
            time.sleep(0.001)
        began = time.monotonic()
        opened.pause()
        opened.resume()
        threads.append(waiting)
        return time.monotonic() - began

    threads = list[threading.Thread]()
    assert opened.read(work) < 5
    threads[0].join()
    assert not opened.writing.is_held_here
