from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.local.app.bodies import read
from cachesaver.local.app.other_asks import CompletionAsk, EmbeddingAsk
from cachesaver.local.app.refusals import Refusal

pytestmark = pytest.mark.usefixtures("either_way")

FORMS: list[tuple[Any, list[Any]]] = [
    ("a", ["a"]),
    ("", [""]),
    (["a", "b"], ["a", "b"]),
    ([1, 2], [[1, 2]]),
    ([[1, 2], [3]], [[1, 2], [3]]),
]


@pytest.mark.parametrize(("given", "each"), FORMS)
def test_prompts_and_inputs_have_four_forms(given: Any, each: list[Any]) -> None:
    completion = read(CompletionAsk, json.dumps({"model": "m", "prompt": given}).encode())
    embedding = read(EmbeddingAsk, json.dumps({"model": "m", "input": given}).encode())

    assert completion.prompts == embedding.inputs == each


@pytest.mark.parametrize("given", [[], [[]], None, 1, [1, "a"], ["a", [1]], [-1], {"a": 1}])
def test_other_forms_are_refused(given: Any) -> None:
    for kind, name in ((CompletionAsk, "prompt"), (EmbeddingAsk, "input")):
        with pytest.raises(Refusal) as raised:
            read(kind, json.dumps({"model": "m", name: given}).encode())
        assert str(raised.value.param).startswith(name)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ("best_of", {"best_of": 2}),
        ("echoed", {"echo": True, "logprobs": 0}),
        ("logprobs", {"logprobs": 6}),
        ("suffix is not supported", {"suffix": "x"}),
        ("unrecognized", {"messages": []}),
    ],
)
def test_what_completions_cannot_do_is_refused(words: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match=words):
        read(CompletionAsk, json.dumps({"model": "m", "prompt": "a", **fields}).encode())


def test_the_best_of_as_many_as_are_asked_for() -> None:
    body = {"model": "m", "prompt": "a", "best_of": 2, "n": 2}

    assert read(CompletionAsk, json.dumps(body).encode()).n == 2


@pytest.mark.parametrize("fields", [{"encoding_format": "hex"}, {"dimensions": 0}, {"n": 1}])
def test_what_embeddings_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        read(EmbeddingAsk, json.dumps({"model": "m", "input": "a", **fields}).encode())
