"""How long a text may be that a model reads: what it has learned, and what does not hang on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from cachesaver.errors import ConfigurationError

__all__ = ["find_context", "find_reach"]

_FAR = 1 << 17
"""Tokens of context of a model that names no limit."""

_NAMES = ("max_position_embeddings", "max_seq_len")
"""What the limit is called: by most, and by MPT."""

_LEARNED = "it has learned no more positions than that"
_STRETCHED = (
    "beyond them transformers stretches the positions of a whole batch by its longest text ({}), so an "
    "answer would hang on what others ask"
)


def find_context(config: Any, wanted: int | None) -> int:
    """Return how many tokens prompt and answer may have together, of *wanted* ones.

    Args:
        config: Of the part of a model that reads text, as transformers has it.
        wanted: By a user; `None`: as many as may be. More than the model names is good only where positions
            are turned by one set of frequencies.

    Raises:
        ConfigurationError: *wanted* are more than the model can read, or than it reads alike alone and
            beside longer texts.
    """
    reach = find_reach(config)
    if wanted is None or wanted <= (reach or wanted):
        return wanted or reach or _FAR
    if kinds := [kind for kind, _ in _stretches(config)]:
        reason = _STRETCHED.format(", ".join(kinds))
    elif getattr(config, "rope_parameters", None):
        return wanted
    else:
        reason = _LEARNED
    raise ConfigurationError(
        f"a context of {wanted} tokens is more than this model can be served with, which is {reach}: "
        f"{reason}"
    )


def find_reach(config: Any) -> int | None:
    """Return how many tokens are read alike alone and beside longer texts; `None`: it names no limit."""
    named = next((getattr(config, name) for name in _NAMES if getattr(config, name, None)), None)
    limits = [limit for _, limit in _stretches(config) if limit]
    if named is not None and named > 0:  # XLNet says -1
        limits.append(int(named))
    return min(limits, default=None)


def _stretches(config: Any) -> Iterator[tuple[str, int]]:
    """Yield the kinds of rotary positions that hang on the longest text, and where they begin to.

    transformers/modeling_rope_utils.py, `dynamic_rope_update`.
    """
    for each in _rotary(config):
        kind = str(each.get("rope_type"))
        if kind == "longrope":
            yield kind, int(each["original_max_position_embeddings"])
        elif "dynamic" in kind:
            yield kind, int(config.max_position_embeddings)


def _rotary(config: Any) -> list[Mapping[str, Any]]:
    """Return the settings of rotary positions: one for all layers, or one for each type of layer."""
    given: Mapping[str, Any] = getattr(config, "rope_parameters", None) or {}
    if "rope_type" in given:
        return [given]
    return [cast("Mapping[str, Any]", each) for each in given.values() if isinstance(each, Mapping)]
