"""Names that clients make up to tie parts of a request together: they count by their place alone. Pure.

A function call and its result carry one id. Where the provider gives the id, it comes from a stored
sample and repeats by itself. Where it gives none, a framework makes one up, another one in each run,
and sends it back. Only names in a form listed here are taken to be made up, and only where a dialect says
that a name does no more than tie; which of them are the same still counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import cast

__all__ = ["MADE_UP", "counted"]

MADE_UP: Mapping[str, str] = MappingProxyType(
    {
        # a regular expression for all of a name: who makes such
        r"pyd_ai_[0-9a-f]{32}": "Pydantic AI; https://github.com/pydantic/pydantic-ai/pull/4774",
        r"tooluse_[A-Za-z0-9_-]{22}": (
            "Strands Agents: strands/models/gemini.py; https://github.com/strands-agents/sdk-python"
        ),
        r"[A-Za-z_][\w.-]*_[2-9A-HJ-NP-Za-km-z]{22}": (
            "Inspect, the tool's name before it: inspect_ai/model/_providers/google.py, by shortuuid; "
            "https://github.com/UKGovernmentBEIS/inspect_ai"
        ),
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}": (
            "AG2 and others, by Python's uuid.uuid4; https://www.rfc-editor.org/rfc/rfc9562#section-5.4"
        ),
    }
)

_MADE_UP = re.compile("|".join(MADE_UP))


def counted(members: Mapping[str, object], paths: Sequence[str]) -> tuple[dict[str, object], bool]:
    """Return *members* with what is made up at *paths* replaced, and whether anything was.

    Args:
        members: A JSON object; it is left as it is.
        paths: Dotted; `*` stands for each item of an array.

    A name is replaced by an array with its number, from 0, in the order of first appearance: no
    provider takes an array for a name, so nothing that was sent can look the same.
    """
    places = dict[str, int]()
    value: object = members
    for path in paths:
        value = _replaced(value, path.split("."), places)
    return cast("dict[str, object]", value), bool(places)


def _replaced(value: object, path: Sequence[str], places: dict[str, int]) -> object:
    if not path:
        is_made_up = isinstance(value, str) and _MADE_UP.fullmatch(value)
        return [places.setdefault(str(value), len(places))] if is_made_up else value
    head, rest = path[0], path[1:]
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_replaced(item, rest, places) for item in items] if head == "*" else items
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, object]", value)
        return {**inner, head: _replaced(inner[head], rest, places)} if head in inner else inner
    return value
