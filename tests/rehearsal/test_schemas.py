"""Values drawn from schemas satisfy them: judged by pydantic, and by hand where it has no say."""

# ruff: noqa: S311  # reproducible on purpose

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from cachesaver.rehearsal.schemas import instance
from cachesaver.rehearsal.values import dumps


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    name: str
    colour: Colour


class Node(BaseModel):
    label: Annotated[str, Field(min_length=3, max_length=8)]
    leaf: Leaf | None
    children: list[Node]
    weight: Annotated[float, Field(gt=0, le=2)]


class Event(BaseModel):
    kind: Literal["start", "stop"]
    day: date
    at: datetime
    id: UUID
    pair: tuple[int, str]
    flags: Annotated[list[bool], Field(min_length=3, max_length=4)]
    step: Annotated[int, Field(multiple_of=5, ge=7, lt=40)]
    extra: dict[str, Any] = {}
    note: str = ""


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize("model", [Leaf, Node, Event, Owner])
@pytest.mark.parametrize("seed", range(25))
def test_what_pydantic_describes_it_accepts(model: type[BaseModel], seed: int) -> None:
    schema = model.model_json_schema()

    value = instance(schema, Random(seed), tag="q#0")

    assert model.model_validate(value)


SCALARS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "STRING"}, str),
    ({"type": "INTEGER", "nullable": True}, int | None),
    ({"type": ["number", "null"]}, float | None),
    ({"type": "null"}, None),
    ({"const": 7}, Literal[7]),
    ({"enum": ["a", 1]}, Literal["a", 1]),
    ({"type": "number", "multipleOf": 2}, int),
    ({"type": "number", "minimum": 5, "maximum": 5}, float),
    ({"type": "invented"}, str),
    ({"items": {"type": "string"}}, list[str]),
    ({"prefixItems": [{"type": "string"}]}, tuple[str]),
    ({"type": "array", "items": {"type": "string"}, "maxItems": 1}, list[str]),
    ({"properties": {"a": {"type": "string"}}, "required": ["a"]}, dict[str, str]),
    ({"allOf": [{"type": "integer"}, {"minimum": 3}], "maximum": 3}, Literal[3]),
    ({"oneOf": [{"type": "string"}, {"type": "boolean"}]}, str | bool),
]


@pytest.mark.parametrize(("schema", "kind"), SCALARS)
@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_value(schema: dict[str, Any], kind: Any, seed: int) -> None:
    TypeAdapter[Any](kind).validate_json(dumps(instance(schema, Random(seed))), strict=True)


def test_pointers_with_escapes_are_followed() -> None:
    schema = {"$ref": "#/$defs/a~1b~0c", "$defs": {"a/b~c": {"const": "there"}}}

    assert instance(schema, Random(0)) == "there"


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    endless: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    }
    wide: dict[str, Any] = {"type": "array", "items": {"$ref": "#"}}

    for seed in range(20):
        assert "next" in instance(endless, Random(seed))
    assert instance(wide, Random(0))


def test_every_free_text_carries_the_tag_and_every_seed_says_something_else() -> None:
    said = {instance({"type": "string"}, Random(seed), tag="q#7") for seed in range(50)}

    assert len(said) == 50
    assert all(text.startswith("[q#7]") for text in said)
    assert instance({}, Random(0), tag="q#7")["answer"].startswith("[q#7]")
