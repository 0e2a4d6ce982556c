"""From a JSON schema to a value that satisfies it, drawn at random.

Reads what the SDKs emit for structured output and tools: `$ref`, `anyOf`, `allOf`, `enum`, `const`,
formats, bounds, Google's upper-case types and `nullable`. `pattern` is not understood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from cachesaver.rehearsal.reading import listed, mapped

__all__ = ["instance"]

_DEEP = 6
"""Below it, what may be left out is: recursive schemas come to an end."""

_FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "date-time": "2026-01-02T03:04:05Z",
        "date": "2026-01-02",
        "time": "03:04:05Z",
        "duration": "P1D",
        "email": "someone@example.com",
        "hostname": "example.com",
        "ipv4": "127.0.0.1",
        "ipv6": "::1",
        "uri": "https://example.com/",
        "uuid": "123e4567-e89b-12d3-a456-426614174000",
    }
)


def instance(schema: Mapping[str, Any], rng: Random, *, tag: str = "") -> Any:
    """Return a JSON value that satisfies *schema*.

    Args:
        schema: An object schema may be empty: then the value has the one field `answer`.
        rng: All chance comes from it.
        tag: Is put into every free text, so that an answer can be traced to its sample.
    """
    if not schema:
        return {"answer": f"[{tag}] {rng.randrange(1000)}"}
    return _Writer(schema, rng, tag).value(schema, 0)


@dataclass(frozen=True, slots=True)
class _Writer:
    root: Mapping[str, Any]
    rng: Random
    tag: str

    def value(self, given: Mapping[str, Any], depth: int) -> Any:
        schema = self._resolved(given)
        if "const" in schema:
            return schema["const"]
        if options := listed(schema.get("enum")):
            return self.rng.choice(options)
        if branches := listed(schema.get("anyOf")) or listed(schema.get("oneOf")):
            return self.value({**_rest(schema), **mapped(self._branch(branches, depth))}, depth)
        return self._writers()[self._kind(schema, depth)](schema, depth)

    def _writers(self) -> dict[str, Callable[[Mapping[str, Any], int], Any]]:
        return {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": lambda _schema, _depth: self.rng.random() < 0.5,  # noqa: PLR2004  # a coin
            "null": lambda _schema, _depth: None,
        }

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while isinstance(reference := schema.get("$ref"), str):
            target: object = self.root
            for step in reference.removeprefix("#").strip("/").split("/"):
                target = (
                    mapped(target).get(step.replace("~1", "/").replace("~0", "~"))
                    if step
                    else target
                )
            schema = {**mapped(target), **{k: v for k, v in schema.items() if k != "$ref"}}
        for part in listed(schema.get("allOf")):
            schema = {
                **self._resolved(mapped(part)),
                **{k: v for k, v in schema.items() if k != "allOf"},
            }
        return schema

    def _branch(self, branches: list[Any], depth: int) -> Any:
        if depth < _DEEP:
            return self.rng.choice(branches)
        flat = [
            b
            for b in branches
            if str(mapped(b).get("type", "")).lower() not in {"", "object", "array"}
        ]
        return (flat or branches)[0]

    def _kind(self, schema: Mapping[str, Any], depth: int) -> str:
        kinds = listed(schema.get("type")) or [schema.get("type") or _implied(schema)]
        names = [str(kind).lower() for kind in kinds]
        if schema.get("nullable") is True:
            names.append("null")
        if depth >= _DEEP and "null" in names:
            return "null"
        name = self.rng.choice(names)
        return name if name in self._writers() else "string"

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        needed = set(listed(schema.get("required")))
        wanted = {
            name: mapped(part)
            for name, part in mapped(schema.get("properties")).items()
            if name in needed or (depth < _DEEP and self.rng.random() < 0.5)  # noqa: PLR2004  # a coin
        }
        return {name: self.value(part, depth + 1) for name, part in wanted.items()}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        fixed = [self.value(mapped(part), depth + 1) for part in listed(schema.get("prefixItems"))]
        least = max(int(schema.get("minItems", 0)), len(fixed))
        usual = least if depth >= _DEEP else max(least, 2)
        most = int(schema.get("maxItems", usual))
        items = mapped(schema.get("items"))
        free = min(usual, most) - len(fixed) if items or not fixed else 0
        return fixed + [self.value(items, depth + 1) for _ in range(free)]

    def _string(self, schema: Mapping[str, Any], _depth: int) -> str:
        if (known := _FORMATS.get(str(schema.get("format")))) is not None:
            return known
        text = f"[{self.tag}] word{self.rng.randrange(10**6)}"
        padded = text.ljust(int(schema.get("minLength", 0)), ".")
        return padded[: int(schema.get("maxLength", len(padded)))]

    def _integer(self, schema: Mapping[str, Any], _depth: int) -> int:
        low, high = self._bounds(schema, 1)
        step = int(schema.get("multipleOf", 1))
        return self.rng.randint(-(-int(low) // step), int(high) // step) * step

    def _number(self, schema: Mapping[str, Any], depth: int) -> float:
        if "multipleOf" in schema:
            return self._integer(schema, depth)
        low, high = self._bounds(schema, 0.001)
        return round(low + self.rng.random() * (high - low), 3)

    @staticmethod
    def _bounds(schema: Mapping[str, Any], nudge: float) -> tuple[float, float]:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -nudge) + nudge)
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 100 + nudge) - nudge)
        return min(low, high), high


def _rest(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf"}}


def _implied(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"
