from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachesaver.errors import StoreError
from cachesaver.ports import Grant, Policy, Store
from cachesaver.stores import keys, records, session, upkeep
from cachesaver.stores.entries import Transaction
from cachesaver.stores.lmdb import LmdbStore
from cachesaver.stores.processes import here
from cachesaver.stores.testing import (
    QUESTION,
    F,
    G,
    StoreContract,
    a_run,
    a_sample,
    buy,
    draw,
    fill,
    indexes,
)


class TestLmdbStore(StoreContract):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> Iterator[None]:
        self.path = tmp_path / "store"
        self.opened: list[LmdbStore] = []
        yield
        for store in self.opened:
            store.close()

    def store(self) -> LmdbStore:
        self.opened.append(LmdbStore(self.path))
        return self.opened[-1]

    def reopen(self, store: Store) -> Store:
        store.close()
        return self.store()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[LmdbStore]:
    found = LmdbStore(path)
    yield found
    found.close()


def damage(path: Path, table: str, key: bytes) -> None:
    """Flip a bit of the record under *key*."""
    opened = session.open_session(path)

    def work(txn: Transaction) -> None:
        record = bytearray(txn.get(key, db=getattr(opened.tables, table)) or b"")
        record[-1] ^= 1
        txn.put(key, bytes(record), db=getattr(opened.tables, table))

    opened.write(work)
    session.close(opened)


