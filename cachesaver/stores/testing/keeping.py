"""What is kept: looking at it, by any name, from any thread."""

from __future__ import annotations

from functools import partial
from itertools import chain

from cachesaver.exchange import Response, Sample
from cachesaver.stores.testing.parts import (
    QUESTION,
    Contract,
    F,
    G,
    a_run,
    a_sample,
    at_once,
    buy,
    draw,
    fill,
    indexes,
)

__all__ = ["Keeping"]


class Keeping(Contract):
    """What is kept: looking at it, by any name, from any thread."""

    def test_samples_come_by_index_and_without_the_unfilled(self) -> None:
        store = self.store()
        grants = draw(store, a_run(), *"abcdefghijkl")
        for number in (11, 9, 2, 0):
            fill(store, grants[number], a_sample(str(number)))

        found = list(self.reopen(store).samples(F))

        assert found == [(number, a_sample(str(number))) for number in (0, 2, 9, 11)]

    def test_questions_come_by_fingerprint_and_only_of_what_is_stored(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", fingerprint=G)
        buy(store, a_run(), "a", fingerprint=F)
        draw(store, a_run(), "a", fingerprint="77" * 32)

        assert list(self.reopen(store).questions()) == [(F, QUESTION), (G, QUESTION)]

    def test_a_sample_comes_back_as_it_was_kept(self) -> None:
        store = self.store()
        (grant,) = draw(store, a_run(), "a")

        fill(store, grant, _ODD)

        assert list(self.reopen(store).samples(F)) == [(0, _ODD)]

    def test_a_summary_counts(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")
        buy(store, a_run(namespace="other"), "a", fingerprint=G)

        summary = self.reopen(store).summary()

        assert (summary.fingerprints, summary.samples, summary.namespaces) == (2, 3, 2)
        assert summary.size >= 0

    def test_an_empty_store_has_nothing(self) -> None:
        store = self.store()

        assert list(store.samples(F)) == []
        assert list(store.questions()) == []
        assert store.summary().samples == 0

    def test_a_sound_store_verifies(self) -> None:
        store = self.store()
        buy(store, a_run(), "a", "b")

        assert list(self.reopen(store).verify()) == []

    def test_it_may_be_closed_twice(self) -> None:
        store = self.store()
        buy(store, a_run(), "a")

        store.close()
        store.close()

    def test_runs_namespaces_and_draws_may_be_any_text(self) -> None:
        store = self.store()
        names = ["", "\0", "a", "a\0", "ä", "\ud800", "x" * 100_000, "a/b", "N" * 600]

        for name in names:
            run = a_run("r" + name, namespace=name)
            assert indexes(draw(store, run, *names)) == list(range(len(names)))

    def test_threads_of_a_run_never_get_one_index_twice(self) -> None:
        store = self.store()
        names = [[f"{thread}-{number}" for number in range(20)] for thread in range(8)]

        def work(mine: list[str]) -> list[int]:
            return [draw(store, a_run(), name)[0].index for name in mine]

        got = at_once(*[partial(work, mine) for mine in names])

        assert sorted(chain.from_iterable(got)) == list(range(160))

    def test_of_runs_that_want_one_sample_at_once_one_leads(self) -> None:
        store = self.store()
        runs = [a_run(str(number), namespace=str(number)) for number in range(8)]

        grants = at_once(*[lambda r=run: draw(store, r, "a")[0] for run in runs])

        assert indexes(grants) == [0] * 8
        assert sorted(bool(grant.token) for grant in grants) == [False] * 7 + [True]


_ODD = Sample(
    response=Response(
        status=299,
        headers=(("X-B", "2"), ("x-a", "\xff; é"), ("X-B", "1"), ("", "")),
        chunks=(b"", b"\x00\xff\xfe", b"data: {}\r\n\r\n" * 1000, b""),
        offsets=(0.1, 0.1 + 0.2, 1e-9, 1e9),
        reason="Ünusual",
    ),
    draw="d\ud800",
    usage={"tokens": 2**80, "nested": {"list": [1, 1.5, None, True, "\ud83d"]}, "": {}},
    model="m",
    created=1.7e9 + 1e-6,
    latency=0.1,
    first_byte=5e-324,
    user_agent="tests/1",
)
