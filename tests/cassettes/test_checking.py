"""What is wrong with a cassette is said, with what to do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from cachesaver.cassettes.answers import answer_of, question_members
from cachesaver.cassettes.checking import faults
from cachesaver.cassettes.files import put_in_order
from cachesaver.cassettes.format import Document, Head, document, written
from cachesaver.errors import CassetteError
from cachesaver.exchange import Response, Sample

CHAT = (
    b"cachesaver/1 openai.chat POST\nhttps://api.openai.com\n/v1/chat/completions\n\n\n"
    b'{"messages":[{"content":"%s","role":"user"}],"model":"m"}'
)
ANSWER = answer_of(Sample(response=Response(status=200, chunks=(b"{}",)), draw="d"))


def of(question: bytes, *answers: object, fingerprint: str = "") -> Document:
    name = fingerprint or hashlib.sha256(question).hexdigest()
    return document(name, question_members(question), list(answers or (ANSWER,)))


ONE, TWO = sorted((of(CHAT % b"a"), of(CHAT % b"b")), key=lambda each: each.fingerprint)


def test_a_sound_cassette_has_no_fault(tmp_path: Path) -> None:
    blanked = of(CHAT % b"[redacted]", fingerprint="f" * 64)
    form = of(b'cachesaver/1 x POST\nhttps://a.test\n/v1\n\n\nmultipart\n[[], "ab"]')
    alias = of(b"cachesaver/1 openai.chat POST\nour-model\n/v1/chat/completions\n\n\n{}")

    assert (
        found(tmp_path, *sorted((ONE, TWO, blanked, form, alias), key=lambda e: e.fingerprint))
        == []
    )


ORDER = "out of order"
TWICE = "it stands there 2 times"


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ((TWO, ONE), [ORDER]),
        ((ONE, ONE, TWO), [TWICE]),
        ((of(CHAT % b"a", fingerprint="e" * 64),), ["changed by hand, and is not found"]),
        (
            # the default temperature is left out of canonical questions
            (of((CHAT % b"a")[:-1] + b',"temperature":1}'),),
            ["this version reads its question otherwise"],
        ),
        ((of(b"cachesaver/9 openai.chat"),), ["this version cannot read what it asks"]),
        ((document("0" * 64, {"asks": 1}, [ANSWER]),), ["what it asks cannot be read"]),
        ((of(CHAT % b"a", {"status": "x", "json": 1, "style": "?"}),), ["answer 0 cannot be read"]),
        (
            (document(ONE.fingerprint, question_members(ONE.question), []),),
            ["it has no answer"],
        ),
    ],
    ids=["order", "twice", "changed", "version", "later", "question", "answer", "empty"],
)
def test_each_fault_is_said(
    documents: tuple[Document, ...], said: list[str], tmp_path: Path
) -> None:
    told = found(tmp_path, *documents)

    assert len(told) == len(said)
    assert all(each in one for each, one in zip(said, told, strict=True)), told


def test_a_last_document_that_was_cut_off_is_said_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    path.write_bytes(written(Head(), [TWO, ONE])[:-20])

    told = list(faults(path))
    put_in_order(path, {})

    assert "cut off" in told[0]
    assert list(faults(path)) == []


def test_what_is_no_cassette_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.cassette"
    path.write_text("interactions: []")

    with pytest.raises(CassetteError, match="no cassette of ours"):
        list(faults(path))


def found(folder: Path, *documents: Document) -> list[str]:
    path = folder / "a.cassette"
    path.write_bytes(written(Head(), documents))
    return list(faults(path))
