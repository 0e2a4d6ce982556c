"""The file itself: several processes, kills, permissions, and what stays untouched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cachesaver.cassettes.files import append, forget, holds, put_in_order, read, revise
from cachesaver.cassettes.format import Document, document
from cachesaver.cassettes.store import CassetteStore
from cachesaver.errors import CassetteError

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
OLD, NEW = {"recorded": "2026-11-01T11:59:59.999Z"}, {"recorded": "2026-11-01T12:00:00.000Z"}

RECORDER = """
import sys
from collections.abc import Callable
from pathlib import Path
from cachesaver.cassettes.store import CassetteStore
from cachesaver.stores.testing import a_run, buy
store = CassetteStore(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    buy(store, a_run(sys.argv[2]), "d%d" % number, fingerprint="%s-%d" % (sys.argv[2], number % 5))
    print(number, flush=True)
store.close()
"""


def recorder(path: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(path), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kept(path: Path) -> dict[str, int]:
    return {each.fingerprint: len(each.answers) for each in read(path)[1]}


def test_eight_processes_record_into_one_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "shared.cassette"
    writers = [recorder(path, f"w{number}", 10) for number in range(8)]
    for writer in writers:
        writer.communicate()

    assert kept(path) == {f"w{writer}-{number}": 2 for writer in range(8) for number in range(5)}


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_killed_recording_keeps_what_was_answered(tmp_path: Path, after: int) -> None:
    path = tmp_path / "a.cassette"
    writer = recorder(path, "w", 10_000)
    assert writer.stdout is not None
    told = [writer.stdout.readline() for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.read().splitlines()
    writer.wait()
    writer.stdout.close()

    held = CassetteStore(path).summary().samples
    assert len(told) <= held <= len(told) + 1

    put_in_order(path, {})
    assert CassetteStore(path).summary().samples == held


def test_what_the_power_took_is_dropped_when_recording_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document("f", {"asks": ["q"]}, []), document("g", {"asks": ["q"]}, [])])
    path.write_bytes(path.read_bytes()[:-9])

    append(path, [document("h", {"asks": ["q"]}, [])])

    assert sorted(kept(path)) == ["f", "h"]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_file_without_its_last_line_end_loses_nothing_when_recording_goes_on(
    tmp_path: Path, ends: bytes
) -> None:
    """Given an editor that strips the end of files, then the last question and the versions stay."""
    path = tmp_path / "a.cassette"
    for fingerprint in ("f", "g"):
        append(path, [document(fingerprint, {"asks": ["q"]}, [])])
    path.write_bytes(path.read_bytes().rstrip(b"\n").replace(b"\n", ends))

    append(path, [document("h", {"asks": ["q"]}, [])])
    assert sorted(kept(path)) == ["f", "g", "h"]

    put_in_order(path, {"openai": "3"})
    only_head = path.read_bytes().partition(b"\n---")[0]
    path.write_bytes(only_head)
    append(path, [])
    assert path.read_bytes() == only_head + b"\n"


@pytest.mark.parametrize("cut", [9, 60])
def test_what_the_power_took_is_dropped_whatever_the_line_ends(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document(each, {"asks": ["q" * 50]}, []) for each in ("f", "g")])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")[:-cut])

    append(path, [document("h", {"asks": ["q"]}, [])])

    assert sorted(kept(path)) == ["f", "h"]


@pytest.mark.parametrize("torn", [b"-", b"---", b"---\r", b'---\n{"fing'])
def test_what_was_begun_takes_nothing_of_what_stands_before_it(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document("f", {"asks": ["q"]}, [])])
    path.write_bytes(path.read_bytes() + torn)
    assert sorted(kept(path)) == ["f"]

    append(path, [document("g", {"asks": ["q"]}, [])])

    assert sorted(kept(path)) == ["f", "g"]


def test_versions_of_clients_are_added(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document("f", {"asks": ["q"]}, [])])
    put_in_order(path, {"openai": "3"})
    put_in_order(path, {"httpx": "1"})

    assert read(path)[0].clients == {"openai": "3", "httpx": "1"}


def test_order_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document("f", {"asks": ["q"]}, [])])
    put_in_order(path, {})
    before = path.stat().st_ino

    put_in_order(path, {})

    assert path.stat().st_ino == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.cassette"]


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 246 + ".cassette")
    append(path, [document(each, {"asks": ["q"]}, []) for each in ("g", "f")])

    put_in_order(path, {})

    assert [each.fingerprint for each in read(path)[1]] == ["f", "g"]


def test_permissions_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    append(path, [document("g", {"asks": ["q"]}, []), document("f", {"asks": ["q"]}, [])])
    path.chmod(0o640)

    put_in_order(path, {})

    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(
    tmp_path: Path,
    is_there: bool,  # noqa: FBT001
) -> None:
    """Given a cassette that is a link, then recording, order and a new beginning go through it."""
    (tmp_path / "shared").mkdir()
    path, target = tmp_path / "a.cassette", tmp_path / "shared" / "b.cassette"
    if is_there:
        append(target, [])
    path.symlink_to(Path("shared") / "b.cassette")

    def is_kept() -> bool:
        return path.is_symlink() and not target.is_symlink()

    append(path, [document(each, {"asks": ["q"]}, [OLD]) for each in ("g", "f")])
    put_in_order(path, {})
    assert is_kept()
    assert [each.fingerprint for each in read(target)[1]] == ["f", "g"]

    revise(path, lambda documents: documents[1:])
    assert is_kept()
    assert [each.fingerprint for each in read(target)[1]] == ["g"]

    forget(path, NOON)
    assert path.is_symlink()
    assert not target.exists()
    append(path, [document("h", {"asks": ["q"]}, [NEW])])
    assert is_kept()
    assert [each.fingerprint for each in read(target)[1]] == ["h"]


def test_what_cannot_be_a_file_is_one_clear_error(tmp_path: Path) -> None:
    acts: list[Callable[[], object]] = [
        lambda: read(tmp_path),
        lambda: append(tmp_path, []),
        lambda: put_in_order(tmp_path, {}),
        lambda: forget(tmp_path, NOON),
        lambda: revise(tmp_path, list),
    ]
    for act in acts:
        with pytest.raises(CassetteError, match="name another file"):
            act()


def test_what_was_recorded_before_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    asks = {"asks": ["q"]}
    append(path, [document("f", asks, [OLD]), document("g", asks, [OLD, NEW], [OLD, {}])])
    append(path, [document("h", asks, [], [NEW])])
    assert holds(path, NOON)

    forget(path, NOON)

    found = [(each.fingerprint, each.answers, each.errors) for each in read(path)[1]]
    assert found == [("g", [NEW], []), ("h", [], [NEW])]
    assert not holds(path, NOON)
    forget(path, datetime.now(UTC).replace(year=3000))
    assert not path.exists()
    forget(path, NOON)
    assert not holds(path, NOON)


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder of the user's caches, and that of temporary files."""
    caches, temporary = tmp_path / "caches", tmp_path / "temporary"

    def user_cache_path(name: str, *, appauthor: bool) -> Path:
        assert not appauthor
        return caches / name

    monkeypatch.setattr("platformdirs.user_cache_path", user_cache_path)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return caches, temporary


def test_there_are_few_locks_and_they_are_the_users_own(
    tmp_path: Path, apart: tuple[Path, Path]
) -> None:
    """Given any number of cassettes, then their locks do not fill a folder, nor lie beside them."""
    caches, temporary = apart
    for number in range(150):
        append(tmp_path / "cassettes" / f"{number}.cassette", [])

    (folder,) = caches.iterdir()
    assert 1 < len(list(folder.iterdir())) <= 64
    assert not list(temporary.iterdir())
    assert all(each.suffix == ".cassette" for each in (tmp_path / "cassettes").iterdir())
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700


def test_who_has_no_folder_of_caches_has_his_locks_elsewhere(
    tmp_path: Path, apart: tuple[Path, Path]
) -> None:
    """Given a home that cannot be written, then a cassette is recorded all the same."""
    caches, temporary = apart
    caches.write_text("a file")

    append(tmp_path / "a.cassette", [document("f", {"asks": ["q"]}, [])])

    assert list(kept(tmp_path / "a.cassette")) == ["f"]
    (folder,) = temporary.iterdir()
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.name.endswith(str(os.getuid()))


HOMELESS = """
import os, sys, tempfile
from pathlib import Path
from cachesaver.cassettes.files import append, read
from cachesaver.cassettes.format import document
for name in ("HOME", "XDG_CACHE_HOME", "USERPROFILE"):
    os.environ.pop(name, None)
os.getuid = lambda: 54321
import pwd
assert all(each.pw_uid != 54321 for each in pwd.getpwall())
path = Path(sys.argv[1])
append(path, [document("f", {"asks": ["q"]}, [])])
print([each.fingerprint for each in read(path)[1]])
"""


@pytest.mark.skipif(os.name != "posix", reason="there every user has a home")
def test_who_has_no_home_at_all_records_all_the_same(tmp_path: Path) -> None:
    """Given a user of a container who is in no list of users, then his locks are with temporary files."""
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, str(tmp_path / "a.cassette")],
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "['f']\n", done.stderr
    assert [each.name for each in (tmp_path / "temporary").iterdir()] == ["cachesaver-locks-54321"]


