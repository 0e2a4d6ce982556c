"""Ollama's embeddings, taken apart text by text and put together again."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.ollama_embed import OllamaEmbed, OllamaEmbeddings
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response
from cachesaver.identity import identify

Body = dict[str, Any]

EMBED = OllamaEmbed()
OLD = OllamaEmbeddings()
URL = "http://localhost:11434/api/embed"
ANSWER: Body = {
    "model": "m",
    "embeddings": [[0.5, -1], [0.25, 2.0], [1e-9, 3]],
    "total_duration": 100,
    "load_duration": 7,
    "prompt_eval_count": 11,
}


def ask(body: Body, *headers: tuple[str, str]) -> Request:
    return Request(method="POST", url=URL, headers=headers, body=json.dumps(body).encode())


def response(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


def asking(*texts: str) -> Body:
    return {"model": "m", "input": [*texts]}


def test_it_is_the_same_at_every_draw_and_never_streamed() -> None:
    assert EMBED.deterministic
    assert OLD.deterministic
    assert not EMBED.wants_stream(ask({}), {"stream": True})


def test_two_spellings_of_one_text_are_one_input() -> None:
    assert EMBED.inputs({"model": "m", "input": "a"}) == EMBED.inputs(asking("a"))
    assert EMBED.inputs(asking("a", "b")) == (
        {"model": "m", "input": "a"},
        {"model": "m", "input": "b"},
    )


def test_an_empty_text_in_a_list_is_a_text() -> None:
    """Given an empty text alone, then the model is loaded, and that is another question."""
    assert EMBED.inputs(asking("a", ""))[1] == {"model": "m", "input": [""]}
    assert not EMBED.recognises(ask({}), {"model": "m", "input": ""})


def test_only_what_is_missing_is_asked_for() -> None:
    body = {**asking("a", "b", "c"), "dimensions": 4}
    packed = Request(
        method="POST",
        url=URL,
        headers=(("content-encoding", "gzip"), ("x-a", "b")),
        body=gzip.compress(json.dumps(body).encode()),
    )

    request = EMBED.ask_inputs(packed, body, [2, 0])

    assert json.loads(request.body) == {**body, "input": ["c", "a"]}
    assert request.headers == (("x-a", "b"), ("content-length", str(len(request.body))))
    assert EMBED.ask_inputs(packed, body, [0, 1, 2]) is packed


def test_every_text_gets_its_vector_and_its_share() -> None:
    bodies = EMBED.inputs(asking("a", "b" * 20, "c" * 5))

    parts = EMBED.split_inputs(response(ANSWER), bodies)

    told = [json.loads(part.body) for part in parts]
    assert [each["embeddings"] for each in told] == [[v] for v in ANSWER["embeddings"]]
    assert told[0]["prompt_eval_count"] < told[1]["prompt_eval_count"]
    assert sum(each["prompt_eval_count"] for each in told) == 11
    assert sum(each["total_duration"] for each in told) == 100
    assert json.loads(EMBED.join(parts).body) == ANSWER
    assert [EMBED.usage(part)[0] for part in parts] == ["m"] * 3


def test_one_text_has_the_answer_as_it_came() -> None:
    alone = response({**ANSWER, "embeddings": [[1.0]]})

    assert EMBED.split_inputs(alone, EMBED.inputs(asking("a"))) == (alone,)
    assert EMBED.join([alone]) is alone


def test_a_sum_without_one_of_its_parts_is_not_told() -> None:
    one, other = response(ANSWER), response({"model": "m", "embeddings": [[4.0]]})

    joined = json.loads(EMBED.join([one, other]).body)

    assert joined == {"model": "m", "embeddings": [*ANSWER["embeddings"], [4.0]]}


@given(
    st.lists(st.tuples(st.text(max_size=20), st.integers(-9, 9)), min_size=1, max_size=6),
    st.integers(0, 10**6),
    st.integers(0, 10**12),
)
def test_joining_undoes_splitting(
    given_: list[tuple[str, int]], tokens: int, duration: int
) -> None:
    bodies = EMBED.inputs(asking(*(text for text, _ in given_)))
    vectors = [[float(number)] for _, number in given_]
    counts = {"total_duration": duration, "prompt_eval_count": tokens}
    answer = {"model": "m", "embeddings": vectors, **counts}

    parts = EMBED.split_inputs(response(answer), bodies)

    assert json.loads(EMBED.join(parts).body) == answer


@pytest.mark.parametrize("answer", [{**ANSWER, "embeddings": [[1.0]]}, {"embeddings": 1}, {}, [1]])
def test_as_many_vectors_as_texts_or_none(answer: object) -> None:
    with pytest.raises(DialectError):
        EMBED.split_inputs(response(answer), EMBED.inputs(asking("a", "b")))


def test_vectors_of_two_models_are_never_one_batch() -> None:
    one, other = (response({"model": name, "embeddings": [[1.0]]}) for name in ("e:1", "e:2"))

    with pytest.raises(DialectError, match="several models"):
        EMBED.join([one, other])


def test_there_must_be_something_to_join() -> None:
    with pytest.raises(DialectError):
        EMBED.join([])


ANSWERS: list[tuple[object, bool]] = [
    (ANSWER, True),
    ({"embeddings": []}, False),  # a model was loaded
    ({"embeddings": [[]]}, False),
    ({"embeddings": [["x"]]}, False),
    ({"embeddings": [[True]]}, False),
    ({**ANSWER, "error": "x"}, False),
    ({"error": "x"}, False),
    ([ANSWER], False),
]


@pytest.mark.parametrize(("answer", "sound"), ANSWERS)
def test_an_answer_is_vectors(answer: object, *, sound: bool) -> None:
    assert EMBED.sound(response(answer)) is sound


def test_one_vector_alone_as_before() -> None:
    answer = response({"embedding": [0.5]})
    body = {"model": "m", "prompt": "hi"}

    assert OLD.sound(answer)
    assert not OLD.sound(response({"embedding": []}))
    assert OLD.inputs(body) == (body,)
    assert OLD.usage(answer) == ("", {})
    assert OLD.recognises(ask(body), body)
    assert not OLD.recognises(ask(body), {**body, "input": "hi"})
    assert not OLD.recognises(ask(body), {"model": "m", "prompt": ""})


@pytest.mark.parametrize("given_", [["a", 1], [], 1, None, {"a": 1}])
def test_what_is_no_text_is_not_ours(given_: object) -> None:
    assert not EMBED.recognises(ask({}), {"model": "m", "input": given_})


def test_elsewhere_only_with_fields_of_its_own() -> None:
    elsewhere = OllamaEmbed(anywhere=True)

    assert not elsewhere.recognises(ask({}), asking("a"))
    assert elsewhere.recognises(ask({}), {**asking("a"), "keep_alive": "5m"})


@pytest.mark.parametrize(
    "more", [{"keep_alive": 0}, {"options": {}}, {"truncate": True}, {"dimensions": 0}]
)
def test_what_says_no_more_than_leaving_it_out(more: Body) -> None:
    body = {"model": "m", "input": "hi"}

    assert (
        identify(ask({**body, **more}), EMBED).fingerprint == identify(ask(body), EMBED).fingerprint
    )


def test_usage_is_what_it_says() -> None:
    assert EMBED.usage(response(ANSWER)) == ("m", {"prompt_eval_count": 11})
    assert EMBED.usage(response({"embeddings": [[1.0]]})) == ("", {})
