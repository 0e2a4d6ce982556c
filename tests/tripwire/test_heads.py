"""Requests are found in what a connection is sent, wherever it is cut."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.tripwire.heads import HEAD, START, Sent, may_begin, step

BODY_TEXT = b'{"messages": [], "model": "m"}'
POST = (
    b"POST /v1/chat/completions?key=1 HTTP/1.1\r\nHost: h.test\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY_TEXT), BODY_TEXT)
)
NAMES = frozenset({"messages", "model"})
GET = b"GET /health HTTP/1.1\r\nHost: h.test\r\n\r\n"
CHUNKED = b"PUT /x HTTP/1.0\nHost: h.test\nTransfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\n\r\n"


def sent_in(writes: Iterable[bytes]) -> list[Sent]:
    state, found = START, list[Sent]()
    for write in writes:
        state, more = step(state, memoryview(write))
        found += more
    return found


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(ends)]


PLACES = st.lists(st.integers(0, 200), max_size=8)


@given(PLACES)
def test_a_request_is_found_wherever_it_is_cut(places: list[int]) -> None:
    """Given a request in pieces, then its head and body come up as from one piece."""
    found = sent_in(cut(POST, places))

    assert {(each.method, each.target) for each in found} == {
        ("POST", "/v1/chat/completions?key=1")
    }
    assert found[-1].names == NAMES
    assert found[-1].header("host") == "h.test"
    assert found[-1].is_whole


@given(PLACES)
def test_it_is_told_before_a_server_could_read_its_first_line(places: list[int]) -> None:
    """Given any cut, then what tells is a write that goes before the version has gone."""
    head = POST.index(b"HTTP/1.1") + 1
    state, gone = START, 0
    for write in cut(POST, places):
        state, found = step(state, memoryview(write))
        if found:
            break
        gone += len(write)

    assert gone < head


@given(PLACES)
def test_requests_that_follow_each_other_are_all_found(places: list[int]) -> None:
    found = sent_in(cut(GET + POST + GET, places))

    targets = [each.target for each in found if not each.names and each.is_whole]
    assert targets == ["/health", "/v1/chat/completions?key=1", "/health"]


@given(st.binary(max_size=300), PLACES)
def test_what_is_no_http_is_never_a_fault(noise: bytes, places: list[int]) -> None:
    for write in cut(noise, places):
        step(START, memoryview(write))


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_a_request_is_found_after_whatever_was_written_before(noise: list[bytes]) -> None:
    """Given writes that are no HTTP, or the beginning of some, then a whole request still tells."""
    found = sent_in([*(b"\x00" + each for each in noise), POST])

    assert found[-1].names == NAMES


def test_after_half_a_head_that_was_none_a_request_is_found() -> None:
    assert sent_in([b"GET ", POST])[-1].names == NAMES


def test_chunks_are_looked_at_and_the_next_write_may_be_a_request() -> None:
    found = sent_in([CHUNKED, b"more of it", GET])

    assert [(each.method, each.target) for each in found] == [
        ("PUT", "/x"),
        ("GET", "/health"),
    ]


def test_a_recorded_request_in_a_body_is_none() -> None:
    """Given an upload whose second write begins as a request does, then it is the body's."""
    head = b"PUT /bucket/fixture.http HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(POST)

    assert {each.target for each in sent_in([head, POST])} == {"/bucket/fixture.http"}
    assert sent_in([head, POST, GET])[-1].target == "/health"


@pytest.mark.parametrize("size", [1000, 65536, 10**9])
def test_a_member_behind_much_else_is_found(size: int) -> None:
    """Given a model's name behind 400 kB, then it comes up, and no more than its name is kept."""
    body = b'{"input": "' + b"x" * 400_000 + b'", "model": "m"}'
    head = b"POST /v1/embeddings HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    found = sent_in(cut(head + body + GET, range(0, len(body), min(size, 10**6))))

    assert [each.names for each in found if each.target == "/v1/embeddings"][-1] == frozenset(
        {"input", "model"}
    )
    assert found[-1].target == "/health"


def test_what_cannot_matter_is_not_read() -> None:
    body = b'{"model": "m"}'
    head = b"POST /orders HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)

    assert [each.names for each in sent_in([head, body])] == [frozenset()]


def test_through_a_proxy_it_is_read_too() -> None:
    head = b"POST http://h.test/v1/responses?x=1 HTTP/1.1\r\nContent-Length: 14\r\n\r\n"

    assert sent_in([head, b'{"model": "m"}'])[-1].names == frozenset({"model"})


def test_a_head_without_end_is_judged_as_it_is() -> None:
    endless = b"POST /v1/x HTTP/1.1\r\n" + b"A: b\r\n" * (HEAD // 6 + 1)

    found = sent_in(cut(endless, range(0, len(endless), 1000)))

    assert not found[0].is_whole
    assert found[-1].is_whole
    assert {each.target for each in found} == {"/v1/x"}


@pytest.mark.parametrize(
    ("data", "may"),
    [
        (b"POST", True),
        (b"\r\nGET", True),
        (b"*1\r\n$4", False),
        (b"\x16\x03\x01", False),
        (b"", False),
    ],
)
def test_most_of_what_is_no_http_is_told_by_its_first_byte(data: bytes, *, may: bool) -> None:
    assert may_begin(memoryview(data)) is may


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\n\r\n", b"GET key\r\n", b"HELO x\r\n", b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_other_protocols_and_answers_are_no_requests(data: bytes) -> None:
    assert sent_in([data]) == []
