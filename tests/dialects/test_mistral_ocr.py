from __future__ import annotations

import json
from typing import Any

import pytest

from cachesaver.dialects.mistral_ocr import MistralOcr
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

READ, ANNOTATED = MistralOcr(), MistralOcr(annotated=True)
REQUEST = Request(method="POST", url="https://api.mistral.ai/v1/ocr")
ASK: dict[str, Any] = {
    "model": "mistral-ocr-latest",
    "document": {"type": "document_url", "document_url": "https://acme.test/a.pdf"},
}
FORMAT: dict[str, Any] = {"type": "json_schema", "json_schema": {}}
USED = {"pages_processed": 1, "doc_size_bytes": 9}
ANSWER: dict[str, Any] = {"pages": [{"index": 0}], "model": "ocr-1", "usage_info": USED}


def told(body: object) -> Response:
    return Response(status=200, chunks=(json.dumps(body).encode(),))


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        (ASK, [READ]),
        ({**ASK, "document_annotation_format": None, "pages": [0]}, [READ]),
        ({**ASK, "document_annotation_format": FORMAT}, [ANNOTATED]),
        ({**ASK, "bbox_annotation_format": FORMAT}, [ANNOTATED]),
        ({**ASK, "model": None}, []),
        ({**ASK, "document": "x"}, []),
        ({**ASK, "document": {"url": "x"}}, []),
        ({}, []),
    ],
)
def test_who_reads_what(body: dict[str, Any], reads: list[MistralOcr]) -> None:
    assert [each for each in (READ, ANNOTATED) if each.recognises(REQUEST, body)] == reads


def test_a_document_reads_the_same_always_and_what_is_written_about_it_does_not() -> None:
    assert READ.deterministic
    assert not ANNOTATED.deterministic
    assert repr(READ) == "MistralOcr(annotated=False)"


@pytest.mark.parametrize(
    ("body", "sound"),
    [(ANSWER, True), ({"pages": []}, True), ({"error": "x"}, False), ([], False)],
)
def test_an_answer_has_pages(body: object, *, sound: bool) -> None:
    assert READ.sound(told(body)) is sound
    assert READ.fits(told(body), REQUEST, ASK)


def test_pages_are_what_is_paid() -> None:
    assert READ.usage(told(ANSWER)) == ("ocr-1", USED)
    assert READ.usage(told({"model": 1})) == ("", {})
    with pytest.raises(DialectError):
        READ.usage(Response(status=200, chunks=(b"%PDF",)))
