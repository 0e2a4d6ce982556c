"""A cassette is a store: it keeps the laws of one, and the file keeps what was bought."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cachesaver.cassettes.files import read
from cachesaver.cassettes.refusals import statuses
from cachesaver.cassettes.store import CassetteStore, Exhausted
from cachesaver.errors import CassetteError
from cachesaver.exchange import Response, Sample
from cachesaver.ports import Policy
from cachesaver.stores.testing import F, G, StoreContract, a_run, a_sample, buy, draw


class TestCassetteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "folder" / "a.cassette"

    def store(self) -> CassetteStore:
        return CassetteStore(self.path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.cassette"


def recorded(path: Path, *draws: str, fingerprint: str = F, run: str = "first") -> None:
    store = CassetteStore(path)
    buy(store, a_run(run), *draws, fingerprint=fingerprint)
    store.close()


def texts(store: CassetteStore, fingerprint: str = F) -> list[bytes]:
    return [sample.response.body for _, sample in store.samples(fingerprint)]


def test_what_was_bought_is_there_in_another_process(path: Path) -> None:
    recorded(path, "a", "b")

    store = CassetteStore(path)

    (hit,) = draw(store, a_run("second"), "b")
    assert hit.index == 1
    assert hit.sample == a_sample("b")


def test_it_is_on_disk_before_the_recording_ends(path: Path) -> None:
    """Given a program that is killed, then what it was given is there."""
    buy(CassetteStore(path), a_run("first"), "a")

    assert texts(CassetteStore(path)) == [b"answera"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_goes_on_recording(path: Path) -> None:
    store = CassetteStore(path)
    buy(store, a_run("first"), "a")
    if not (child := os.fork()):  # pragma: no cover  # measured nowhere: it ends at once
        signal.alarm(20)
        buy(store, a_run("first"), "b")
        os._exit(0)

    assert os.waitpid(child, 0)[1] == 0
    store.close()
    assert texts(CassetteStore(path)) == [b"answera", b"answerb"]


def test_nothing_is_written_where_nothing_is_bought(path: Path) -> None:
    recorded(path, "a")
    before = path.stat()
    store = CassetteStore(path)
    draw(store, a_run("second"), "a")
    store.close()
    CassetteStore(path.with_name("other")).close()

    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert not path.with_name("other").exists()


def test_two_recordings_into_one_file_lose_nothing(path: Path) -> None:
    one, other = CassetteStore(path), CassetteStore(path)
    buy(one, a_run("one"), "a")
    buy(other, a_run("other"), "b", "c")
    buy(one, a_run("one"), "d", fingerprint=G)
    one.close()
    buy(other, a_run("other"), "e")
    other.close()

    store = CassetteStore(path)
    assert sorted(texts(store)) == [b"answera", b"answerb", b"answerc", b"answere"]
    assert texts(store, G) == [b"answerd"]


def test_recording_one_question_leaves_the_lines_of_the_others_alone(path: Path) -> None:
    recorded(path, "a", fingerprint=G)
    recorded(path, "b", fingerprint=F)
    before = path.read_text()

    recorded(path, "b", "c", fingerprint=F, run="another")

    after = path.read_text()
    first, middle, last = before.split("---\n")
    assert after.startswith(first)
    assert after.endswith("---\n" + last)
    assert middle not in after


def test_the_file_is_the_same_whatever_the_order_of_arrival(path: Path) -> None:
    recorded(path, "a", fingerprint=F)
    recorded(path, "b", fingerprint=G)
    other = path.with_name("other")
    recorded(other, "b", fingerprint=G)
    recorded(other, "a", fingerprint=F)

    assert path.read_text() == other.read_text()


@pytest.mark.parametrize(
    ("exhausted", "given"),
    [
        (Exhausted.ERROR, [0, 1, -1, -1, -1]),
        (Exhausted.CYCLE, [0, 1, 0, 1, 0]),
        (Exhausted.LAST, [0, 1, 1, 1, 1]),
    ],
)
def test_what_a_list_gives_when_it_has_been_given(
    path: Path, exhausted: Exhausted, given: list[int]
) -> None:
    recorded(path, "a", "b")
    store = CassetteStore(path, exhausted=exhausted)

    grants = [draw(store, a_run(), name, policy=Policy.READ)[0] for name in "vwxyz"]

    assert [grant.index for grant in grants] == given
    assert all((grant.sample is not None) == (grant.index >= 0) for grant in grants)


def test_a_list_that_repeats_itself_buys_nothing_and_another_question_is_bought(path: Path) -> None:
    recorded(path, "a")
    store = CassetteStore(path, exhausted=Exhausted.CYCLE)

    assert [draw(store, a_run(), name)[0].index for name in "xy"] == [0, 0]
    assert draw(store, a_run(), "x", fingerprint=G)[0].token


def test_what_is_recorded_anew_takes_the_place_of_what_was_there(path: Path) -> None:
    recorded(path, "a", "b")
    recorded(path, "c", fingerprint=G)
    store = CassetteStore(path, anew=lambda _: True)
    assert buy(store, a_run("again"), "n") == [0]
    store.close()

    again = CassetteStore(path)
    assert texts(again) == [b"answern"]
    assert texts(again, G) == [b"answerc"]


def test_a_recording_that_is_refused_deletes_no_answer(path: Path) -> None:
    """Given a question recorded anew that comes to an error only, then the answer that was paid stays."""
    first = CassetteStore(path, errors=statuses([429]))
    first.note(F, refused("first"), question=b'{"q":1}').result()
    buy(first, a_run("first"), "a")
    first.close()

    again = CassetteStore(path, errors=statuses([429]), anew=lambda _: True)
    again.note(F, refused("again"), question=b'{"q":1}').result()
    again.close()

    (kept,) = read(path)[1]
    assert texts(CassetteStore(path)) == [b"answera"]
    assert [each["text"] for each in kept.errors] == ["again"]


def refused(text: str) -> Sample:
    return Sample(response=Response(status=429, chunks=(text.encode(),)), draw="a")


def test_what_was_never_given_is_known(path: Path) -> None:
    recorded(path, "a", "b")
    store = CassetteStore(path)
    draw(store, a_run(), "a")

    assert store.unused == ((b'{"q":1}', 1),)
    assert store.played == {F: frozenset({0})}


def test_an_answer_that_is_none_is_said_to_be_damaged(path: Path) -> None:
    recorded(path, "a")
    path.write_text(path.read_text().replace('"status": 200', '"state": 200'))
    store = CassetteStore(path)

    with pytest.raises(CassetteError, match="status"):
        draw(store, a_run(), "a")
    assert len(list(store.verify())) == 1


def test_what_to_do_about_a_miss_names_the_test_and_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CassetteStore(path)
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_a.py::test_it[a b] (call)")
    lines = store.advice().splitlines()
    assert lines[1:] == [
        "    pytest --record-mode=new_episodes 'tests/test_a.py::test_it[a b]'",
        f"    cachesaver cassette show {path}",
    ]

    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert "CACHESAVER_RECORD_MODE=new_episodes" in store.advice()
