"""Several candidates in one response: taken apart into samples and put together again.

The prompt is counted once for a request, so each sample tells all of its tokens and the joined
response tells them once; what the candidates cost is shared out, to the last token.
https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from cachesaver.dialects.base import named
from cachesaver.dialects.forms import is_list, is_object
from cachesaver.dialects.gemini_stream import candidates_of

__all__ = ["joined", "taken_apart"]

_SHARED = ("candidatesTokenCount", "thoughtsTokenCount")
"""Tokens of the candidates together. All other counts are the prompt's, once for a request."""

_SHARED_DETAILS = ("candidatesTokensDetails",)
"""The same by modality."""

_TOTAL = "totalTokenCount"


def taken_apart(response: Mapping[str, object]) -> list[dict[str, object]]:
    """Return *response* once for each of its candidates, as the only one."""
    candidates = candidates_of(response)
    usages = _shares(response.get("usageMetadata"), candidates)
    return [
        {
            **named(response, "responseId", place),
            "candidates": [{**candidate, "index": 0} if "index" in candidate else candidate],
            **({"usageMetadata": usage} if "usageMetadata" in response else {}),
        }
        for place, (candidate, usage) in enumerate(zip(candidates, usages, strict=True))
    ]


def joined(responses: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the first of *responses* with the candidates and tokens of all."""
    found = [candidate for response in responses for candidate in candidates_of(response)]
    numbered = any("index" in candidate for candidate in found)
    usages = [usage for response in responses if is_object(usage := response.get("usageMetadata"))]
    return {
        **responses[0],
        "candidates": [
            {**candidate, "index": place}
            if "index" in candidate or (place and numbered)
            else candidate
            for place, candidate in enumerate(found)
        ],
        **({"usageMetadata": _sum(usages)} if usages else {}),
    }


def _shares(usage: object, candidates: Sequence[Mapping[str, object]]) -> list[object]:
    if not is_object(usage):
        return [usage] * len(candidates)
    shares = [dict(usage) for _ in candidates]
    weights = [candidate.get("tokenCount") for candidate in candidates]
    for name in _SHARED:
        if _is_count(total := usage.get(name)):
            for share, part in zip(shares, _parts(total, weights), strict=True):
                share[name] = part
    for name in _SHARED_DETAILS:
        if _are_details(details := usage.get(name)):
            for place, share in enumerate(shares):
                share[name] = [
                    {**each, "tokenCount": _parts(_count(each), weights)[place]} for each in details
                ]
    if _is_count(total := usage.get(_TOTAL)):
        prompt = total - _candidates_tokens(usage)
        for share in shares:
            share[_TOTAL] = prompt + _candidates_tokens(share)
    return [*shares]


def _sum(usages: Sequence[Mapping[str, object]]) -> dict[str, object]:
    first = usages[0]
    total = dict(first)
    for name in _SHARED:
        if any(_is_count(usage.get(name)) for usage in usages):
            total[name] = sum(_count(usage, name) for usage in usages)
    for name in _SHARED_DETAILS:
        lists = [details for usage in usages if _are_details(details := usage.get(name))]
        if lists:
            total[name] = _sum_details(lists)
    if _is_count(whole := first.get(_TOTAL)):
        total[_TOTAL] = whole - _candidates_tokens(first) + _candidates_tokens(total)
    return total


def _parts(total: int, weights: Sequence[object]) -> list[int]:
    """Share *total* out: by *weights* where they are its summands, else evenly."""
    counts = [weight for weight in weights if _is_count(weight)]
    if len(counts) == len(weights) and sum(counts) == total:
        return counts
    each, rest = divmod(total, len(weights))
    return [each + (place < rest) for place in range(len(weights))]


def _sum_details(lists: Sequence[list[dict[str, object]]]) -> list[dict[str, object]]:
    """Add up what belongs to one modality; one that is listed twice is two."""
    sums = dict[tuple[object, int], dict[str, object]]()
    for details in lists:
        seen = list[object]()
        for each in details:
            modality = each.get("modality")
            key = (modality, seen.count(modality))
            seen.append(modality)
            sums[key] = {**each, "tokenCount": _count(each) + _count(sums.get(key, {}))}
    return [*sums.values()]


def _candidates_tokens(usage: Mapping[str, object]) -> int:
    return sum(_count(usage, name) for name in _SHARED)


def _count(usage: Mapping[str, object], name: str = "tokenCount") -> int:
    count = usage.get(name)
    return count if _is_count(count) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_details(value: object) -> TypeGuard[list[dict[str, object]]]:
    return is_list(value) and all(
        is_object(each)
        and _is_count(each.get("tokenCount"))
        and isinstance(each.get("modality"), str | int)
        for each in value
    )
