"""References of a JSON Schema that lead to nothing but themselves: no JSON fits them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import unquote

__all__ = ["endless_reference"]


def endless_reference(schema: Mapping[str, Any]) -> str | None:
    """Return a reference of *schema* that refers to itself and says nothing else; `None`: there is none.

    A schema may well have itself in a property or an item. Followed are `$ref` to a place in *schema*,
    and `allOf`.
    """
    references = {ref for node in _nodes(schema) for ref in _said(node)}
    graph = {each: _included(_find(schema, each)) for each in sorted(references)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return str(error.args[1][0])
    return None


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Iterate all objects in *schema*, however deep they are."""
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            yield node
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def _said(node: Mapping[str, Any]) -> list[str]:
    ref = node.get("$ref")
    return [ref] if isinstance(ref, str) else []


def _included(schema: Any) -> list[str]:
    """Return the references that all of *schema* must fit."""
    found: list[str] = []
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, Mapping):
            found += _said(node)
            parts = node.get("allOf")
            left.extend(parts if isinstance(parts, list) else ())
    return found


def _find(schema: Any, ref: str) -> Any:
    """Return what *ref* points to: https://www.rfc-editor.org/rfc/rfc6901; `None`: nothing in *schema*."""
    if not ref.startswith("#"):
        return None
    for part in unquote(ref[1:]).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        schema = _step(schema, name)
    return schema


def _step(node: Any, name: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(name)
    is_place = isinstance(node, list) and name.isdecimal() and len(name) < 9  # noqa: PLR2004
    return node[int(name)] if is_place and int(name) < len(node) else None
