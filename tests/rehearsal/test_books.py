"""What was asked, counted."""

from __future__ import annotations

import json

from cachesaver.rehearsal.books import (
    Books,
    Calls,
    Entry,
    Received,
    Tally,
    shown_body,
    shown_headers,
    shown_query,
)

ONE = Tally(calls=1, samples=2, prompt_tokens=3, completion_tokens=4)
REQUEST = Received(
    method="POST", path="/v1", headers=(("a", "b"),), body="{}", status=200, samples=("3f#0",)
)


def test_tallies_are_added_and_subtracted_field_by_field() -> None:
    more = ONE + Tally(calls=1, failed=1)

    assert more == Tally(calls=2, failed=1, samples=2, prompt_tokens=3, completion_tokens=4)
    assert more - ONE == Tally(calls=1, failed=1)


def test_entries_are_by_endpoint_and_model() -> None:
    books = Books()
    for endpoint, model in (("b", "m"), ("a", "n"), ("b", "m"), ("b", "n")):
        books.enter(endpoint, model, ONE)

    calls = books.calls()

    assert calls.entries == (
        Entry(endpoint="a", model="n", tally=ONE),
        Entry(endpoint="b", model="m", tally=ONE + ONE),
        Entry(endpoint="b", model="n", tally=ONE),
    )
    assert (calls.calls, calls.samples) == (4, 8)
    assert calls.of("b") == ONE + ONE + ONE
    assert calls.of("b", "n") == ONE
    assert calls.of("c") == Tally()


def test_what_was_counted_does_not_change_afterwards() -> None:
    books = Books()
    before = books.calls()
    books.enter("a", "m", ONE)
    books.keep(REQUEST)

    after = books.calls()
    books.reset()

    assert (before, books.calls()) == (Calls(), Calls())
    assert after.received == (REQUEST,)


def test_only_the_last_requests_are_remembered() -> None:
    books = Books()
    for _ in range(1001):
        books.keep(REQUEST)

    assert len(books.calls().received) == 1000


def test_as_many_requests_are_remembered_as_asked_for() -> None:
    books = Books(tail=2)
    for _ in range(3):
        books.keep(REQUEST)

    assert len(books.calls().received) == 2


def test_it_survives_json() -> None:
    calls = Calls(entries=(Entry(endpoint="a", model="m", tally=ONE),), received=(REQUEST,))

    body = json.loads(json.dumps(calls.to_json()))

    assert Calls.from_json(body) == calls
    assert body["total"]["samples"] == 2


def test_no_credential_is_shown() -> None:
    headers = {"authorization": "Bearer s", "x-api-key": "s", "cookie": "s", "accept": "*/*"}

    assert shown_headers(headers) == (("accept", "*/*"),)
    assert shown_query("alt=sse&key=s") == "alt=sse"
    assert shown_body(b"\xff" * 100_000) == "\ufffd" * 65536
