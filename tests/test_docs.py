"""Every example of the README, CONTRIBUTING and docs/ runs as it stands, and no link is dead.

The blocks of a page are run in order in one fresh interpreter, in an empty folder, with an empty
home; no provider can be reached. ```python runs, ```console runs each line that begins with `$ ` in
the shell. What a page needs beyond that it says in comments that a reader does not see:

    <!-- rehearsal -->           anywhere: the simulated provider answers the SDKs on this page
    <!-- no-run: reason -->      before a block: it is not run; the test's report lists the reason
    <!-- file: name.py -->       before a block of any language: it is saved, not run
    <!-- exit: 1 -->             before a console block: its last command ends so
    <!-- output -->              before a ```text block: what the Python above it shows

Output shown is compared; `...` stands for any text in a line, and alone for any number of lines.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

import cachesaver
from cachesaver.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
RUNNER = Path(__file__).with_name("run_examples.py")

RUN = {"python", "console"}
OTHER_NAMES = {"bash", "shell", "sh", "zsh", "py", "python3", "pycon", "powershell"}
"""Languages that would be code but escape the test; such blocks are called by the names in RUN."""

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+|~~~+)(?P<language>[\w+-]*)[^`]*$")
COMMENT = re.compile(r"^ *<!-- *(?P<name>[a-z-]+)(?:: *(?P<value>.*?))? *-->$")
LINK = re.compile(
    r"(?<!!)\[[^\]]*\]\((?P<inline>[^)\s]+)[^)]*\)|^\[[^\]]+\]: *(?P<defined>\S+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: *line* is that of its first line of text; *marks* are its comments."""

    page: Path
    line: int
    language: str
    text: str
    marks: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


@dataclass(slots=True)
class Page:
    """A page, read: its blocks, its comments, and its prose with blocks left out."""

    path: Path
    blocks: list[Block] = field(default_factory=list[Block])
    marks: dict[str, str] = field(default_factory=dict[str, str])
    prose: list[str] = field(default_factory=list[str])


def read(path: Path) -> Page:
    """Read the page at *path*."""
    page, marks = Page(path), dict[str, str]()
    lines = iter(enumerate(path.read_text(encoding="utf-8").splitlines(), start=1))
    for number, line in lines:
        if comment := COMMENT.match(line):
            marks[comment["name"]] = comment["value"] or ""
        elif fence := FENCE.match(line):
            text = "".join(f"{row.removeprefix(fence['indent'])}\n" for row in fenced(lines, fence))
            language = fence["language"]
            block = Block(page=path, line=number + 1, language=language, text=text, marks=marks)
            page.blocks.append(block)
            marks = {}
        elif line.strip():
            page.prose.append(line)
        page.marks |= marks
    return page


def fenced(lines: Iterator[tuple[int, str]], fence: re.Match[str]) -> Iterator[str]:
    """Take lines up to the one that closes *fence*."""
    for _, line in lines:
        if line.strip() == fence["ticks"]:
            return
        yield line


