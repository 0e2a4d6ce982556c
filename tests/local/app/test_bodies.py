from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from cachesaver.local.app.bodies import UNSUPPORTED, Body, Metadata, Sampling, StreamOptions, read
from cachesaver.local.app.chat_ask import ChatAsk
from cachesaver.local.app.other_asks import CompletionAsk, EmbeddingAsk
from cachesaver.local.app.refusals import Refusal
from cachesaver.local.app.responses_ask import ResponsesAsk

pytestmark = pytest.mark.usefixtures("either_way")


class Nested(Body):
    options: StreamOptions | None = None
    pairs: Metadata | None = None
    rows: list[StreamOptions] = []  # noqa: RUF012  # pydantic copies it


def refused(kind: type[Body], body: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        read(kind, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert raised.value.status == 400
    return raised.value


def test_null_is_as_good_as_absent() -> None:
    assert read(Sampling, b'{"model": "m", "temperature": null}') == read(
        Sampling, b'{"model": "m"}'
    )


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": "\\ud800"}', b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert "JSON" in str(refused(Sampling, body))


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"m"'])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    assert "the body" in str(refused(Sampling, body))


def test_what_is_no_number_is_refused() -> None:
    for value in ("NaN", "Infinity", "-Infinity", "9" * 5000):
        body = f'{{"model": "m", "temperature": {value}}}'.encode()
        assert refused(Sampling, body).status == 400


def test_a_missing_field_is_named() -> None:
    refusal = refused(Sampling, {})

    assert (refusal.param, refusal.code) == ("model", "missing_required_parameter")


def test_an_unknown_field_is_named() -> None:
    refusal = refused(Sampling, {"model": "m", "temprature": 1})

    assert (refusal.param, refusal.code) == ("temprature", "unknown_parameter")


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_openai_has_and_we_do_not_is_told_apart(name: str) -> None:
    refusal = refused(Sampling, {"model": "m", name: None})

    assert refusal.code == "unsupported_parameter"
    assert "not supported by a local model" in str(refusal)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", [-0.1, 2.1, "1", True, 1e400]),
        ("top_p", [-0.1, 1.1]),
        ("top_k", [-2, 0.5, 2**31]),
        ("min_p", [-0.1, 1.1]),
        ("repetition_penalty", [0, 101]),
        ("stream", ["yes", 1]),
        ("user", [1]),
    ],
)
def test_values_out_of_bounds_are_refused(name: str, values: list[Any]) -> None:
    for value in values:
        body = json.dumps({"model": "m", name: value}).replace("Infinity", "1e400").encode()
        assert refused(Sampling, body).param == name


def test_where_it_stands_is_told_as_openai_does() -> None:
    assert refused(Nested, {"options": {"x": 1}}).param == "options.x"
    assert refused(Nested, {"rows": [{}, {"include_usage": 1}]}).param == "rows[1].include_usage"


def test_metadata_is_small() -> None:
    for pairs in ({str(at): "" for at in range(17)}, {"k" * 65: ""}, {"k": "v" * 513}):
        assert refused(Nested, {"pairs": pairs}).param == "pairs"
    assert read(Nested, b'{"pairs": {"a": "b"}}').pairs == {"a": "b"}


def lists(schema: Any) -> Iterator[dict[str, Any]]:
    """Iterate the schemas of lists whose items can be wrong."""
    if isinstance(schema, dict):
        if schema.get("type") == "list" and schema["items_schema"]["type"] != "any":
            yield schema
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from lists(each)


@pytest.mark.parametrize("kind", [ChatAsk, CompletionAsk, EmbeddingAsk, ResponsesAsk])
def test_no_list_has_more_than_one_error_or_no_end(kind: type[Body]) -> None:
    found = [*lists(kind.__pydantic_core_schema__)]

    assert found
    assert all(each.get("fail_fast") and each.get("max_length") for each in found)


WRONG: list[tuple[type[Body], str, Any]] = [
    (CompletionAsk, "prompt", [-1] * 50_000),
    (CompletionAsk, "prompt", [1.5] * 50_000),
    (CompletionAsk, "prompt", [[-1] * 1000] * 50),
    (CompletionAsk, "prompt", [5] * 50_000 + ["x"]),
    (CompletionAsk, "stop", [1] * 50_000),
    (EmbeddingAsk, "input", [None] * 50_000),
    (ChatAsk, "messages", [{"role": "user"}] * 50_000),
    (ChatAsk, "messages", [{"role": "user", "content": [{}] * 50_000}]),
    (ResponsesAsk, "input", [{"type": "message"}] * 50_000),
]


@pytest.mark.parametrize(("kind", "field", "wrong"), WRONG)
def test_many_wrong_items_are_few_errors(kind: type[Body], field: str, wrong: list[Any]) -> None:
    """Given a list of 50,000 wrong items, then few errors are made, and one is said in short."""
    body = {"model": "m", field: wrong}

    with pytest.raises(ValidationError) as raised:
        kind.model_validate_json(json.dumps(body))
    assert raised.value.error_count() <= 10
    refusal = refused(kind, body)
    assert str(refusal.param).startswith(field)
    assert len(str(refusal)) < 200


def test_the_first_wrong_item_is_named() -> None:
    refusal = refused(CompletionAsk, {"model": "m", "prompt": [5, 6, -1, -1]})

    assert refusal.param == "prompt[2]"
    assert "greater than or equal to 0" in str(refusal)


def test_many_ids_are_too_many() -> None:
    refusal = refused(CompletionAsk, b'{"model": "m", "prompt": [5%b]}' % (b",5" * (1 << 20)))

    assert refusal.param == "prompt"
    assert "at most 1048576" in str(refusal)
    assert "at most 2048" in str(refused(CompletionAsk, {"model": "m", "prompt": ["a"] * 2049}))


@pytest.mark.parametrize("field", ["logit_bias", "top"])
def test_many_wrong_fields_are_counted_alone(field: str) -> None:
    """Given more errors than anybody reads, then their number is said, and none of them."""
    fields = {f"a{at}": "x" for at in range(2000)}
    body: dict[str, Any] = {"model": "m", "prompt": "a"}
    body |= {"logit_bias": fields} if field == "logit_bias" else fields

    assert "2000 errors" in str(refused(CompletionAsk, body))


def test_what_is_repeated_of_a_body_is_short() -> None:
    refusal = refused(Sampling, {"model": "m", "x" * 100_000: 1})

    assert len(json.dumps(refusal.body)) < 2000
