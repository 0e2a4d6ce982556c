"""Each example is replayed through its provider's own SDK, with nobody to ask, and says what it said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import cachesaver
from cachesaver.cassettes.files import read
from cachesaver.cassettes.format import merged
from cachesaver.tripwire import Blocking, arm
from examples import ENVIRONMENT, FOLDER, SAID, Program, modules, programs

pytestmark = pytest.mark.source_tree

SAYS: dict[str, Any] = json.loads(SAID.read_text("utf-8")) if SAID.exists() else {}
EXAMPLES = [path.stem for path in modules()]


@pytest.fixture(autouse=True)
def _no_key_and_no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    disarm = arm(Blocking())
    yield
    disarm()


def played(example: str, *, backwards: bool = False) -> dict[str, Any]:
    """Return what the programs of *example* say over its cassette, of which nothing is left over."""
    found: list[tuple[str, Program]] = list(programs(FOLDER / f"{example}.py"))
    path = FOLDER / f"{example}.cassette"
    with cachesaver.use_cassette(path, record_mode="none") as cassette:
        said = {name: program() for name, program in (found[::-1] if backwards else found)}
    assert cassette.all_played, cassette.store.unused
    return {f"{example}.{name}": told for name, told in said.items()}


@pytest.mark.parametrize("example", EXAMPLES)
def test_its_sdk_says_what_it_said(example: str) -> None:
    said = json.loads(json.dumps(played(example)))

    assert said == {name: told for name, told in SAYS.items() if name.startswith(f"{example}.")}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_order_of_its_questions_is_nothing_to_it(example: str) -> None:
    before = (FOLDER / f"{example}.cassette").read_bytes()

    said = json.loads(json.dumps(played(example, backwards=True)))

    assert said == {name: told for name, told in SAYS.items() if name.startswith(f"{example}.")}
    assert (FOLDER / f"{example}.cassette").read_bytes() == before


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_is_in_order_and_keeps_no_key(example: str) -> None:
    path = FOLDER / f"{example}.cassette"
    _, documents = read(path)

    kept = [each.text for each in merged(documents, {})]

    assert kept == [each.text for each in documents]
    assert not re.search(rb"(?i)bearer|api-key|aws4-hmac", path.read_bytes())


def test_every_cassette_has_its_programs() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.cassette")) == EXAMPLES
