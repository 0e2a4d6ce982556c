"""No tag is executed; those of plain values are read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cachesaver.cassettes.readers import read
from cachesaver.cassettes.readers.yamls import load
from cachesaver.errors import CassetteError

TAGGED = [
    # as PyYAML's unsafe dumper writes them, and what they stand for
    ("!!python/tuple [a, b]", ["a", "b"]),
    ("!!python/list [a]", ["a"]),
    ("!!python/dict {a: 1}", {"a": 1}),
    ("!!python/unicode 'a'", "a"),
    ("!!python/str 'a'", "a"),
    ("!!python/bytes 'AP8='", b"\x00\xff"),
    ("!!binary AP8=", b"\x00\xff"),
    ("!binary AP8=", b"\x00\xff"),
    ("!!python/none ''", None),
    ("!!python/bool 'True'", True),
    ("!!python/int '1'", 1),
    ("!!python/long '1'", 1),
    ("!!python/float '1.5'", 1.5),
    ("!!python/object/apply:http.HTTPStatus [200]", 200),
    ("!!python/object/new:multidict._multidict.istr [X-A]", "X-A"),
    ("!!python/object/apply:collections.OrderedDict [[[a, 1]]]", {"a": 1}),
    (
        "!!python/object/new:_io.BytesIO {state: !!python/tuple [!!binary AP8=, 0, null]}",
        b"\x00\xff",
    ),
    ("!!python/object/apply:builtins.iter {args: [[a, !!binary AP8=]]}", b"a\x00\xff"),
    ("2024-01-01", "2024-01-01"),
    ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
]


@pytest.mark.parametrize(("text", "value"), TAGGED, ids=[row[0][:40] for row in TAGGED])
def test_a_tag_of_a_plain_value_becomes_it(text: str, value: object) -> None:
    (document,) = load(f"a: {text}".encode())

    assert document.value == {"a": value}
    assert type(document.value["a"]) is type(value)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [touch TARGET]",
        "!!python/object/new:os.system [touch TARGET]",
        '!!python/object/apply:builtins.eval [\'__import__("os").mkdir("TARGET")\']',
        "!!python/object:os.PathLike {}",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object/apply:multidict._multidict.istr {a: b}",
        "!!python/object/apply:multidict._multidict.istr [a, b]",
        "!ruby/object:Gem::Installer {}",
    ],
)
def test_no_other_tag_is_executed(tag: str, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    text = f"interactions: {tag.replace('TARGET', str(target))}"

    with pytest.raises(CassetteError, match=r"no JSON, YAML or TOML .* (tag|not made)"):
        list(read(text.encode(), location="c.yaml"))

    assert not target.exists()


def test_an_alias_is_what_it_names() -> None:
    (document,) = load(b"a: &x {b: [1]}\nc: *x")

    assert document.value["c"] == {"b": [1]}


def test_lists_at_the_top_tell_their_lines() -> None:
    one, two = load(b"a:\n- 1\n-\n\n  2\nb: 3\n---\n\nc: []\n")

    assert one.lines == {"a": (2, 5)}
    assert (one.line, two.line) == (1, 9)


def test_the_words_of_yaml_1_2_are_told_from_those_of_1_1() -> None:
    text = b"[no, 1:20, 0777, 1e3, 'true', true, null, ~, -1.5, 2024-01-01, .5, \"1\"]"

    (document,) = load(text)

    assert document.core is not None
    assert document.core() == [
        *("no", "1:20", 777, 1000.0, "true", True, None, None, -1.5, "2024-01-01", 0.5, "1")
    ]
    assert document.value[:3] == [False, 80, 0o777]


def test_the_fast_loader_is_taken_where_there_is_one() -> None:
    from cachesaver.cassettes.readers import yamls

    assert issubclass(yamls.Loader, yaml.CSafeLoader)
