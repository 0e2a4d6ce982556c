"""Ids of function calls that the caller made up, because Gemini gave none: numbered in their order.

"Optional. The unique id of the function call. If populated, the client to execute the function_call
and return the response with the matching id" (https://ai.google.dev/api/caching#FunctionCall). Models
before Gemini 3 populate none, and frameworks that need one make it up, a new one in every run. It ties
a result to its call and says nothing else; so which results belong to which calls stays in the
question, and the letters of the id do not. An id in the provider's own form came with a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cachesaver.dialects.forms import is_list, is_object

__all__ = ["with_numbered_ids"]

_OWN = re.compile(r"[a-z0-9]{8}")
"""Recorded exchanges of gemini-3.1 and gemini-3.5."""

_HOLDERS = ("functionCall", "function_call", "functionResponse", "function_response")
"""ProtoJSON parsers take both spellings: https://protobuf.dev/programming-guides/json/"""


def with_numbered_ids(body: Mapping[str, object]) -> Mapping[str, object]:
    """Return the request *body* with ids that are made up numbered; itself where there are none."""
    names = dict[str, str]()
    contents = body.get("contents")
    if not is_list(contents):
        return body
    numbered = [_content(each, names) for each in contents]
    return {**body, "contents": numbered} if names else body


def _content(content: object, names: dict[str, str]) -> object:
    if not is_object(content) or not is_list(parts := content.get("parts")):
        return content
    return {**content, "parts": [_part(each, names) for each in parts]}


def _part(part: object, names: dict[str, str]) -> object:
    if not is_object(part):
        return part
    changed = {name: _holder(part[name], names) for name in _HOLDERS if name in part}
    return {**part, **changed} if changed else part


def _holder(holder: object, names: dict[str, str]) -> object:
    if not is_object(holder) or not isinstance(given := holder.get("id"), str):
        return holder
    if not given or _OWN.fullmatch(given):
        return holder
    return {**holder, "id": names.setdefault(given, f"made up {len(names)}")}
