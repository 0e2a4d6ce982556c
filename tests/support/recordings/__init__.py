"""Other projects' recordings of LLM traffic, read: every file of the corpus as exchanges.

Used like::

    for exchange in read_corpus(folder):
        exchange.request, exchange.response, exchange.provider, exchange.odd

The package's own readers read them; here is what the corpus tells beside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cachesaver.cassettes import readers
from recordings.files import chunk_lines, server_sent_events
from recordings.values import Exchange, Pair, facts_of

__all__ = ["ANSWERS", "Exchange", "read_corpus", "read_file"]

ANSWERS: Mapping[str, Callable[[bytes, str], Iterator[Pair]]] = {
    "sse-file": server_sent_events,
    "vercel-fixture": chunk_lines,
}
"""Files that hold answers alone, by the `format` of index.json; each takes content and path."""


def read_corpus(folder: Path) -> tuple[Exchange, ...]:
    """Return every exchange of the corpus in *folder*, in the order of its index."""
    index: Any = json.loads((folder / "index.json").read_bytes())
    return tuple(exchange for entry in index["files"] for exchange in read_file(folder, entry))


def read_file(folder: Path, entry: Mapping[str, Any]) -> Iterator[Exchange]:
    """Iterate the exchanges of one file of the corpus; *entry* is its entry in the index."""
    name: str = entry["file"]
    content = (folder / name).read_bytes()
    if entry["format"] in ANSWERS:
        pairs = list(ANSWERS[entry["format"]](content, name))
    else:
        pairs = [(each.request, each.response) for each in readers.read(content, location=name)]
    for place, (pair, told) in enumerate(zip(pairs, entry["interactions"], strict=True)):
        request, response = pair
        yield Exchange(file=name, place=place, request=request, response=response, **facts_of(told))
