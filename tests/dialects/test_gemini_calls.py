from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesaver.dialects.gemini_calls import with_whole_calls
from cachesaver.errors import DialectError


def call(**fields: object) -> dict[str, Any]:
    return {"functionCall": fields}


def told(*partial: dict[str, object], **fields: object) -> dict[str, Any]:
    return call(partialArgs=[*partial], willContinue=True, **fields)


def text(path: str, value: str, **more: object) -> dict[str, object]:
    return {"jsonPath": path, "stringValue": value, **more}


BEGUN = {**call(name="f", id="1", willContinue=True), "thoughtSignature": "s"}
ENDED = call()


def whole(args: object) -> dict[str, Any]:
    return {**call(id="1", name="f", args=args), "thoughtSignature": "s"}


def test_calls_in_one_part_and_other_parts_stay_as_they_are() -> None:
    parts: list[object] = [
        {"text": "a"},
        call(name="f", args={"a": 1}),
        call(name="g"),
        {"ofTomorrow": {}},
    ]

    assert with_whole_calls(parts) == parts


def test_a_call_is_put_together_as_vertex_streams_it() -> None:
    """Recorded: texts in pieces, a number at once, an empty piece at the end of each."""
    parts = [
        {"text": "a"},
        BEGUN,
        told(text("$.items[0].name", "ap", willContinue=True)),
        told(text("$.items[0].name", "ple", willContinue=True)),
        told(text("$.items[0].name", "")),
        told({"jsonPath": "$.items[0].price", "numberValue": 0.5}),
        call(willContinue=True),
        told({"jsonPath": "$.items[1].price", "numberValue": 3}),
        ENDED,
        call(name="g", args={}),
    ]

    assert with_whole_calls(parts) == [
        {"text": "a"},
        whole({"items": [{"name": "apple", "price": 0.5}, {"price": 3}]}),
        call(name="g", args={}),
    ]


def test_a_call_may_end_with_its_last_argument() -> None:
    last = call(partialArgs=[{"jsonPath": "$.b", "boolValue": True}])

    assert with_whole_calls([BEGUN, told(text("$.a", "x")), last]) == [whole({"a": "x", "b": True})]


def test_every_kind_of_value_and_of_path_is_read() -> None:
    parts = [
        BEGUN,
        told(
            text("$.a_1", "x"),
            {"jsonPath": "$['b c']", "numberValue": 1},
            {"jsonPath": '$["d"].é', "boolValue": False},
            {"jsonPath": "$.n", "nullValue": "NULL_VALUE"},
            {"jsonPath": "$.l[0][0]", "numberValue": 2},
        ),
        ENDED,
    ]

    assert with_whole_calls(parts) == [
        whole({"a_1": "x", "b c": 1, "d": {"é": False}, "n": None, "l": [[2]]})
    ]


def test_a_call_without_arguments_has_none() -> None:
    assert with_whole_calls([BEGUN, ENDED, BEGUN, ENDED]) == [whole({}), whole({})]


@pytest.mark.parametrize(
    "parts",
    [
        # broken off
        [BEGUN],
        [BEGUN, told(text("$.a", "x", willContinue=True)), ENDED],
        # interrupted
        [BEGUN, {"text": "a"}, ENDED],
        [BEGUN, call(name="g"), ENDED],
        [BEGUN, BEGUN, ENDED],
        [BEGUN, told(text("$.a", "x", willContinue=True), text("$.b", "y")), ENDED],
        # of no call
        [ENDED],
        [told(text("$.a", "x"))],
        [call(name=1, willContinue=True), ENDED],
        # more than is understood
        [BEGUN, {**ENDED, "thoughtSignature": "t"}],
        [BEGUN, call(args={})],
        [call(name="f", args={}, willContinue=True), ENDED],
        [call(name="f", willContinue=True, partialArgs={}), ENDED],
        [BEGUN, told({"jsonPath": "$.a"}), ENDED],
        [BEGUN, told({"stringValue": "a"}), ENDED],
        [BEGUN, told({"jsonPath": "$.a", "stringValue": "a", "numberValue": 1}), ENDED],
        [BEGUN, told({"jsonPath": "$.a", "structValue": {}}), ENDED],
        [BEGUN, told({"jsonPath": "$.a", "stringValue": 1}), ENDED],
        [BEGUN, told({"jsonPath": "$.a", "numberValue": 1, "willContinue": True}), ENDED],
        [BEGUN, call(partialArgs=["a"])],
        # told twice, or into each other
        [BEGUN, told(text("$.a", "x"), text("$.a", "y")), ENDED],
        [BEGUN, told(text("$.a", "x"), text("$['a']", "y")), ENDED],
        [BEGUN, told(text("$.a[0]", "x"), text("$.a['b']", "y")), ENDED],
        [BEGUN, told(text("$.a[0]", "x"), text("$['a'][0]", "y")), ENDED],
        [BEGUN, told(text("$.a", "x"), text("$.a.b", "y")), ENDED],
        [BEGUN, told(text("$.a[1]", "x")), ENDED],
        [BEGUN, told(text("$[0]", "x")), ENDED],
        # other paths
        *(
            [BEGUN, told(text(path, "x")), ENDED]
            for path in ("", "$", "a", "$.*", "$..a", "$.a[", "$.a[-1]", "$['\\'']")
        ),
        # no objects
        ["text"],
        [{"functionCall": "f"}],
    ],
)
def test_anything_else_is_refused(parts: list[object]) -> None:
    with pytest.raises(DialectError):
        with_whole_calls(parts)


VALUES = st.recursive(
    st.text(max_size=6) | st.booleans() | st.none() | st.integers() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text("abc_é", min_size=1, max_size=3), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def pieces(value: object, path: str) -> list[dict[str, object]]:
    if isinstance(value, dict):
        return [each for k, v in value.items() for each in pieces(v, f"{path}['{k}']")]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return [each for k, v in enumerate(value) for each in pieces(v, f"{path}[{k}]")]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, str):
        return [
            *(text(path, letter, willContinue=True) for letter in value),
            text(path, ""),
        ]
    kind = (
        "nullValue" if value is None else "boolValue" if isinstance(value, bool) else "numberValue"
    )
    return [{"jsonPath": path, kind: "NULL_VALUE" if value is None else value}]


@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=4))
def test_any_arguments_come_back_from_their_pieces(args: dict[str, Any]) -> None:
    parts = [BEGUN, *map(told, pieces(args, "$")), ENDED]

    assert with_whole_calls(parts) == [whole(args)]
