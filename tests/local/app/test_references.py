from __future__ import annotations

from typing import Any

import pytest

from cachesaver.local.app.references import endless_reference

A = {"$ref": "#/$defs/a"}
B = {"$ref": "#/$defs/b"}

ENDLESS: list[dict[str, Any]] = [
    {"$ref": "#"},
    {"allOf": [{"$ref": "#"}]},
    {"allOf": [{"type": "object"}, {"allOf": [{"$ref": "#"}]}]},
    {**A, "$defs": {"a": A}},
    {**A, "$defs": {"a": B, "b": A}},
    {"type": "object", "properties": {"x": A}, "required": ["x"], "$defs": {"a": A}},
    {"type": "array", "items": A, "$defs": {"a": {"description": "a", **A}}},
    {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"$ref": "#/$defs/a~1b%20c"}}},
    {"$ref": "#/prefixItems/1", "prefixItems": [{}, {"$ref": "#/prefixItems/1"}]},
]

FINITE: list[dict[str, Any]] = [
    {},
    {"type": "object", "properties": {"x": {"$ref": "#"}}},
    {"type": "object", "properties": {"$ref": {"type": "string"}}},
    {"type": "array", "items": {"$ref": "#"}},
    {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}], "$defs": {"a": {"items": A}}},
    {**A, "$defs": {"a": B, "b": {"type": "integer"}}},
    {"enum": [{"$ref": "#"}]},
    {"$ref": "#/$defs/none"},
    {"$ref": "#/prefixItems/7", "prefixItems": [{}]},
    {"$ref": "https://example.org/schema"},
]


@pytest.mark.parametrize("schema", ENDLESS)
def test_what_refers_only_to_itself_is_found(schema: dict[str, Any]) -> None:
    assert str(endless_reference(schema)).startswith("#")


@pytest.mark.parametrize("schema", FINITE)
def test_what_says_more_is_none(schema: dict[str, Any]) -> None:
    assert endless_reference(schema) is None


def test_a_long_chain_is_followed() -> None:
    chain = {str(at): {"$ref": f"#/$defs/{at + 1}"} for at in range(20_000)}
    last = {"20000": {"type": "null"}}

    assert endless_reference({"$ref": "#/$defs/0", "$defs": chain | last}) is None
    assert endless_reference({"$ref": "#/$defs/0", "$defs": chain | {"20000": {"$ref": "#"}}})