def page_paths() -> list[Path]:
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "cassettes_examples" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_page = pytest.mark.parametrize("path", page_paths(), ids=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One step of a page and what a reader is told of it; *output* None: nothing."""

    block: Block
    line: int
    kind: str
    text: str
    output: str | None = None
    exit: int = 0

    @property
    def step(self) -> dict[str, object]:
        name = self.block.marks.get("file", "")
        page = str(self.block.page)
        return {"kind": self.kind, "text": self.text, "page": page, "line": self.line, "name": name}


def examples(blocks: list[Block]) -> list[Example]:
    """Return what is to be run of *blocks*, in order."""
    found: list[Example] = []
    for block, after in zip_longest(blocks, blocks[1:]):
        if "no-run" in block.marks:
            continue
        if "file" in block.marks:
            found.append(Example(block=block, line=block.line, kind="file", text=block.text))
        elif block.language == "python":
            output = after.text if after and "output" in after.marks else None
            found.append(
                Example(block=block, line=block.line, kind="python", text=block.text, output=output)
            )
        elif block.language == "console":
            found.extend(commands(block))
    return found


def commands(block: Block) -> list[Example]:
    """Return the commands of a console block, each with the output shown below it, if any is."""
    rows = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert not rows[0].strip(), f"{block.place}: a console block begins with `$ `"
    line, found = block.line, list[Example]()
    for row in rows[1:]:
        parts = re.fullmatch(r"((?:.*\\\n)*.*)\n((?:.*\n)*)", row)
        assert parts, f"{block.place}: not a command and its output"
        command, output = parts.groups()
        found.append(
            Example(block=block, line=line, kind="command", text=command, output=output or None)
        )
        line += row.count("\n")
    *before, last = found
    return [*before, replace(last, exit=int(block.marks.get("exit", "0")))]


def agree(shown: str, printed: str) -> bool:
    """Tell whether *printed* is what a page shows, `...` standing for what varies.

    Trailing blanks, and blank lines at both ends, do not count.
    """
    rows = [re.escape(row.rstrip()) for row in shown.strip("\n").splitlines()]
    dots = re.escape("...")
    pattern = "".join(
        r"(?:.*\n)*?" if row == dots else row.replace(dots, ".*") + r"\n" for row in rows
    )
    text = "".join(f"{row.rstrip()}\n" for row in printed.strip("\n").splitlines())
    return re.fullmatch(pattern, text) is not None


def environment(home: Path, providers: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a newcomer: no keys, no settings, an empty home, no way out."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CACHESAVER_") and not name.endswith(("_API_KEY", "_BASE_URL"))
    }
    places = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "LOCALAPPDATA", "APPDATA")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {
        **kept,
        **dict.fromkeys(places, str(home)),
        **nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "PATH": path,
        "PYTHONUTF8": "1",
        **providers,
    }


@pytest.fixture
def provider(rehearsal: Rehearsal) -> dict[str, str]:
    """Return the variables that lead every SDK to the simulated provider."""
    return {
        "OPENAI_BASE_URL": rehearsal.openai_url,
        "OPENAI_API_KEY": "rehearsal",
        "ANTHROPIC_BASE_URL": rehearsal.anthropic_url,
        "ANTHROPIC_API_KEY": "rehearsal",
        "GOOGLE_GEMINI_BASE_URL": rehearsal.gemini_url,
        "GEMINI_API_KEY": "rehearsal",
    }


def run(todo: list[Example], folder: Path, env: Mapping[str, str]) -> None:
    """Run *todo* in *folder*/work; fail at the first that does not do what its page says."""
    work, steps, results = folder / "work", folder / "steps.json", folder / "results.json"
    work.mkdir()
    steps.write_text(json.dumps([example.step for example in todo]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(steps), str(results)],
        cwd=work,
        env=environment(work, env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    came: list[dict[str, Any]] = []
    if results.exists():
        came = json.loads(results.read_text(encoding="utf-8"))
    for example, result in zip(todo, came, strict=False):
        where = f"{named(example.block.page)}:{example.line}"
        output = result["output"]
        if result["exit"] != example.exit:
            pytest.fail(f"{where} ended with {result['exit']}:\n{output}")
        if example.output is not None and not agree(example.output, output):
            pytest.fail(f"{where} printed something else:\n{output}")
    assert done.returncode == 0, done.stderr
    assert len(came) == len(todo), done.stdout + done.stderr


@every_page
def test_the_examples_of_a_page_run(
    path: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page = read(path)
    todo = examples(page.blocks)

    env: dict[str, str] = {}
    if "rehearsal" in page.marks and todo:
        env = request.getfixturevalue("provider")

    run(todo, tmp_path, env)


@every_page
def test_a_page_that_needs_a_provider_says_where_to_get_one(path: Path) -> None:
    """Given a page whose examples reach the simulated provider, then its reader can have it too."""
    page = read(path)
    said = "a-provider-that-costs-nothing", "A provider that costs nothing"

    assert "rehearsal" not in page.marks or any(each in "\n".join(page.prose) for each in said)


@every_page
def test_what_is_not_run_has_a_reason(
    path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Given a block marked no-run, then it says why, and the report lists it."""
    for block in read(path).blocks:
        if "no-run" in block.marks:
            reason = block.marks["no-run"]
            assert reason, f"{block.place}: write <!-- no-run: why -->"
            record_property("note", f"{block.place} is not run: {reason}")


@every_page
def test_no_block_is_code_under_another_name(path: Path) -> None:
    """Given a page, then what can be run is called python or console, so that it is run."""
    odd = [block.place for block in read(path).blocks if block.language in OTHER_NAMES]

    assert odd == []


@pytest.mark.source_tree
@every_page
def test_every_link_leads_somewhere(path: Path) -> None:
    dead = [target for target in links(path) if not leads_somewhere(path, target)]

    assert dead == []


@pytest.mark.source_tree
def test_every_page_is_reached_from_the_first() -> None:
    """Given README.md and docs/index.md, when every link is followed, then all pages are seen."""
    seen, ahead = set[Path](), [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while ahead:
        path = ahead.pop()
        if path in seen or path.suffix != ".md" or not path.is_file():
            continue
        seen.add(path)
        ahead += [(path.parent / target.partition("#")[0]).resolve() for target in links(path)]

    fragments = set((ROOT / "docs" / "changelog.d").glob("*.md"))  # read by releases, not readers
    assert sorted(named(path) for path in set(page_paths()) - seen - fragments) == []


def links(path: Path) -> list[str]:
    """Return the targets of the links of a page that stay inside the repository."""
    prose = re.sub(r"`[^`]*`", "", "\n".join(read(path).prose))
    targets = [found["inline"] or found["defined"] for found in LINK.finditer(prose)]
    return [target for target in targets if not re.match(r"[a-z][a-z+.-]*:", target)]


def leads_somewhere(path: Path, target: str) -> bool:
    """Tell whether the file is there and, where an anchor is given, has that heading."""
    file, _, anchor = target.partition("#")
    page = (path.parent / file).resolve() if file else path
    return page.exists() and (not anchor or anchor in anchors(page))


def anchors(path: Path) -> set[str]:
    """Return the anchors GitHub makes of the headings of a page."""
    headings = [line.lstrip("#") for line in read(path).prose if re.match(r"#{1,6} ", line)]
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb\n", "a  \nb\n\n"),
        ("a ... c\n", "a b b c\n"),
        ("a\n...\nd\n", "a\nb\nc\nd\n"),
        ("a\n...\n", "a\n"),
        ("...\n", ""),
        ("(1 + 1) [x]\n", "(1 + 1) [x]\n"),
    ],
)
def test_output_agrees(shown: str, printed: str) -> None:
    assert agree(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\n", "a\nb\n"),
        ("a ... c\n", "a b\n"),
        ("a\n...\nd\n", "a\nb\n"),
        ("a\n", ""),
        ("a.c\n", "abc\n"),
    ],
)
def test_output_differs(shown: str, printed: str) -> None:
    assert not agree(shown, printed)


