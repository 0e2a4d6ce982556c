"""Google's counts for several inputs, shared out among them and added up again, exactly.

Beside numbers they have lists of numbers by modality, which `sharing` does not know.
https://ai.google.dev/api/generate-content#ModalityTokenCount
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from cachesaver.dialects import sharing
from cachesaver.dialects.forms import is_list, is_object

__all__ = ["share", "total"]

_COUNT = "tokenCount"


def share(counted: Mapping[str, object], sizes: Sequence[int]) -> list[dict[str, object]]:
    """Return counts for each of *sizes* (positive), larger where the size is.

    `total(share(counted, sizes)) == counted`, where each modality is listed once.
    """
    shares = sharing.share({name: _numbers(each) for name, each in counted.items()}, sizes)
    return [{name: _details(counted[name], each) for name, each in own.items()} for own in shares]


def total(counts: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the counts of one request that had all the inputs with these *counts*."""
    summed = sharing.add([{name: _numbers(each) for name, each in own.items()} for own in counts])
    told: dict[str, object] = {}
    for own in counts:
        for name, each in own.items():
            before = told.get(name)
            told[name] = _united(before, each) if _are_details(before) else told.get(name, each)
    return {name: _details(told[name], each) for name, each in summed.items()}


def _numbers(value: object) -> object:
    """Return the numbers of a list of counts, by what they count; anything else as it is."""
    if not _are_details(value):
        return value
    return {key: each[_COUNT] for key, each in _by_modality(value).items()}


def _details(value: object, numbers: object) -> object:
    """Return the list of counts *value* with other *numbers*."""
    if not _are_details(value) or not is_object(numbers):
        return numbers
    return [{**each, _COUNT: numbers[key]} for key, each in _by_modality(value).items()]


def _united(details: Sequence[dict[str, object]], more: object) -> list[dict[str, object]]:
    known = _by_modality(details)
    added = _by_modality(more) if _are_details(more) else {}
    return [*{**known, **added, **known}.values()]


def _by_modality(details: Sequence[dict[str, object]]) -> dict[str, dict[str, object]]:
    """One that is listed twice is two."""
    seen, named = Counter[str](), dict[str, dict[str, object]]()
    for each in details:
        modality = repr(each.get("modality"))
        named[f"{modality} {seen[modality]}"] = each
        seen[modality] += 1
    return named


def _are_details(value: object) -> TypeGuard[list[dict[str, object]]]:
    return is_list(value) and all(is_object(each) and _COUNT in each for each in value)
