"""The error for what is not recorded: what it says, and who can catch it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from cachesaver.errors import ReplayError
from cachesaver.vcr.cassette import Cassette
from cachesaver.vcr.errors import UnrecordedRequestError, unrecorded
from cachesaver.vcr.matchers import DEFAULT, MATCHERS
from cachesaver.vcr.request import Request
from vcrs import vcr

JSON = {"Content-Type": "application/json"}


def cassette(*names: str) -> Cassette:
    held = Cassette(
        "a.yaml", record_mode="none", match_on=[MATCHERS[name] for name in names or DEFAULT]
    )
    held.rewound = True
    held.data = [(Request("POST", "https://a.test/x?key=sk-secret", b'{"a": 1}', JSON), {})]
    return held


def asked(url: str = "https://a.test/x?key=sk-other", body: bytes = b'{"a": 2}') -> Request:
    return Request("POST", url, body, JSON)


def test_it_names_the_nearest_request_with_what_differs_and_what_to_do() -> None:
    error = unrecorded(cassette("method", "path", "body"), asked("https://a.test/y"))

    assert str(error) == (
        "POST https://a.test/y was not sent: no recorded request is this one (record_mode='none').\n"
        "Cassette a.yaml: 1 recorded, 0 played, matched on method, path, body\n"
        "Nearest:\n"
        "  POST https://a.test/x\n"
        "    path differs: /y != /x\n"
        "    body differs:\n"
        "      --- recorded\n"
        "      +++ this request\n"
        "      @@ -1,3 +1,3 @@\n"
        "       {\n"
        '      -  "a": 1\n'
        '      +  "a": 2\n'
        "       }\n"
        "Record it: pytest --record-mode=new_episodes (or rewrite, for the whole cassette)\n"
        "or leave what differs from run to run out of match_on, or out of requests by "
        "before_record_request"
    )


def test_no_key_of_a_query_is_in_it() -> None:
    error = unrecorded(cassette(), asked())

    assert error.reason == "no_match"
    assert "query differs" in str(error)
    assert "sk-" not in str(error)


def test_what_was_played_what_is_unlike_and_what_is_missing_are_told_apart(tmp_path: Path) -> None:
    held = cassette("method", "path")
    assert unrecorded(held, asked()).reason == "already_played"
    assert unrecorded(cassette("host"), asked("https://b.test/")).reason == "nothing_similar"
    empty = Cassette(str(tmp_path / "none.yaml"), record_mode="none")
    assert unrecorded(empty, asked()).reason == "cassette_not_found"


def test_a_program_that_knows_vcrpy_catches_it_as_vcrpys() -> None:
    error = unrecorded(cassette(), asked())

    assert isinstance(error, vcr.errors.CannotOverwriteExistingCassetteException)
    assert isinstance(error, UnrecordedRequestError)
    assert error.failed_request.path == "/x"


def test_a_program_that_does_not_sees_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vcr.errors")

    error = unrecorded(cassette(), asked())

    assert type(error) is UnrecordedRequestError


def test_its_words_travel_between_processes() -> None:
    error = unrecorded(cassette(), asked())

    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own

    assert isinstance(back, ReplayError)
    assert str(back) == str(error)