def test_a_damaged_sample_is_reported_and_never_served(
    store: LmdbStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    buy(store, a_run(), "a", "b")
    damage(path, "samples", keys.sample_key(F, 0))

    (grant,) = draw(store, a_run("two"), "a")

    assert (grant.index, grant.sample, bool(grant.token)) == (0, None, True)
    assert "sample 0 of 0f0f0f0f0f0f is damaged: its checksum does not fit" in caplog.text
    assert list(store.samples(F)) == [(1, a_sample("b"))]
    assert store.poll(F, 0, owner=here()) == Grant(index=0)
    assert draw(store, a_run("three"), "b")[0].sample == a_sample("b")


def test_a_damaged_sample_is_bought_again(store: LmdbStore, path: Path) -> None:
    buy(store, a_run(), "a")
    damage(path, "samples", keys.sample_key(F, 0))
    assert len(list(store.verify())) == 1

    (grant,) = draw(store, a_run("two"), "a")
    kept = fill(store, grant, a_sample("a", b"again"))

    assert kept == a_sample("a", b"again")
    assert list(store.verify()) == []


def break_sample(path: Path, index: int) -> None:
    """Let there be something else than a sample, written well."""
    opened = session.open_session(path)
    key = keys.sample_key(F, index)
    opened.write(
        lambda txn: txn.put(key, records.seal(key, b"no sample"), db=opened.tables.samples)
    )
    session.close(opened)


def test_what_is_whole_but_no_sample_is_as_good_as_none(
    store: LmdbStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is noticed when all is decided; then only those whose it was are decided again."""
    buy(store, a_run(), "a", "b", "c")
    break_sample(path, 0)
    break_sample(path, 2)

    run = a_run("two")
    grants = draw(store, run, "new", "a", "b", "c")

    assert indexes(grants) == [3, 0, 1, 2]
    assert [bool(grant.token) for grant in grants] == [True, True, False, True]
    assert grants[2].sample == a_sample("b")
    assert caplog.text.count("sample 0 of 0f0f0f0f0f0f is damaged: it is not a sample") == 1
    assert caplog.text.count("is damaged") == 2
    kept = [fill(store, grants[place], a_sample("again")) for place in (0, 1, 3)]
    assert kept == [a_sample("again")] * 3
    assert list(store.verify()) == []


@pytest.mark.parametrize("policy", [Policy.READ, Policy.APART])
def test_who_may_not_buy_gets_another_for_what_is_no_sample(
    store: LmdbStore, path: Path, policy: Policy
) -> None:
    buy(store, a_run(), "a", "b", "c")
    break_sample(path, 0)
    break_sample(path, 1)

    (grant,) = draw(store, a_run("two"), "a", policy=policy)
    others = draw(store, a_run("two"), "b", "c", policy=Policy.RESERVE)

    assert (grant.index, grant.sample) == (2, a_sample("c"))
    assert indexes(others) == [1, 0]
    assert all(other.token for other in others)


def test_what_is_no_sample_is_led_by_one_who_waits(store: LmdbStore, path: Path) -> None:
    buy(store, a_run(), "a")
    break_sample(path, 0)

    (looked,) = store.look([F], owner=here(), leads=True)

    assert (looked.index, looked.sample, bool(looked.token)) == (0, None, True)
    assert store.poll(F, 0, owner=here()) == Grant(index=0)
    assert fill(store, looked, a_sample("b")) == a_sample("b")


def test_a_name_that_is_mirrored_meanwhile_counts_once(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a namespace that moves from the claims to what lasts between the two looks."""
    opened = store._opened()  # pyright: ignore[reportPrivateUsage]
    draw(store, a_run(namespace="one"), "a")
    batch = store._batch  # pyright: ignore[reportPrivateUsage]

    def reading(table: str, prefix: bytes, last: bytes) -> list[tuple[bytes, bytes]]:
        found = batch(table, prefix, last)
        upkeep.mirror(opened)
        return found

    monkeypatch.setattr(store, "_batch", reading)

    assert store.summary().namespaces == 1


def test_every_damage_is_one_sentence(store: LmdbStore, path: Path) -> None:
    buy(store, a_run(), "a", "b")
    damage(path, "samples", keys.sample_key(F, 1))
    damage(path, "questions", keys.fingerprint_key(F))
    damage(path, "bought", keys.bought_key(F, "a"))

    found = list(store.verify())

    assert len(found) == 3
    assert any(f"sample 1 of {F} is damaged: its checksum does not fit." in line for line in found)
    assert any(f"the question of {F} is damaged" in line for line in found)
    assert any("of bought is damaged" in line for line in found)


def test_a_sample_under_a_key_that_is_none_is_a_damage(store: LmdbStore, path: Path) -> None:
    opened = session.open_session(path)
    opened.write(lambda txn: txn.put(b"odd", records.seal(b"odd", b""), db=opened.tables.samples))

    (line,) = store.verify()

    assert "the sample under b'odd' is damaged" in line
    session.close(opened)


def test_a_damaged_question_is_left_out(
    store: LmdbStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    buy(store, a_run(), "a")
    buy(store, a_run(), "a", fingerprint=G)
    damage(path, "questions", keys.fingerprint_key(F))

    assert list(store.questions()) == [(G, QUESTION)]
    assert "is damaged" in caplog.text


def test_a_damaged_purchase_or_memory_is_forgotten(path: Path) -> None:
    store = LmdbStore(path)
    buy(store, a_run(), "a", "b")
    damage(path, "bought", keys.bought_key(F, "b"))

    assert indexes(draw(store, a_run("two", namespace="other", replicate=0), "b")) == [0]
    store.close()


def test_after_a_power_cut_the_namespace_still_remembers(path: Path) -> None:
    """Given claims that are gone with the boot they belonged to, then only leases are forgotten."""
    store = LmdbStore(path)
    buy(store, a_run(namespace="buyer"), "p", "q", "r")
    draw(store, a_run("one"), "a", "b", "c")
    buy(store, a_run("zero", replicate=0), "x")
    store.close()
    (claims,) = path.glob("claims-*.mdb")
    claims.rename(path / "claims-another-boot.mdb")

    store = LmdbStore(path)
    again = draw(store, a_run("two"), "c", "a", "b")
    sister = draw(store, a_run("one", replicate=1), "x")

    assert indexes(again) == [2, 0, 1]
    assert indexes(sister) == [1]
    assert store.summary().namespaces == 2
    assert indexes(draw(store, a_run("three"), "d", policy=Policy.FRESH)) == [3]
    store.close()


def test_it_may_be_opened_twice_in_one_process(store: LmdbStore, path: Path) -> None:
    other = LmdbStore(path)
    buy(store, a_run(), "a")
    store.close()

    (hit,) = draw(other, a_run("two"), "a")

    assert hit.sample == a_sample("a")
    other.close()


def test_a_closed_store_says_so(store: LmdbStore, path: Path) -> None:
    store.close()

    with pytest.raises(StoreError, match="is closed"):
        draw(store, a_run(), "a")
    assert repr(store) == f"<LmdbStore {path} (closed)>"


def test_samples_may_be_looked_at_while_others_are_filled(store: LmdbStore) -> None:
    buy(store, a_run(), "a", "b")

    looking = store.samples(F)
    first = next(looking)
    buy(store, a_run(), "c")

    assert [first, *looking][:2] == [(0, a_sample("a")), (1, a_sample("b"))]


def test_many_samples_are_read_in_batches(store: LmdbStore) -> None:
    names = [str(number) for number in range(600)]
    for grant, name in zip(draw(store, a_run(), *names), names, strict=True):
        store.fill(F, grant.index, grant.token, a_sample(name), question=b"")
    buy(store, a_run(), "last")

    assert [index for index, _ in store.samples(F)] == list(range(601))


def test_large_samples_are_read_one_by_one(store: LmdbStore) -> None:
    (one, two) = draw(store, a_run(), "a", "b")
    noise = random.Random(1).randbytes(9 << 20)  # noqa: S311  (noise, no secret)
    fill(store, one, a_sample("a", noise))
    fill(store, two, a_sample("b", noise))

    assert [sample.response.chunks[0] == noise for _, sample in store.samples(F)] == [True, True]


def test_a_summary_tells_the_size_on_disk(store: LmdbStore) -> None:
    buy(store, a_run(), "a")

    assert 0 < store.summary().size < 1 << 20


def test_a_damaged_file_is_a_sentence_too(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("the store in x failed: page.", location="x")

    monkeypatch.setattr(store, "_batch", broken)

    assert set(store.verify()) == {"the store in x failed: page."}
