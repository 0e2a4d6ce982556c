"""Adding up what several processes used; the plugin's own tests see it from outside."""

from __future__ import annotations

import json
from pathlib import Path

from cachesaver.cassettes.store import CassetteStore
from cachesaver.pytesting.leftovers import Uses, write
from cachesaver.stores.testing import F, G, a_run, buy, draw


def recorded(path: Path) -> None:
    store = CassetteStore(path)
    buy(store, a_run(), "a", "b")
    buy(store, a_run(), "c", fingerprint=G)
    store.close()


def used(path: Path, test: str, *draws: str, passed: bool = True) -> Uses:
    uses = Uses(is_whole=True)
    store = CassetteStore(path)
    for each in draws:
        draw(store, a_run(), each)
    uses.note(test, store, passed=passed)
    return uses


def test_what_one_process_used_is_used(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    recorded(path)
    uses = used(path, "one", "a")
    other = json.loads(json.dumps(used(path, "other", "b").told()))

    assert uses.unused() == {str(path): [(F, 1), (G, 0)]}
    uses.add(other)
    assert uses.unused() == {str(path): [(G, 0)]}
    assert uses.told() == {**uses.told(), "owners": {str(path): ["one", "other"]}}


def test_nothing_is_said_of_what_a_test_may_still_use(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    recorded(path)

    assert used(path, "failed", passed=False).unused() == {}
    named = used(path, "one", "a")
    named.named.add(str(path))
    assert named.unused()
    named.is_whole = False
    assert named.unused() == {}


def test_cassettes_are_told_by_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("mine", "opened", "nobodys"):
        (tmp_path / "real" / f"{name}.cassette").touch()
    uses = Uses(is_whole=True, folders={str(tmp_path / "link"), str(tmp_path / "missing")})
    uses.owns("one", tmp_path / "link" / "mine.cassette")
    uses.opened.add(str(tmp_path / "real" / "opened.cassette"))

    assert uses.orphans() == [str(tmp_path / "real" / "nobodys.cassette")]
    uses.is_whole = False
    assert uses.orphans() == []


def test_it_is_written_as_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "left.json", {str(tmp_path / "a/b.cassette"): [(F, 1)]}, tmp_path)

    assert json.loads((tmp_path / "left.json").read_text()) == {
        "a/b.cassette": [{"fingerprint": F, "index": 1}]
    }
