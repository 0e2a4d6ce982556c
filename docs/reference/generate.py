"""Write the generated parts of the reference: `python docs/reference/generate.py`.

A page says where: between `<!-- generated -->` and `<!-- end -->` everything is replaced by what the
function in `PAGES` returns. tests/test_reference.py fails where a page is behind.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cachesaver
from cachesaver.cli import parser
from cachesaver.clients import CLIENTS, Client, Reach
from cachesaver.dialects.known import DIALECTS
from cachesaver.dialects.passing import PASSED, UNREAD
from cachesaver.ports import Dialect
from cachesaver.settings import Mode

HERE = Path(__file__).parent

_PART = re.compile(r"(?<=<!-- generated -->\n).*?(?=<!-- end -->)", re.DOTALL)


def regenerated(page: str) -> str:
    """Return the text of *page*, such as `"python.md"`, with its generated part made anew."""
    text = (HERE / page).read_text(encoding="utf-8")
    made = f"\n{PAGES[page]()}\n\n"
    whole, count = _PART.subn(lambda _: made, text)
    if count != 1:
        raise ValueError(f"{page} needs one <!-- generated --> with an <!-- end --> after it")
    return whole


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(map(row, lines))


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def code(text: object) -> str:
    return f"`{text}`"


def block(text: str) -> str:
    return f"```text\n{text.strip()}\n```"


# --- command-line.md ---


def commands() -> str:
    whole = parser()
    (found,) = (a for a in whole._actions if isinstance(a, argparse._SubParsersAction))  # noqa: SLF001
    return "\n\n".join(command(name, each) for name, each in found.choices.items())


def command(name: str, of: argparse.ArgumentParser, *, level: str = "##") -> str:
    actions = [a for a in of._actions if a.dest != "help"]  # noqa: SLF001  # argparse offers no other way
    said = [f"{level} cachesaver {name}", block((of.description or "").strip())]
    below = [a for a in actions if isinstance(a, argparse._SubParsersAction)]  # noqa: SLF001
    if not below:
        return "\n\n".join([*said, table(("argument", "meaning"), [option(a) for a in actions])])
    verbs: dict[str, argparse.ArgumentParser] = below[0].choices
    said += [command(f"{name} {verb}", of, level=f"{level}#") for verb, of in verbs.items()]
    return "\n\n".join(said)


def option(action: argparse.Action) -> tuple[str, str]:
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.choices:
        value = "|".join(map(str, action.choices))
    named = ", ".join(action.option_strings)
    if action.nargs == argparse.REMAINDER:
        value = "-- PROGRAM ..."
    said = (action.help or "") % {"default": action.default}
    return code(f"{named} {value}".strip()), said


# --- python.md ---


def names() -> str:
    return "\n\n".join(named(name) for name in cachesaver.__all__)


def named(name: str) -> str:
    found = getattr(cachesaver, name)
    head = f"## cachesaver.{name}"
    if found is Mode:
        return f"{head}\n\n{block(documented(found))}\n\n{modes()}"
    if not inspect.isclass(found):
        return f"{head}\n\n{block(signature(name, found) + documented(found))}"
    if issubclass(found, Exception):
        bases = ", ".join(base.__name__ for base in found.__bases__)
        return f"{head}\n\n{block(f'class {name}({bases})' + chr(10) * 2 + documented(found))}"
    parts = [block(f"class {name}\n\n{documented(found)}")]
    parts += [f"### {name}.{key}\n\n{member(key, value)}" for key, value in public(found)]
    return "\n\n".join([head, *parts])


GATE = {"answer", "aanswer", "passed", "through_mocks", "wants"}
"""What transports call; users do not."""

INNER = {"forked", "missed", "on_leave"}
"""What `cachesaver.wiring` calls."""


def public(kind: type) -> Iterator[tuple[str, Any]]:
    slots: tuple[str, ...] = getattr(kind, "__slots__", ())
    for key, value in vars(kind).items():
        if not key.startswith("_") and key not in {*slots, *GATE, *INNER}:
            yield key, value


def member(key: str, value: Any) -> str:
    if isinstance(value, property):
        return block(f"{key} (read only)\n\n{inspect.getdoc(value)}")
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    return block(signature(key, plain) + documented(plain))


def signature(name: str, function: Callable[..., object]) -> str:
    found = inspect.signature(function)
    shown = [each for each in found.parameters.values() if each.name not in ("self", "cls")]
    one = str(found.replace(parameters=shown)).replace("'", "")
    if len(one) > 90:  # noqa: PLR2004
        inner = "".join(f"    {str(each).replace(chr(39), '')},\n" for each in starred(shown))
        one = f"(\n{inner}) -> {found.return_annotation}".replace("'", "")
    return f"{name}{one}\n\n"


def starred(parameters: Sequence[inspect.Parameter]) -> Iterator[object]:
    """Iterate *parameters*, with the star that begins those given by name only."""
    before: inspect.Parameter | None = None
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and (before is None or before.kind is not each.kind):
            yield "*"
        yield each
        before = each


def documented(found: object) -> str:
    return inspect.getdoc(found) or ""


def modes() -> str:
    """Return a table of the members of Mode and the text that follows each in the source."""
    (tree,) = ast.parse(inspect.getsource(Mode)).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101
    texts = [
        str(each.value.value)
        for each in tree.body[1:]
        if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
    ]
    rows = [(code(f"{mode.value}"), text) for mode, text in zip(Mode, texts, strict=True)]
    return table(("mode", "meaning"), rows)


# --- dialects.md ---


def all_dialects() -> str:
    return "\n\n".join([*map(dialect, DIALECTS), passing()])


def passing() -> str:
    rows = [
        (each.name, code(each.path), each.why, source(each.source))
        for each in PASSED
        if each.why != UNREAD
    ]
    said = "Known, and let through in every mode; `cachesaver explain` says so too:"
    return f"## What passes through\n\n{said}\n\n" + table(
        ("about", "path ends in", "why", ""), rows
    )


def source(text: str) -> str:
    return f"<{text}>" if text.startswith("https://") else text


def dialect(found: Dialect) -> str:
    limit = "no documented limit" if found.max_count is None else str(found.max_count)
    facts = [
        ("path ends in", ", ".join(map(code, found.endpoints))),
        ("host", code(found.hosts) if found.hosts else "any"),
        ("answers", "always the same" if found.deterministic else "samples"),
        ("answer-shaping headers", ", ".join(map(code, sorted(found.headers))) or "none"),
        ("samples in one request, at most", limit),
        ("stream and whole are one sample", "yes" if found.converts else "no"),
        ("`null` is the same as no field", "yes" if found.null_is_absent else "no"),
    ]
    if found.ties:
        facts.append(("ids that count by place where a client made them up", ties(found.ties)))
    kind = type(found)
    alone = [type(each) for each in DIALECTS].count(kind) == 1
    parts = [
        f"## {kind.__name__}" if alone else f"## {code(repr(found))}",
        f"`{found.name}`. {documented(kind).partition(chr(10))[0]}",
        table(("", ""), facts),
    ]
    if found.volatile:
        rows = [(code(k), linked(v)) for k, v in found.volatile.items()]
        parts += ["Fields that are no part of the question:", table(("field", "why"), rows)]
    if found.defaults:
        parts += ["Stated or left out, the same:", defaults(found.defaults)]
    return "\n\n".join(parts)


def ties(paths: Sequence[str]) -> str:
    return ", ".join(map(code, paths))


def defaults(given: Mapping[str, object]) -> str:
    rows = [(code(key), code(json.dumps(value))) for key, value in given.items()]
    return table(("field", "default"), rows)


def linked(reason: str) -> str:
    """Return *reason* with addresses that can be clicked."""
    return re.sub(r"https://\S+", lambda found: f"<{found[0]}>", reason)


# --- http-clients.md ---


def http_clients() -> str:
    rows = [
        (each.package or "Python", ", ".join(map(code, each.imports)), reach(each), each.tested)
        for each in CLIENTS
    ]
    return table(("package", "imported as", "reached", "tried"), rows)


def reach(client: Client) -> str:
    if client.reach is Reach.HOOK:
        said = f"by its own hook, {code(client.by)}"
    elif client.reach is Reach.THROUGH:
        said = f"through {client.by}"
    else:
        said = "**no**: point it at the gateway"
    return f"{said}; {client.note}" if client.note else said


PAGES: dict[str, Callable[[], str]] = {
    "http-clients.md": http_clients,
    "command-line.md": commands,
    "dialects.md": all_dialects,
    "python.md": names,
}


def main() -> None:
    """Write them all."""
    for page in PAGES:
        (HERE / page).write_text(regenerated(page), encoding="utf-8")


if __name__ == "__main__":
    main()
