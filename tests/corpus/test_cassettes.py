"""Every provider exchange of every recording, imported into a cassette and asked again: by content."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import httpx
import pytest

import cachesaver
from cachesaver.canonical import parse_body
from cachesaver.cassettes import readers
from cachesaver.cassettes.checking import faults
from cachesaver.cassettes.exports import WRITERS, redacted
from cachesaver.cassettes.imports import Verdict, judged
from cachesaver.cassettes.readers.ours import dialect_of, interaction_of
from cachesaver.cassettes.scanning import scan
from cachesaver.cassettes.transfer import add_to_cassette, add_to_store, answers_in, answers_of
from cachesaver.exchange import Request, without_headers
from cachesaver.identity import identify
from cachesaver.stores import open_store
from recordings import ANSWERS
from recordings.provider import plain

pytestmark = pytest.mark.timeout(600)

BATCHES = 20
"""Cassettes that the recordings go into: neighbours, which often ask the same, into different ones."""


@pytest.fixture(scope="module")
def verdicts(corpus: Path) -> list[list[Verdict]]:
    """What becomes of the interactions of every recording, by batch."""
    index = json.loads((corpus / "index.json").read_bytes())
    named = [each["file"] for each in index["files"] if each["format"] not in ANSWERS]
    batches: list[list[Verdict]] = [[] for _ in range(BATCHES)]
    for place, name in enumerate(named):
        read = readers.read((corpus / name).read_bytes(), location=name)
        batches[place % BATCHES] += judged(read)
    return batches


@pytest.fixture(scope="module")
def kept(verdicts: list[list[Verdict]]) -> list[list[Verdict]]:
    return [[each for each in batch if each.answers and not each.remark] for batch in verdicts]


@pytest.fixture(scope="module")
def cassettes(kept: list[list[Verdict]], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("cassettes")
    paths = [folder / f"{place}.cassette" for place in range(len(kept))]
    for path, batch in zip(paths, kept, strict=True):
        add_to_cassette(path, [answer for each in batch for answer in each.answers])
    return paths


def test_what_is_kept_out_is_no_question_or_no_answer(verdicts: list[list[Verdict]]) -> None:
    counts = Counter(kind_of(each) for batch in verdicts for each in batch)

    assert counts == {
        "kept": 1464,
        "fewer answers than asked for": 8,
        "no question": 870,
        "no provider call we know": 183,
        "status": 151,
        "it is no complete answer": 12,
        "its coding cannot be undone here (br)": 1,
    }


def kind_of(verdict: Verdict) -> str:
    if verdict.reason:
        return re.split(":|;| [45]", verdict.reason)[0]
    return "fewer answers than asked for" if verdict.remark else "kept"


def why_otherwise(batch: list[Verdict]) -> str:
    """Why exchanges that share questions may be answered in another spelling; empty: they may not."""
    answers = [answer for each in batch for answer in each.answers]
    forms = {wants_stream(each.interaction.request) for each in batch}
    if answers[0].is_only:
        again = any(answers[0].fingerprint in prints(each) for each in batch[1:])
        return "asked again: the first answer stands" if again else "put together from its inputs"
    if any(len(each.answers) > 1 for each in batch):
        return "several in one stream" if True in forms else "put together from its samples"
    return TWO_FORMS if len(forms) > 1 else ""


TWO_FORMS = "whole and as a stream: who asks gets the next, in its own form"

SAME_VALUES = ("put together from its inputs", "put together from its samples")
"""Reasons for another spelling of the same."""


def prints(verdict: Verdict) -> set[str]:
    return {each.fingerprint for each in verdict.answers}


def wants_stream(request: Request) -> bool:
    return dialect_of(request).wants_stream(request, parse_body(request).members)


def replayed(batch: list[Verdict], cassette: Path) -> list[httpx.Response]:
    """Ask everything again, in another order, four at a time; return the answers in the old order."""
    dice = Random(cassette.name)  # noqa: S311  # an order, no secret
    shuffled = dice.sample(range(len(batch)), len(batch))
    with (
        cachesaver.use_cassette(cassette, record_mode="none"),
        httpx.Client() as client,
        ThreadPoolExecutor(4) as threads,
    ):
        asked = [batch[place].interaction.request for place in shuffled]
        found = dict(zip(shuffled, threads.map(partial(ask, client), asked), strict=True))
    return [found[place] for place in range(len(batch))]


def ask(client: httpx.Client, request: Request) -> httpx.Response:
    headers = without_headers(request.headers, ("host", "connection", "accept-encoding"))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    return client.request(request.method, request.url, headers=raw, content=request.body)


@dataclass(slots=True)
class Kin:
    """The exchanges of a batch that share a question."""

    asked: list[Verdict] = field(default_factory=list[Verdict])
    told: list[tuple[int, str | None, bytes]] = field(
        default_factory=list[tuple[int, str | None, bytes]]
    )

    @property
    def recorded(self) -> list[tuple[int, str | None, bytes]]:
        every = [each.interaction.response for each in self.asked]
        return [(each.status, each.header("content-type"), plain(each)) for each in every]

    @property
    def equal(self) -> bool:
        return sorted(self.told, key=repr) == sorted(self.recorded, key=repr)

    @property
    def values(self) -> bool:
        """Whether the same is said."""
        told, recorded = (
            sorted(json.dumps(json.loads(body), sort_keys=True) for _, _, body in each)
            for each in (self.told, self.recorded)
        )
        return told == recorded


def test_every_exchange_is_answered_by_its_content(
    kept: list[list[Verdict]], cassettes: list[Path]
) -> None:
    """Given other neighbours, another order and four threads, then each gets its own bytes.

    Of several that ask the same, each gets one of theirs.
    """
    counts, wrong = Counter[str](), list[str]()
    for batch, cassette in zip(kept, cassettes, strict=True):
        kin = defaultdict[str, Kin](Kin)
        for verdict, answer in zip(batch, replayed(batch, cassette), strict=True):
            each = kin[verdict.answers[0].fingerprint]
            each.asked.append(verdict)
            kind = answer.headers.get("content-type")
            each.told.append((answer.status_code, kind, answer.content))
        for each in kin.values():
            why = why_otherwise(each.asked)
            counts["equal" if each.equal and why != TWO_FORMS else why] += len(each.asked)
            if not each.equal and (not why or (why in SAME_VALUES and not each.values)):
                wrong.append(each.asked[0].interaction.request.summary)

    assert wrong == []
    assert counts == {
        "equal": 1413,
        "put together from its samples": 13,
        "put together from its inputs": 6,
        "several in one stream": 14,
        "asked again: the first answer stands": 6,
        TWO_FORMS: 12,
    }


def test_a_store_gives_back_what_cassettes_gave_it(cassettes: list[Path], tmp_path: Path) -> None:
    """Given every cassette, when poured into a store and back, then not a byte is another."""
    whole, back = tmp_path / "whole.cassette", tmp_path / "back.cassette"
    add_to_cassette(whole, [answer for path in cassettes for answer in answers_in(path)])
    poured = list(answers_in(whole))
    store = open_store(str(tmp_path / "store"))
    try:
        assert add_to_store(store, poured) == len(poured)
        assert add_to_store(store, poured) == 0
        assert list(answers_of(store)) == poured
        add_to_cassette(back, answers_of(store))
    finally:
        store.close()

    assert back.read_bytes() == whole.read_bytes()


def test_what_a_cassette_asks_for_is_what_was_asked(cassettes: list[Path]) -> None:
    """Given the requests that exports make of questions, then they have their fingerprints."""
    for path in cassettes:
        for answer in answers_in(path):
            found = interaction_of(answer.question, answer.sample)
            if "digests" in str(found.lossy):
                continue  # the parts of a form
            question = identify(found.request, dialect_of(found.request))
            assert question.fingerprint == answer.fingerprint, found.request


def test_every_cassette_is_in_order_and_holds_no_secret(cassettes: list[Path]) -> None:
    for path in cassettes:
        assert list(faults(path)) == []
        assert list(scan(path.read_bytes(), location=str(path))) == []


@pytest.mark.parametrize("name", sorted({"vcrpy", "har"} & {*WRITERS}))
def test_every_exchange_is_exported_as_it_is(name: str, kept: list[list[Verdict]]) -> None:
    """Given all exchanges, when exported and read again, then nothing but credentials is gone."""
    for batch in kept[:8]:
        exchanges = [each.interaction for each in batch]
        found = list(readers.read(WRITERS[name](exchanges), location="x"))

        for one, other in zip(map(redacted, exchanges), found, strict=True):
            assert (other.request.url, other.request.body) == (one.request.url, one.request.body)
            assert other.response.body == one.response.body
            assert sorted(other.response.headers) == sorted(one.response.headers)
