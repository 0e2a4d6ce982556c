"""Which format a file is in, and what becomes of one that is in none."""

from __future__ import annotations

import gzip
import json

import pytest

from cachesaver.cassettes import readers
from cachesaver.cassettes.readers import format_of, read, vcrpy
from cachesaver.errors import CassetteError
from cachesaver.plugins import READERS

VCRPY = """version: 1
interactions:
- request: {uri: 'http://a.test/', method: GET}
  response: {status: {code: 200}}
"""

FILES = {
    "vcrpy": VCRPY,
    "vcrpy of two lists": "requests: []\nresponses: []",
    "vcrpy without interactions": "interactions: []\nversion: 1",
    "cassetter": "interactions: [{request: {uri: 'http://a.test/'}, response: {status: 200}}]",
    "go-vcr": "version: 2\ninteractions: [{request: {url: 'http://a.test/'}, response: {code: 200}}]",
    "ruby-vcr": "---\nhttp_interactions: []\nrecorded_with: VCR 6.3.1",
    "har": '{"log": {"entries": []}}',
    "azure-session": '\ufeff{"Entries": [], "Variables": {}}',
    "rig": "when: {path: /}\nthen: {status: 200}",
    "httprr": "httprr trace v1\n",
    "cachesaver": '{"cachesaver cassette": 1}\n',
    "cachesaver with many clients": '{\n "cachesaver cassette": 1,\n "recorded with": {}\n}\n',
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_a_format_is_known_by_what_stands_at_its_top(name: str, *, packed: bool) -> None:
    """Given a name that says nothing, then the format is told all the same, also in gzip."""
    content = FILES[name].encode()

    found = format_of(gzip.compress(content) if packed else content, location="some/file.txt")

    assert found == name.partition(" ")[0]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("hello", "no recording that we can read: it is none of cachesaver, httprr, cassetter"),
        ('{"choices": []}', "no recording"),
        ("[]", "no recording"),
        ("", "no recording"),
        ('{"log": ', "no JSON, YAML or TOML that we can read"),
        ("a: [", "no JSON, YAML or TOML that we can read"),
        ("interactions: [1]", "damaged, or written by hand"),
    ],
)
def test_what_is_no_recording_is_one_error_with_its_name(content: str, what: str) -> None:
    with pytest.raises(CassetteError, match=what) as raised:
        list(read(content.encode(), location="some/file.txt"))

    assert "some/file.txt" in str(raised.value)


def test_a_damaged_interaction_is_named_by_its_number() -> None:
    cassette = {
        "interactions": [
            {
                "request": {"uri": "http://a.test/", "method": "GET"},
                "response": {"status": {"code": 200}, "body": {"string": "x"}},
            },
            {"request": {"uri": "http://a.test/", "method": "GET"}, "response": {}},
        ]
    }
    reading = read(json.dumps(cassette).encode(), location="c.json")

    assert next(reading).response.body == b"x"
    with pytest.raises(CassetteError, match=r"c\.json, interaction 1 is damaged"):
        next(reading)


def test_gzip_that_was_cut_off_is_an_error_of_ours() -> None:
    with pytest.raises(CassetteError, match="damaged"):
        list(read(gzip.compress(b"a" * 999)[:20], location="c.gz"))


def test_a_format_that_a_package_brings_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reader for what vcrpy's would claim too, then it is the one that reads."""

    class Point:
        name = "acme"

        def load(self) -> object:
            return vcrpy

    def brought(group: str) -> list[Point]:
        return [Point()] if group == READERS else []

    monkeypatch.setattr(readers, "plugins", brought)

    assert format_of(VCRPY.encode(), location="c") == "acme"
    assert format_of(b'{"log": {"entries": []}}', location="c") == "har"
    assert len(list(read(VCRPY.encode(), location="c"))) == 1
