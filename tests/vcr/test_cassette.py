"""Cassettes: what is played, what is refused and what is written, held against vcrpy's own."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.vcr.cassette import Cassette, RecordMode
from cachesaver.vcr.errors import UnhandledHTTPRequestError, UnrecordedRequestError
from cachesaver.vcr.files import YAML, FilesystemPersister
from cachesaver.vcr.matchers import MATCHERS
from cachesaver.vcr.request import Request
from vcrs import vcr

MODES = ("none", "once", "new_episodes", "all")


def request(path: str = "/x", body: object = b"") -> Request:
    return Request("GET", f"http://a.test{path}", body, {})


def response(text: str) -> dict[str, Any]:
    status = {"code": 200, "message": "OK"}
    return {"status": status, "headers": {}, "body": {"string": text.encode()}}


def recorded(path: Path, *pairs: tuple[str, str]) -> str:
    """Write a cassette of answers to paths, and return where."""
    told = {
        "requests": [request(asked) for asked, _ in pairs],
        "responses": [response(answer) for _, answer in pairs],
    }
    FilesystemPersister().save_cassette(path / "a.yaml", told, YAML)
    return str(path / "a.yaml")


def opened(path: str, **options: Any) -> Cassette:
    cassette = Cassette(path, **options)
    cassette.load()
    return cassette


def text(pair: Any) -> str:
    return str(pair[1]["body"]["string"].decode())


def test_answers_to_one_request_come_in_the_order_they_were_recorded(tmp_path: Path) -> None:
    path = recorded(tmp_path, ("/x", "1"), ("/y", "other"), ("/x", "2"))
    cassette = opened(path)

    assert [text(cassette.play(request())) for _ in range(2)] == ["1", "2"]
    assert cassette.play(request()) is None
    assert (cassette.play_count, cassette.all_played, dict(cassette.play_counts)) == (
        2,
        False,
        {0: 1, 2: 1},
    )
    assert text(cassette.play(request("/y"))) == "other"
    assert cassette.all_played


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("repeats", [True, False])
def test_what_may_be_played_and_recorded_is_what_vcrpy_says(
    mode: str, *, exists: bool, repeats: bool, tmp_path: Path
) -> None:
    path = recorded(tmp_path, ("/x", "1")) if exists else str(tmp_path / "none.yaml")
    options: dict[str, Any] = {"record_mode": mode, "allow_playback_repeats": repeats}
    ours = opened(path, **options)
    theirs = vcr.cassette.Cassette.load(path=path, **options)

    for _ in range(3):
        asked = vcr.request.Request("GET", "http://a.test/x", b"", {})
        may = theirs.can_play_response_for(asked)
        assert ours.can_play_response_for(request()) is bool(may)
        assert ours.write_protected is theirs.write_protected
        if may:
            assert ours.play_response(request()) == theirs.play_response(asked)
        else:
            ours.append(request(), response("new"))
            theirs.append(asked, response("new"))
    assert (len(ours), ours.play_count, ours.dirty) == (
        len(theirs),
        theirs.play_count,
        theirs.dirty,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("drops", [True, False])
def test_what_is_written_is_what_vcrpy_writes(mode: str, *, drops: bool, tmp_path: Path) -> None:
    """Given two recorded answers, one of them played, and a new request, what is in the file then."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    options: dict[str, Any] = {"record_mode": mode, "drop_unused_requests": drops}
    paths = [recorded(each, ("/x", "1"), ("/y", "2")) for each in (ours, theirs)]
    before = Path(paths[0]).read_bytes()
    matchers = [MATCHERS["method"], MATCHERS["uri"]]
    mine = opened(paths[0], match_on=matchers, **options)
    other = vcr.cassette.Cassette.load(
        path=paths[1], match_on=(vcr.matchers.method, vcr.matchers.uri), **options
    )
    for cassette, made in ((mine, Request), (other, vcr.request.Request)):
        for path in ("/x", "/z"):
            asked = made("GET", f"http://a.test{path}", b"", {})
            if cassette.can_play_response_for(asked):
                cassette.play_response(asked)
            elif not cassette.write_protected:
                cassette.append(asked, response("new"))
    mine.save()
    other._save()

    if mode == "none":
        assert Path(paths[0]).read_bytes() == before  # vcrpy drops what is unused even here
    else:
        assert Path(paths[0]).read_text() == Path(paths[1]).read_text()


def test_the_nearest_requests_are_those_most_matchers_take(tmp_path: Path) -> None:
    path = recorded(tmp_path, ("/x?a=1", "1"), ("/y", "2"), ("/x?a=2", "3"))
    matchers = [MATCHERS[name] for name in ("method", "path", "query")]
    cassette = opened(path, match_on=matchers)

    found = cassette.find_requests_with_most_matches(request("/x?a=3"))

    assert [(near.uri, alike) for near, alike, _ in found] == [
        ("http://a.test/x?a=1", ["method", "path"]),
        ("http://a.test/x?a=2", ["method", "path"]),
    ]
    assert found[0][2] == [("query", "[('a', '3')] != [('a', '1')]")]


