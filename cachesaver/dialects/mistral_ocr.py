"""Mistral's reading of documents: the same document has the same pages, always.

https://docs.mistral.ai/api (ocr), the SDK mistralai 3.7.0 and recorded exchanges. What a model is
asked to write about a document or its images, in a form that the caller gives, is a sample.
"""

from __future__ import annotations

from collections.abc import Mapping

from cachesaver.dialects.base import BaseDialect, json_object
from cachesaver.dialects.chat_hosts import MISTRAL
from cachesaver.dialects.jsontext import is_list, is_object
from cachesaver.dialects.sharing import NO_USAGE
from cachesaver.errors import DialectError
from cachesaver.exchange import Request, Response

__all__ = ["MistralOcr"]

_ANNOTATIONS = ("bbox_annotation_format", "document_annotation_format")


class MistralOcr(BaseDialect):
    """Mistral's reading of documents.

    Args:
        annotated: Whether a model is to write about what was read: then an answer is a sample.
    """

    name = "mistral.ocr"
    endpoints = (r"/v1/ocr",)
    hosts = f"{MISTRAL.hosts}:443"
    null_is_absent = True

    def __init__(self, *, annotated: bool = False) -> None:
        self.deterministic = not annotated

    def __repr__(self) -> str:
        return f"MistralOcr(annotated={not self.deterministic})"

    def recognises(self, request: Request, body: Mapping[str, object]) -> bool:
        document = body.get("document")
        annotated = any(body.get(field) is not None for field in _ANNOTATIONS)
        return (
            is_object(document)
            and isinstance(document.get("type"), str)
            and isinstance(body.get("model"), str)
            and annotated != self.deterministic
        )

    def fits(self, response: Response, request: Request, body: Mapping[str, object]) -> bool:
        """Always: there are no streams."""
        return True

    def sound(self, response: Response) -> bool:
        try:
            return is_list(json_object(response, dialect=self.name).get("pages"))
        except DialectError:
            return False

    def usage(self, response: Response) -> tuple[str, Mapping[str, object]]:
        answer = json_object(response, dialect=self.name)
        model, usage = answer.get("model"), answer.get("usage_info")
        return (model if isinstance(model, str) else ""), (usage if is_object(usage) else NO_USAGE)
