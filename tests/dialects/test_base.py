from __future__ import annotations

import json

import pytest

from cachesaver.dialects.base import STREAM_TYPES, BaseDialect, json_object, json_response, named
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

ASK = Request(method="POST", url="https://api.test/v1", body=b"{}")
ANSWER = Response(status=200, chunks=(b"{}",))


def streamed(body: bytes = b"data: 1\n\n", kind: str = "text/event-stream") -> Response:
    return Response(status=200, headers=(("content-type", kind),), chunks=(body,))


class Ending(BaseDialect):
    name = "test.ending"
    last_words = (b"[DONE]", b"bye")


def test_it_recognises_nothing_and_changes_nothing() -> None:
    """Given the base, then no request is its own, one sample is asked for, and all stays as it is."""
    base = BaseDialect()

    assert not base.recognises(ASK, {})
    assert base.target("/v1", "a=b") == ("/v1", "a=b")
    assert base.count({"n": 5}) == 1
    assert base.ask(ASK, {}, 1) is ASK
    assert base.sound(ANSWER)
    assert base.split(ANSWER) == (ANSWER,)
    assert base.join((ANSWER,)) is ANSWER
    assert base.usage(ANSWER) == ("", {})


def test_it_cannot_join_what_it_never_split() -> None:
    with pytest.raises(ValueError, match="too many values"):
        BaseDialect().join((ANSWER, ANSWER))


@pytest.mark.parametrize(
    ("body", "wanted"),
    [({"stream": True}, True), ({"stream": False}, False), ({"stream": 1}, False), ({}, False)],
)
def test_a_stream_is_wanted_when_the_body_says_so(body: dict[str, object], wanted: bool) -> None:  # noqa: FBT001 - a table's column
    assert BaseDialect().wants_stream(ASK, body) is wanted


@pytest.mark.parametrize("kind", sorted(STREAM_TYPES))
def test_a_stream_is_known_by_its_type(kind: str) -> None:
    assert BaseDialect().streamed(streamed(kind=kind))
    assert not BaseDialect().streamed(ANSWER)


def test_a_response_fits_when_it_has_the_form_that_was_asked_for() -> None:
    base = BaseDialect()

    assert base.fits(streamed(), ASK, {"stream": True})
    assert base.fits(ANSWER, ASK, {})
    assert not base.fits(ANSWER, ASK, {"stream": True})
    assert not base.fits(streamed(), ASK, {})


@pytest.mark.parametrize("tail", [b"data: [DONE]\n\n", b"data: bye\r\n\r\n", b"[DONE]\n\n\n\n"])
def test_a_stream_has_ended_after_its_last_word_and_a_blank_line(tail: bytes) -> None:
    assert Ending().finished(tail)


@pytest.mark.parametrize("tail", [b"data: [DONE]\n", b"data: more\n\n", b"", b"[DONE]"])
def test_a_stream_has_not_ended_before(tail: bytes) -> None:
    assert not Ending().finished(tail)


def test_a_dialect_without_last_words_leaves_the_end_to_the_connection() -> None:
    assert not BaseDialect().finished(b"data: [DONE]\n\n")


def test_forms_it_cannot_convert_raise() -> None:
    with pytest.raises(DialectError, match=r"test\.ending: cannot make a whole"):
        Ending().whole(streamed())
    with pytest.raises(DialectError, match=r"test\.ending: cannot make a stream"):
        Ending().stream(ANSWER, ASK, {})


def test_a_json_object_is_read_over_its_seams() -> None:
    response = Response(status=200, chunks=(b'{"a"', b": [1]}"))

    assert json_object(response, dialect="d") == {"a": [1]}


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"<html>", "is not JSON"), (b"", "is not JSON"), (b"[1]", "not a JSON object")],
)
def test_a_body_that_is_no_json_object_raises(body: bytes, told: str) -> None:
    with pytest.raises(DialectError, match=f"d: the response body {told}|{told}"):
        json_object(Response(status=200, chunks=(body,)), dialect="d")


def test_a_json_response_keeps_all_but_the_framing() -> None:
    """Given a compressed response in chunks, when its body is replaced, then the head fits it."""
    like = Response(
        status=201,
        headers=(
            ("X-Request-Id", "1"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "9"),
            ("Content-Type", "text/event-stream"),
            ("Transfer-Encoding", "chunked"),
        ),
        chunks=(b"a", b"b"),
        offsets=(0.1, 0.2),
        reason="Created",
    )

    made = json_response(like, {"é": 1})

    assert made.headers == (("X-Request-Id", "1"), ("content-type", "application/json"))
    assert json.loads(made.body) == {"é": 1}
    assert (made.status, made.reason, made.offsets) == (201, "Created", (0.2,))


@pytest.mark.parametrize(
    ("answer", "place", "named_as"),
    [
        ({"id": "a"}, 0, {"id": "a"}),
        ({"id": "a"}, 2, {"id": "a-2"}),
        ({}, 2, {}),
        ({"id": ""}, 2, {"id": ""}),
        ({"id": None}, 2, {"id": None}),
    ],
)
def test_all_but_the_first_sample_of_an_answer_get_a_name_of_their_own(
    answer: dict[str, object], place: int, named_as: dict[str, object]
) -> None:
    assert named(answer, "id", place) == named_as
