"""What an application says of itself: its models, its health, its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from cachesaver.local.app.served import Served, Shop

__all__ = ["list_models", "metrics", "model_object"]

_GAUGES = frozenset({"running", "waiting", "cells", "cells_used"})
"""Fields of `Stats` that rise and fall; the others only grow."""


def model_object(served: Served) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/models/object, and what a model can do."""
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "local",
        "context_length": (served.engine or served.encoder or _Nothing).context,
        "writes": served.engine is not None,
        "embeds": served.encoder is not None,
    }


class _Nothing:
    context = 0


def list_models(shop: Shop) -> dict[str, Any]:
    """https://platform.openai.com/docs/api-reference/models/list."""
    return {"object": "list", "data": [model_object(each) for each in shop.models.values()]}


def metrics(shop: Shop) -> str:
    """https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format."""
    return "\n".join((*_lines(shop), ""))


def _lines(shop: Shop) -> Iterator[str]:
    stats = {
        name: asdict(served.engine.stats())
        for name, served in shop.models.items()
        if served.engine is not None
    }
    for field in next(iter(stats.values()), {}):
        if field == "engine":
            continue
        is_gauge = field in _GAUGES
        metric = f"cachesaver_local_{field}" + ("" if is_gauge else "_total")
        yield f"# TYPE {metric} {'gauge' if is_gauge else 'counter'}"
        for name, values in stats.items():
            yield f'{metric}{{model="{_escaped(name)}"}} {values[field]}'


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
