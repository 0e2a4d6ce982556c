"""Cassettes as people read them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from cachesaver.cassettes.imports import Answer
from cachesaver.cassettes.listing import Entry, differences, entries, excerpt, tokens
from cachesaver.exchange import Response, Sample


def question(text: str, dialect: str = "openai.chat") -> bytes:
    body = json.dumps({"messages": [{"role": "user", "content": text}], "model": "m"})
    return f"cachesaver/1 {dialect} POST\nhttps://a.test\n/v1\n\n\n{body}".encode()


def entry(name: str, text: str, *told: str, dialect: str = "openai.chat") -> Entry:
    samples = [
        Sample(response=Response(status=200, chunks=(each.encode(),)), draw="d", model="m-1")
        for each in told or ("x",)
    ]
    return Entry(fingerprint=name * 64, question=question(text, dialect), samples=tuple(samples))


def by_print(*each: Entry) -> dict[str, Entry]:
    return {one.fingerprint: one for one in each}


BODIES: list[tuple[object, str]] = [
    ({"messages": [{"content": "a"}, {"content": [{"text": "b\n  c"}]}]}, "b c"),
    ({"contents": [{"parts": [{"text": "a"}, {"inlineData": {}}]}]}, "a"),
    ({"input": "a" * 99}, "a" * 59 + "…"),
    ({"messages": [{"content": "a"}, {"content": ""}]}, "a"),
    ({"unknown": 1}, ""),
]


@pytest.mark.parametrize(("body", "said"), BODIES)
def test_an_excerpt_is_what_was_said_last(body: object, said: str) -> None:
    head = b"cachesaver/1 x POST\nhttps://a.test\n/v1\n\n\n"

    assert excerpt(head + json.dumps(body).encode()) == said


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert excerpt(b"cachesaver/1 x POST\nhttps://a.test\n/v1\n\n\nform\na=b") == "form a=b"
    assert excerpt(b"cachesaver/1 x POST\nhttps://a.test\n/v1\n\n\n[1]") == ""


def test_answers_are_listed_by_their_question() -> None:
    one, two = entry("b", "x", "1", "2"), entry("a", "y")
    answers = [
        Answer(fingerprint=each.fingerprint, question=each.question, sample=sample)
        for each in (one, two)
        for sample in each.samples
    ]

    assert list(entries(answers).values()) == [two, one]
    assert (one.dialect, one.model) == ("openai.chat", "m-1")


def test_tokens_are_those_that_the_provider_counted() -> None:
    usage = MappingProxyType({"prompt_tokens": 3, "completion_tokens": 4})
    (sample,) = entry("a", "x").samples

    assert tokens([replace(sample, usage=usage), sample]) == 7


def test_differences_are_told_question_by_question() -> None:
    """Given one question that was changed, one gone, one new and one answered otherwise."""
    long = "Tell me all about the moons of Jupiter and their discoverers, "
    one = by_print(
        entry("a", long + "now"), entry("b", "gone", dialect="x"), entry("c", "same", "told")
    )
    other = by_print(
        entry("d", long + "soon"), entry("e", "new", dialect="y"), entry("c", "same", "retold")
    )

    told = list(differences(one, other, ("A", "B")))

    heads = [each.split("\n")[0] for each in told]
    assert heads == [
        f"asked otherwise: {'a' * 12} openai.chat {long[:59]}…",
        f"only in A: {'b' * 12} x gone",
        f"only in B: {'e' * 12} y new",
        f"answered otherwise: {'c' * 12} openai.chat same",
    ]
    assert f'-      "content": "{long}now"' in told[0]
    assert f'+      "content": "{long}soon"' in told[0]
    assert '-  "text": "told"' in told[3]
    assert '+  "text": "retold"' in told[3]


def test_the_same_answers_at_another_time_are_no_difference() -> None:
    one = entry("a", "x")
    later = replace(one, samples=tuple(replace(s, created=9.0, draw="e") for s in one.samples))

    assert list(differences(by_print(one), by_print(later), ("A", "B"))) == []


def test_the_same_headers_in_another_order_are_no_difference() -> None:
    one = entry("a", "x")
    headers = (("date", "now"), ("content-type", "text/plain"))

    def sent(order: tuple[tuple[str, str], ...]) -> Entry:
        samples = [replace(s, response=replace(s.response, headers=order)) for s in one.samples]
        return replace(one, samples=tuple(samples))

    told = differences(by_print(sent(headers)), by_print(sent(headers[::-1])), ("A", "B"))

    assert list(told) == []
