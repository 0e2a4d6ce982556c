"""YAML with nothing executed, the tags that PyYAML writes for plain values understood: for all cassettes.

The one module that reads with PyYAML; import it where that is installed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import yaml

from cachesaver.cassettes.readers.texts import Document

__all__ = ["Loader", "load"]

_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Loader(_SAFE):  # type: ignore[misc]  # whichever there is
    """YAML's plain values; a date is the text that it was in JSON."""

    yaml_implicit_resolvers: Any = {  # noqa: RUF012  # as PyYAML has it
        first: [row for row in rows if row[0] != "tag:yaml.org,2002:timestamp"]
        for first, rows in _SAFE.yaml_implicit_resolvers.items()
    }


def load(text: bytes) -> list[Document]:
    """Return the documents of *text*.

    Raises:
        yaml.YAMLError: It is no YAML, or has a tag that is not known.
        ValueError: A tag stands on what it cannot be made of.
    """
    loader = Loader(text)
    try:
        return list(_documents(loader))
    finally:
        loader.dispose()


def _documents(loader: Any) -> Iterable[Document]:
    while loader.check_node():
        node = loader.get_node()
        yield Document(
            value=loader.construct_document(node),
            lines=dict(_lists(node)),
            line=node.start_mark.line + 1,
            core=partial(_core, node),
        )


def _lists(node: yaml.Node) -> Iterable[tuple[str, tuple[int, ...]]]:
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(value, yaml.SequenceNode):
            yield name.value, tuple(item.start_mark.line + 1 for item in value.value)


# --- YAML 1.2, section 10.3.2: what the plain words of its core schema are

_WORDS: Final[Mapping[str, object]] = MappingProxyType(
    {"": None, "~": None, "null": None, "true": True, "false": False}
    | {"Null": None, "NULL": None, "True": True, "TRUE": True, "False": False, "FALSE": False}
)
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def _core(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {_core(name): _core(value) for name, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_core(item) for item in node.value]
    text: str = node.value
    if getattr(node, "style", None):  # quoted, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


# --- tags

_PREFIX: Final = "tag:yaml.org,2002:"


def _one(loader: Any, node: yaml.Node) -> Any:
    """Return the one value in the list that an object was made of; as text, but of numbers."""
    if not isinstance(node, yaml.SequenceNode) or len(node.value) != 1:
        raise yaml.YAMLError(f"{node.tag} is not made of a list of one")
    (value,) = loader.construct_sequence(node, deep=True)
    return value


def _text(loader: Any, node: yaml.Node) -> str:
    return str(_one(loader, node))


def _tuple(loader: Any, node: yaml.Node) -> list[Any]:
    made: list[Any] = loader.construct_sequence(node, deep=True)
    return made


def _dict(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):  # OrderedDict: a list of one list of pairs
        (pairs,) = loader.construct_sequence(node, deep=True)
        return dict(map(tuple, pairs))
    return loader.construct_mapping(node, deep=True)


def _stream(loader: Any, node: yaml.Node) -> Any:
    """Return the bytes of an `io.BytesIO`, whose state is its content, its position and its dict."""
    return _bytes(loader.construct_mapping(node, deep=True)["state"][0])


def _pieces(loader: Any, node: yaml.Node) -> bytes:
    """Return the bytes of an iterator over pieces."""
    (pieces,) = loader.construct_mapping(node, deep=True)["args"]
    return b"".join(map(_bytes, pieces))


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""


def _binary(loader: Any, node: yaml.Node) -> bytes:
    content: bytes = loader.construct_yaml_binary(node)
    return content


def _plain(kind: str, loader: Any, node: yaml.Node) -> Any:
    return _SAFE.yaml_constructors[f"{_PREFIX}{kind}"](loader, node)


_Made = Callable[[Any, yaml.Node], Any]

TAGS: Final[Mapping[str, _Made]] = MappingProxyType(
    {
        # https://pyyaml.org/wiki/PyYAMLDocumentation ("Python-specific tags"): those of plain values
        f"{_PREFIX}python/none": partial(_plain, "null"),
        f"{_PREFIX}python/bool": partial(_plain, "bool"),
        f"{_PREFIX}python/int": partial(_plain, "int"),
        f"{_PREFIX}python/long": partial(_plain, "int"),
        f"{_PREFIX}python/float": partial(_plain, "float"),
        f"{_PREFIX}python/str": partial(_plain, "str"),
        f"{_PREFIX}python/unicode": partial(_plain, "str"),
        f"{_PREFIX}python/bytes": _binary,
        f"{_PREFIX}python/list": _tuple,
        f"{_PREFIX}python/tuple": _tuple,
        f"{_PREFIX}python/dict": _dict,
        # vcrpy, of what the clients it hooks had in their headers and bodies
        **{
            f"{_PREFIX}python/object/{made}:{name}": reader
            for made in ("new", "apply")
            for name, reader in (
                ("multidict._multidict.istr", _text),
                ("multidict._multidict_py.istr", _text),
                ("multidict.istr", _text),
                ("http.HTTPStatus", _one),
                ("collections.OrderedDict", _dict),
                ("_io.BytesIO", _stream),
                ("io.BytesIO", _stream),
            )
        },
        f"{_PREFIX}python/object/apply:builtins.iter": _pieces,  # vcrpy before 6, of a body
        "!binary": _binary,  # Ruby
    }
)
"""Tags of other languages that stand for a plain value, and what makes it."""

for _tag, _made in TAGS.items():
    Loader.add_constructor(_tag, _made)
