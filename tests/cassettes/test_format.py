"""The text of a cassette: what stands in it is read, and what does not belong there is named."""

from __future__ import annotations

import gzip
import json

import pytest
import yaml

from cachesaver.cassettes.format import Document, Head, document, merged, parse, written
from cachesaver.cassettes.readers import format_of
from cachesaver.errors import CassetteError

HEAD = written(Head(), ())


def one(fingerprint: str = "f", *answers: object) -> Document:
    return document(fingerprint, {"asks": ["q"]}, list(answers))


def test_it_can_be_read_and_is_yaml_too() -> None:
    text = written(Head(clients={"openai": "3"}), [one("f", {"status": 200}), one("g")])

    assert text.decode().splitlines()[0] == (
        '{"cachesaver cassette": 1, "recorded with": {"openai": "3"}}'
    )
    assert [each["fingerprint"] for each in list(yaml.safe_load_all(text))[1:]] == ["f", "g"]
    head, documents = parse(text, location="x")
    assert head.clients == {"openai": "3"}
    assert written(head, documents) == text


def test_what_does_not_fit_a_line_stands_one_member_a_line() -> None:
    long = {"role": "user", "content": "x" * 90}
    text = document("f", {"asks": ["q"], "body": {"json": {"messages": [long, long]}}}, []).text

    assert text.decode().splitlines()[2:6] == [
        ' "body": {',
        '  "json": {',
        '   "messages": [',
        "    {",
    ]


def test_an_empty_list_and_odd_text_stand_as_they_are() -> None:
    text = written(Head(), [document("f", {"asks": ["\ud800", "é\n---\n"]}, [])])

    _, (read,) = parse(text, location="x")

    assert read.members["asks"] == ["\ud800", "é\n---\n"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"interactions:\n- request: {}\n", "cachesaver cassette import"),
        (b"[]", "no cassette of ours"),
        (gzip.compress(HEAD, mtime=0), "gzip -dc tests/a.cassette >"),
        (b'{"cachesaver cassette": 2}\n', "pip install -U"),
        (HEAD + b"---\n{}\n", "line 3"),
        (HEAD + b"---\n" + one().text + b"---\n[1]\n---\n" + one("g").text, "line 5"),
        (HEAD + b'---\n{"fingerprint": "f", "answers": 1}\n', "no list"),
    ],
)
def test_what_is_no_cassette_is_refused_with_advice(text: bytes, told: str) -> None:
    with pytest.raises(CassetteError, match=told):
        parse(text, location="tests/a.cassette")


def test_what_was_cut_off_at_its_end_is_left_out() -> None:
    """Given a machine that lost its power while it recorded, then the rest is there."""
    text = HEAD + b"---\n" + one("f").text + b"---\n" + one("g").text[:-5]

    _, documents = parse(text, location="x")

    assert [each.fingerprint for each in documents] == ["f"]


@pytest.mark.parametrize("ends", [b"\n", b""])
@pytest.mark.parametrize(
    "members",
    [
        {"answers": [{"status": 200, "recorded": "yesterday"}]},
        {"answers": [], "errors": [{"status": 429, "recorded": "2026-02-30T00:00:00Z"}]},
        {"answers": [{"status": 200, "recorded": 5}]},
        {"answers": ["hello"]},
    ],
)
def test_a_date_that_is_none_is_one_error_that_names_the_place(
    members: dict[str, object], ends: bytes
) -> None:
    text = written(Head(), [one("f")]) + b"---\n"
    line = text.count(b"\n") + 1
    text += json.dumps({"asks": ["q"], "fingerprint": "g", **members}).encode() + ends

    with pytest.raises(CassetteError, match=rf"x\.cassette is damaged: .* line {line} .*; mend it"):
        parse(text, location="x.cassette")


def test_a_checkout_may_make_two_characters_of_the_ends_of_lines() -> None:
    head = Head(clients={f"client-{number}": "3" for number in range(9)})
    text = written(head, [one("f", {"text": "a\r\nb"}), one("g")])
    checked_out = text.replace(b"\n", b"\r\n")

    told, documents = parse(checked_out, location="x")

    assert written(told, documents) == text
    assert format_of(checked_out, location="x") == "cachesaver"


def test_answers_are_in_the_order_of_their_indexes_not_of_their_arrival() -> None:
    late = {"index": 0, "status": 200, "recorded": "2"}
    soon = {"index": 1, "status": 201, "recorded": "1"}

    (joined,) = merged([one("f", soon), one("f", late)], {})

    assert [each["status"] for each in joined.answers] == [200, 201]
    assert all("index" not in each for each in joined.answers)


def test_the_same_answer_is_kept_once_and_what_is_outdated_not_at_all() -> None:
    old, new = {"status": 200}, {"status": 201}

    joined = list(merged([one("f", old), one("f", new), one("f", new)], {"f": one("f", old)}))

    assert [each.answers for each in joined] == [[new]]


def test_equal_answers_of_one_list_stay_as_many() -> None:
    """Given an import that has one answer twice, then what is recorded after it comes third."""
    same, new = {"status": 200}, {"status": 201, "recorded": "2", "index": 2}
    imported = document("f", {"asks": ["q"]}, [same, same], [same, same])

    (joined,) = merged([imported, imported, one("f", new)], {})

    assert [each["status"] for each in joined.answers] == [200, 200, 201]
    assert joined.errors == [same, same]


def test_what_was_not_recorded_anew_keeps_its_text() -> None:
    by_hand = Document(fingerprint="f", members={"answers": [{}]}, text=b'{ "by": "hand" }\n')

    assert list(merged([by_hand], {})) == [by_hand]
