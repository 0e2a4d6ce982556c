"""vcrpy's cassettes as files: YAML or JSON, read without executing anything, written as vcrpy reads it.

A serializer turns `{"version": 1, "interactions": [...]}` into text and back; a persister finds the text.
Those of projects, or vcrpy's own, may stand in the place of either.
"""

# What cassettes hold, and what hooks of projects make of it, may be anything.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

import copy
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, cast

from cachesaver.cassettes.files import put_in_place
from cachesaver.errors import CassetteError
from cachesaver.vcr.request import Request

__all__ = [
    "JSON",
    "YAML",
    "CassetteNotFoundError",
    "FilesystemPersister",
    "Interactions",
    "deserialize",
    "is_missing",
    "serialize",
]

Interactions = tuple[list[Any], list[Any]]
"""Requests, and the response to each."""


class CassetteNotFoundError(FileNotFoundError):
    """There is no such cassette, or nothing in it."""


def is_missing(error: Exception) -> bool:
    """Tell whether *error* is how a persister, vcrpy's of any version, says that there is no cassette."""
    return isinstance(error, FileNotFoundError) or type(error).__name__ == "CassetteNotFoundError"


# --- serializers


@cache
def _yaml() -> tuple[ModuleType, Any, Any]:
    """Return PyYAML, a loader for cassettes, and a dumper that writes what the loader reads."""
    try:
        import yaml

        from cachesaver.cassettes.readers.yamls import Loader
    except ImportError as error:
        raise CassetteError(
            "vcrpy's cassettes are YAML, and PyYAML is not installed: pip install pyyaml",
            location="",
        ) from error
    dumper: Any = type("CassetteDumper", (getattr(yaml, "CSafeDumper", yaml.SafeDumper),), {})
    dumper.add_representer(tuple, _as_list)
    return yaml, Loader, dumper


def _as_list(dumper: Any, value: tuple[Any, ...]) -> Any:
    return dumper.represent_list(list(value))


def _from_yaml(text: str) -> Any:
    yaml, loader, _ = _yaml()
    try:
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML that could be read safely: {error}") from error


def _to_yaml(told: Mapping[str, Any]) -> str:
    yaml, _, dumper = _yaml()
    return cast("str", yaml.dump(told, Dumper=dumper))


def _to_json(told: Mapping[str, Any]) -> str:
    try:
        return json.dumps(told, indent=4) + "\n"
    except TypeError as error:
        raise TypeError(
            "a body is not text, and JSON cannot hold it; use the serializer 'yaml' here"
        ) from error


YAML: Final = SimpleNamespace(serialize=_to_yaml, deserialize=_from_yaml)
JSON: Final = SimpleNamespace(serialize=_to_json, deserialize=json.loads)


def deserialize(text: str, serializer: Any) -> Interactions:
    """Return what a cassette holds.

    Raises:
        ValueError: It is not a cassette of vcrpy 1 or newer.
    """
    told: Any = serializer.deserialize(text)
    if not isinstance(told, dict) or not {"interactions", "requests"} & told.keys():
        raise ValueError("it is no cassette of vcrpy 1 or newer")
    both = [(each["request"], each["response"]) for each in told.get("interactions") or ()]
    both += zip(told.get("requests") or (), told.get("responses") or (), strict=True)
    return (
        [Request.from_dict(asked) for asked, _ in both],
        [_with_bytes(answered) for _, answered in both],
    )


def _with_bytes(response: Any) -> Any:
    body: Any = response.get("body") if isinstance(response, dict) else None
    if isinstance(body, dict) and isinstance(body.get("string"), str):
        body["string"] = body["string"].encode()
    return response


def serialize(cassette: Mapping[str, Any], serializer: Any) -> str:
    """Return *cassette*, its `requests` and `responses`, as text that vcrpy reads."""
    interactions = [
        {"request": _with_text(request._to_dict()), "response": _with_text(copy.deepcopy(response))}  # noqa: SLF001  # as above
        for request, response in zip(cassette["requests"], cassette["responses"], strict=True)
    ]
    told: dict[str, Any] = {"version": 1, "interactions": interactions}
    if cassette.get("metadata"):
        told["metadata"] = cassette["metadata"]
    return cast("str", serializer.serialize(told))


def _with_text(side: dict[str, Any]) -> dict[str, Any]:
    body = side.get("body")
    if isinstance(body, dict) and "string" in body:
        body["string"] = _text(body["string"])
    else:
        side["body"] = _text(body)
    return side


def _text(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


# --- persisters


class FilesystemPersister:
    """Cassettes as files; one whose name ends in `.gz` is compressed.

    Args:
        extra: More cassettes to read, each as if it were part of the first. They are never written.
    """

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self.extra_paths = list(extra)

    def load_cassette(self, cassette_path: Any, serializer: Any) -> Interactions:
        """Return what the cassettes hold.

        Raises:
            CassetteNotFoundError: None of them is there.
            CassetteError: One is there, and cannot be read, or is no cassette.
        """
        requests, responses = list[Any](), list[Any]()
        for path in dict.fromkeys([str(cassette_path), *self.extra_paths]):
            asked, answered = _loaded(Path(path), serializer)
            requests += asked
            responses += answered
        if not requests:
            raise CassetteNotFoundError(f"there is no cassette {cassette_path}")
        return requests, responses

    def save_cassette(self, cassette_path: Any, cassette_dict: Any, serializer: Any) -> None:
        """Write what *cassette_dict* holds to the first of the cassettes."""
        path = Path(cassette_path)
        content = serialize(cassette_dict, serializer).encode()
        path.parent.mkdir(parents=True, exist_ok=True)
        put_in_place(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _loaded(path: Path, serializer: Any) -> Interactions:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise CassetteError(
            f"the cassette {path} cannot be read: {error.strerror or error}\nSee to its permissions, or "
            "name another file.",
            location=str(path),
        ) from error
    try:
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        # As text files are read: the ends of lines are one character.
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
        return deserialize(text, serializer) if text.strip() else ([], [])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CassetteError(
            f"the cassette {path} cannot be read: {error}\nRecord it anew, with --record-mode=rewrite.",
            location=str(path),
        ) from error
