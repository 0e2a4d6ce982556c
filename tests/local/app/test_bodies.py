from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.local.app.bodies import UNSUPPORTED, Body, Metadata, Sampling, StreamOptions, read
from cachesaver.local.app.refusals import Refusal


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