def test_a_projects_matcher_decides_alone(tmp_path: Path) -> None:
    def by_length(made: Any, stored: Any) -> bool:
        return len(made.path) == len(stored.path)

    cassette = opened(recorded(tmp_path, ("/abc", "1")), match_on=[by_length])

    assert text(cassette.play(request("/xyz"))) == "1"


def test_filters_are_asked_of_what_is_recorded_and_of_what_is_made(tmp_path: Path) -> None:
    def plain(made: Any) -> Any:
        made.uri = made.uri.partition("?")[0]
        return None if "/private" in made.uri else made

    path = recorded(tmp_path, ("/x?a=1", "1"), ("/private", "2"))
    cassette = opened(path, before_record_request=plain)

    assert [each.uri for each in cassette.requests] == ["http://a.test/x"]
    assert text(cassette.play(request("/x?a=2"))) == "1"
    assert cassette.filter_request(request("/private")) is None
    assert [(made.uri, stored.uri) for made, stored in cassette.played] == [
        ("http://a.test/x",) * 2
    ]


def test_responses_are_looked_up_without_being_played(tmp_path: Path) -> None:
    cassette = opened(recorded(tmp_path, ("/x", "1"), ("/x", "2")))

    assert [each["body"]["string"] for each in cassette.responses_of(request())] == [b"1", b"2"]
    assert request() in cassette
    assert cassette.play_count == 0
    with pytest.raises(UnhandledHTTPRequestError):
        cassette.responses_of(request("/y"))
    with pytest.raises(UnhandledHTTPRequestError):
        cassette.play_response(request("/y"))


def test_rewinding_plays_everything_again(tmp_path: Path) -> None:
    cassette = opened(recorded(tmp_path, ("/x", "1")))
    cassette.play(request())
    cassette.rewind()

    assert text(cassette.play(request())) == "1"


def test_what_a_test_takes_out_is_not_played(tmp_path: Path) -> None:
    cassette = opened(recorded(tmp_path, ("/x", "1"), ("/x", "2")))
    assert request() in cassette
    del cassette.data[0]

    assert text(cassette.play(request())) == "2"


def test_interaction_hooks_change_and_drop(tmp_path: Path) -> None:
    def shout(asked: Any, answered: Any, cassette: Any) -> Any:
        assert isinstance(cassette, Cassette)
        answered["body"]["string"] = answered["body"]["string"].upper()
        return asked, answered

    def drop(asked: Any, answered: Any) -> Any:
        return None if asked.path == "/y" else (asked, answered)

    path = recorded(tmp_path, ("/x", "a"), ("/y", "b"))
    cassette = opened(
        path,
        after_load_interaction=[drop, shout],
        before_save_interaction=[drop],
        record_mode="all",
    )
    assert [each["body"]["string"] for each in cassette.responses] == [b"A"]
    cassette.append(request("/y"), response("c"))
    cassette.append(request("/z"), response("d"))
    cassette.save()

    assert [each.path for each in opened(path).requests] == ["/x", "/z"]


def test_metadata_stays_with_the_cassette(tmp_path: Path) -> None:
    path = str(tmp_path / "a.yaml")
    cassette = opened(path)
    cassette.append(request(), response("1"))

    assert cassette.get_metadata("seed", 7) == 7
    cassette.save()
    theirs = vcr.cassette.Cassette.load(path=path)
    assert theirs.get_metadata("seed", 8) == 7
    with pytest.raises(UnrecordedRequestError):
        opened(path, record_mode="none").get_metadata("other", 1)


def test_threads_never_get_one_answer_twice(tmp_path: Path) -> None:
    cassette = opened(recorded(tmp_path, *(("/x", str(each)) for each in range(200))))
    got = list[str]()

    def play() -> None:
        got.extend(text(cassette.play(request())) for _ in range(50))

    threads = [threading.Thread(target=play) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got, key=int) == [str(each) for each in range(200)]


def test_a_large_cassette_is_looked_up_and_not_walked_through() -> None:
    """Given 5,000 requests, 300 plays take less than going through all of them would."""
    cassette = Cassette("x", allow_playback_repeats=True, match_on=[MATCHERS["uri"]])
    cassette.data = [(request(f"/{each}"), response("1")) for each in range(5000)]
    started = time.perf_counter()

    for each in range(300):
        assert cassette.play(request(f"/{4999 - each}")) is not None

    assert time.perf_counter() - started < 5


def test_a_mode_is_one_of_vcrpys_whoever_names_it() -> None:
    assert Cassette("x", record_mode=vcr.mode.NEW_EPISODES).record_mode is RecordMode.NEW_EPISODES
    assert Cassette("x").record_mode == vcr.mode.ONCE
    with pytest.raises(ConfigurationError, match="no record mode is called 'onc'"):
        Cassette("x", record_mode="onc")