HOLDER = """
import sys
from pathlib import Path
from cachesaver.cassettes.files import revise
def change(documents):
    Path(sys.argv[2], "held").touch()
    print("held", flush=True)
    sys.stdin.readline()
    return documents
print("begun", flush=True)
revise(Path(sys.argv[1]), change)
"""


def test_who_has_a_folder_of_temporary_files_of_his_own_waits_like_all_others(
    tmp_path: Path,
) -> None:
    """Given one who writes, when another comes whose TMPDIR is his own, then he waits."""
    path = tmp_path / "a.cassette"

    def holder(name: str) -> subprocess.Popen[str]:
        folder = tmp_path / name
        folder.mkdir()
        return subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path), str(folder)],
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def heard(one: subprocess.Popen[str]) -> str:
        assert one.stdout is not None
        return one.stdout.readline()

    with holder("one") as one, holder("other") as other:
        try:
            assert heard(other) == heard(one) == "begun\n"
            (first,) = _held(tmp_path, 1)
            time.sleep(0.5)
            assert _held(tmp_path, 1) == [first]
        finally:
            for each in (one, other):  # whoever holds it
                assert each.stdin is not None
                each.stdin.write("\n")
                each.stdin.flush()

    assert sorted(_held(tmp_path, 2)) == ["one", "other"]


def _held(folder: Path, count: int) -> list[str]:
    """Wait until *count* or more are in; return who."""
    found = list[str]()
    while len(found) < count:
        time.sleep(0.01)
        found = [each.parent.name for each in folder.glob("*/held")]
    return found


def test_what_is_revised_is_merged_before_and_in_order_after(tmp_path: Path) -> None:
    """Given a question in two documents, then it is shown as one, and what is given is sorted."""
    path, shown = tmp_path / "folder" / "a.cassette", list[str]()
    revise(path, list)
    assert read(path)[1] == []
    append(path, [document("b", {"asks": ["q"]}, [{"status": n, "index": n}]) for n in (1, 0)])

    def change(documents: list[Document]) -> list[Document]:
        shown.extend(f"{each.fingerprint}{len(each.answers)}" for each in documents)
        return [*documents, document("a", {"asks": ["q"]}, [])]

    revise(path, change)

    assert shown == ["b2"]
    assert [each.fingerprint for each in read(path)[1]] == ["a", "b"]
    assert [each["status"] for each in read(path)[1][1].answers] == [0, 1]