PAGE = """\
# A page

<!-- file: greet.py -->
```python
print("saved, not run", end="")
```

```python
x = 1
print("one", x)
```

<!-- output -->
```text
one ...
```

- a list

  ```console
  $ python greet.py
  saved, not run
  $ python -c "print(2); raise SystemExit(3)" || python -c "print(4)"
  2
  4
  ```

<!-- no-run: it would fail -->
```python
raise SystemExit
```

<!-- exit: 3 -->
```console
$ python -c "raise SystemExit(3)"
```

[here](#a-page)
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_a_page_is_run_as_it_stands(page: Path, tmp_path: Path) -> None:
    """Given a page with one block of each kind, then all that is to be run is, and agrees."""
    todo = examples(read(page).blocks)

    run(todo, tmp_path, {})

    assert [(each.kind, each.line) for each in todo] == [
        ("file", 5),
        ("python", 9),
        ("command", 21),
        ("command", 23),
        ("command", 35),
    ]
    assert links(page) == ["#a-page"]
    assert leads_somewhere(page, "#a-page")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("x = 1", "y = 1", "page.md:9 ended with 1:\n.*line 10.*NameError"),
        ("one ...", "two ...", "page.md:9 printed something else:\none 1"),
        ("  2\n  4\n", "  2\n", "page.md:23 printed something else:\n2\n4"),
        ("exit: 3", "exit: 0", "page.md:35 ended with 3"),
        ("no-run: it would fail", "", "page.md:30 ended with 1"),
    ],
)
def test_a_page_that_is_wrong_is_told(
    page: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    """Given a page with one thing wrong, when it is run, then its line is named."""
    page.write_text(PAGE.replace(old, new), encoding="utf-8")

    with pytest.raises(pytest.fail.Exception, match=f"(?s){told}"):
        run(examples(read(page).blocks), tmp_path, {})


@pytest.mark.parametrize("target", ["#no-such-heading", "missing.md", "page.md#nothing"])
def test_a_link_to_nowhere_is_told(page: Path, target: str) -> None:
    assert not leads_somewhere(page, target)


def docstring_examples(source: str) -> list[str]:
    """Return the blocks below each "Used like::" in the docstrings of a module."""
    tree = ast.parse(source)
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    pattern = re.compile(r"^Used like::\n\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)
    return [textwrap.dedent(found[1]) for doc in docs for found in pattern.finditer(f"{doc}\n")]


def modules() -> list[Path]:
    trees = (ROOT / "cachesaver", ROOT / "transports")
    return sorted({path for tree in trees for path in tree.rglob("*.py")})


@pytest.mark.source_tree
def test_every_example_in_a_docstring_can_be_read() -> None:
    """Given the "Used like" blocks of all modules, then each is Python, in a function if need be."""
    for path in modules():
        for text in docstring_examples(path.read_text(encoding="utf-8")):
            ast.parse("async def example():\n" + textwrap.indent(text, "    "), named(path))


READERS_OWN = """\
import cachesaver, openai

client = openai.OpenAI()
question = {"model": "gpt-4.1-mini", "messages": [{"role": "user", "content": "Say something."}]}
puzzle = "4 5 6 10"

def solve(puzzle):
    return client.chat.completions.create(**question)

"""
"""What a docstring may take for granted: it stands for the reader's own program."""


@pytest.mark.parametrize("name", cachesaver.__all__)
def test_the_example_of_a_public_name_runs(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Given a name of the package's root, then its "Used like" block runs in a reader's program."""
    found = getattr(cachesaver, name)
    texts = docstring_examples(textwrap.dedent(inspect.getsource(found))) if callable(found) else []

    sources = [f"{READERS_OWN}{text}" for text in texts]
    path = ROOT / "cachesaver" / f"{name}.example"
    blocks = [Block(page=path, line=1, language="python", text=t, marks={}) for t in sources]

    run(examples(blocks), tmp_path, request.getfixturevalue("provider") if blocks else {})


def test_a_docstring_example_is_found() -> None:
    source = '''def f():
    """Do.

    Used like::

        with f():

            pass

    Not this.
    """
'''

    assert docstring_examples(source) == ["with f():\n\n    pass\n\n"]
