"""What becomes of recorded exchanges."""

from __future__ import annotations

import json

import pytest

from cachesaver.cassettes.imports import Verdict, judged
from cachesaver.cassettes.readers.values import Body, Interaction, interaction
from cachesaver.options import Rules

CHAT = "https://api.openai.com/v1/chat/completions"
JSON = (("content-type", "application/json"),)


def exchange(
    asked: object,
    told: object,
    *,
    url: str = CHAT,
    method: str = "POST",
    status: int = 200,
    recorded: str = "",
) -> Interaction:
    sent = Body(content=json.dumps(asked).encode() if asked else b"")
    return interaction(
        (method, url, (*JSON, ("authorization", "Bearer planted-key-12345678")), sent),
        (status, JSON, Body(content=json.dumps(told).encode()), ""),
        place=0,
        recorded=recorded,
    )


def chat(*texts: str) -> dict[str, object]:
    choices = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for i, text in enumerate(texts)
    ]
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": choices,
    }


def ask(text: str = "Hi", **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def only(*interactions: Interaction, **options: object) -> Verdict:
    (verdict,) = judged(interactions, **options)  # type: ignore[arg-type]  # of judged
    return verdict


def test_an_answer_of_several_becomes_samples() -> None:
    verdict = only(exchange(ask(n=2), chat("a", "b"), recorded="2026-01-02T03:04:05Z"))

    one, other = verdict.answers
    assert verdict.dialect == "openai.chat"
    assert one.fingerprint == other.fingerprint
    assert b'"content":"a"' in one.sample.response.body
    assert b'"content":"b"' in other.sample.response.body
    assert one.sample.created == 1767323045
    assert one.sample.model == "m-1"
    assert (verdict.reason, verdict.remark) == ("", "")


def test_fewer_answers_than_asked_for_are_kept_and_said() -> None:
    verdict = only(exchange(ask(n=3), chat("a")))

    assert len(verdict.answers) == 1
    assert verdict.remark == "asks for 3 answers and was given 1: asked again, it will miss"


def test_each_input_of_a_batch_has_its_answer() -> None:
    vectors = [{"object": "embedding", "index": i, "embedding": [float(i)]} for i in range(2)]
    told = {"object": "list", "model": "e", "data": vectors, "usage": {"prompt_tokens": 2}}
    url = "https://api.openai.com/v1/embeddings"

    verdict = only(exchange({"model": "e", "input": ["x", "y"]}, told, url=url))

    one, other = verdict.answers
    assert one.fingerprint != other.fingerprint
    assert one.is_only
    single = only(exchange({"model": "e", "input": "x"}, {**told, "data": vectors[:1]}, url=url))
    assert single.answers[0].fingerprint == one.fingerprint


@pytest.mark.parametrize("vectors", [[], [{"object": "embedding", "index": 0, "embedding": [1.0]}]])
def test_a_batch_that_is_not_answered_whole_is_kept_out(vectors: list[object]) -> None:
    told = {"object": "list", "model": "e", "data": vectors}
    url = "https://api.openai.com/v1/embeddings"

    verdict = only(exchange({"model": "e", "input": ["x", "y"]}, told, url=url))

    assert (verdict.answers, verdict.reason) == ((), "it is no complete answer")


@pytest.mark.parametrize(
    ("kept_out", "reason"),
    [
        (exchange(ask(), {"error": {}}, status=429), "status 429: an error is no answer"),
        (exchange(ask(), {"error": {}}), "it is no complete answer"),
        (
            exchange({"q": 1}, {}, url="https://search.test/find"),
            "no provider call we know; name its host to keep it",
        ),
        (
            exchange(None, {}, url="https://api.openai.com/v1/models", method="GET"),
            "no question: it is about models (says what there is, not what a model answers)",
        ),
    ],
    ids=["error", "no answer", "another service", "models"],
)
def test_what_is_kept_out_has_a_reason(kept_out: Interaction, reason: str) -> None:
    verdict = only(kept_out)

    assert verdict.answers == ()
    assert verdict.reason == reason


def test_a_coding_that_is_not_known_keeps_an_answer_out() -> None:
    response = (200, (*JSON, ("content-encoding", "br")), Body(content=b"\x8b\x00\x80\xff"), "")
    asked = ("POST", CHAT, JSON, Body(content=json.dumps(ask()).encode()))

    verdict = only(interaction(asked, response, place=0))

    assert verdict.reason in ("its coding cannot be undone here (br)", "it is no complete answer")


def test_a_host_that_is_named_is_answered_for_in_any_format() -> None:
    other = exchange({"q": 1}, {"found": 2}, url="https://search.test/find")

    verdict = only(other, hosts=["search.test"])

    assert verdict.dialect == "generic"
    assert len(verdict.answers) == 1


def test_rules_make_the_fingerprints_of_those_who_will_ask() -> None:
    rules = Rules(ignore=("metadata2",))
    plain = only(exchange(ask(), chat("a")))

    ruled = only(exchange(ask(metadata2={"run": 1}), chat("a")), rules=rules)

    assert ruled.answers[0].fingerprint == plain.answers[0].fingerprint


def test_rules_hold_for_each_input_of_a_batch() -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [1.0]}
    told = {"object": "list", "model": "e", "data": [vector]}
    url = "https://api.openai.com/v1/embeddings"
    asked = [{"model": "e", "input": ["x"], **more} for more in ({}, {"run": 1})]
    rules = Rules(ignore=("run",))

    one, other = (only(exchange(each, told, url=url), rules=rules) for each in asked)

    assert one.answers[0].fingerprint == other.answers[0].fingerprint


def test_no_credential_is_kept() -> None:
    told = chat("a")
    echoing = {**told, "echo": "planted-key-12345678"}

    (answer,) = only(exchange(ask(), echoing)).answers

    assert b"planted-key" not in answer.question + answer.sample.response.body


@pytest.mark.parametrize(
    ("recorded", "created"),
    [
        ("2026-01-02T03:04:05.5+00:00", 1767323045.5),
        ("Fri, 02 Jan 2026 03:04:05 GMT", 1767323045.0),
        ("2026-01-02 03:04:05", 1767323045.0),
        ("yesterday", 0.0),
        ("01 Jan 2024 99999999999900:00:00", 0.0),
        ("", 0.0),
    ],
)
def test_when_it_was_recorded_is_kept(recorded: str, created: float) -> None:
    (answer,) = only(exchange(ask(), chat("a"), recorded=recorded)).answers

    assert answer.sample.created == created
