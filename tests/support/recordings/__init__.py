"""Other projects' recordings of LLM traffic, read: every file of the corpus as exchanges.

Used like::

    for exchange in read_corpus(folder):
        exchange.request, exchange.response, exchange.provider, exchange.odd

What a recording does not hold is filled in stably, and `Exchange` says with what. Bodies are the
bytes that were recorded: base64, YAML's binary and HTTP/1.1 dumps are undone, content codings kept.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from recordings.files import chunk_lines, server_sent_events
from recordings.httprr import httprr
from recordings.jsons import azure_session, har
from recordings.values import Exchange, Pair, facts_of
from recordings.yamls import rig, ruby_vcr, vcrpy

__all__ = ["READERS", "Exchange", "read_corpus", "read_file"]

READERS: Mapping[str, Callable[[bytes, str], Iterator[Pair]]] = {
    "azure-session": azure_session,
    "har": har,
    "httprr": httprr,
    "rig-when-then": rig,
    "ruby-vcr": ruby_vcr,
    "sse-file": server_sent_events,
    "vcrpy": vcrpy,
    "vercel-fixture": chunk_lines,
}
"""By the `format` of index.json; each takes a file's content (decompressed) and its path."""


def read_corpus(folder: Path) -> tuple[Exchange, ...]:
    """Return every exchange of the corpus in *folder*, in the order of its index."""
    index: Any = json.loads((folder / "index.json").read_bytes())
    return tuple(exchange for entry in index["files"] for exchange in read_file(folder, entry))


def read_file(folder: Path, entry: Mapping[str, Any]) -> Iterator[Exchange]:
    """Iterate the exchanges of one file of the corpus; *entry* is its entry in the index."""
    name: str = entry["file"]
    content = (folder / name).read_bytes()
    if name.endswith(".gz"):
        content = gzip.decompress(content)
    pairs = list(READERS[entry["format"]](content, name))
    for place, (pair, told) in enumerate(zip(pairs, entry["interactions"], strict=True)):
        request, response = pair
        yield Exchange(file=name, place=place, request=request, response=response, **facts_of(told))
