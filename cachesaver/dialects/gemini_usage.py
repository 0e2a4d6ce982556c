"""Google's counts for several inputs, shared out among them and added up again, exactly.

Beside numbers they have lists of numbers by modality, which `sharing` does not know.
https://ai.google.dev/api/generate-content#ModalityTokenCount
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from cachesaver.dialects import sharing
from cachesaver.dialects.forms import is_list, is_object

__all__ = ["share", "total"]

_MODALITY = "modality"


def share(counted: Mapping[str, object], sizes: Sequence[int]) -> list[dict[str, object]]:
    """Return counts for each of *sizes* (positive), larger where the size is.

    `total(share(counted, sizes)) == counted`, where each modality is listed once.
    """
    shares = sharing.share({name: _as_object(each) for name, each in counted.items()}, sizes)
    return [{name: _like(counted[name], each) for name, each in own.items()} for own in shares]


def total(counts: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the counts of one request that had all the inputs with these *counts*."""
    first = {name: each for own in reversed(counts) for name, each in own.items()}
    objects = [{name: _as_object(each) for name, each in own.items()} for own in counts]
    return {name: _like(first[name], each) for name, each in sharing.add(objects).items()}


def _as_object(value: object) -> object:
    """Return a list of counts as an object, by modality; one that is listed twice is two."""
    if not is_list(value) or not all(is_object(each) and _MODALITY in each for each in value):
        return value
    seen, named = Counter[str](), dict[str, object]()
    for each in value:
        modality = str(each[_MODALITY]) if is_object(each) else ""
        named[f"{modality} {seen[modality]}"] = each
        seen[modality] += 1
    return named


def _like(value: object, counted: object) -> object:
    return [*counted.values()] if is_list(value) and is_object(counted) else counted
