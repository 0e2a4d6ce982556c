"""What all of Amazon Bedrock's operations share: errors, headers, frames, the model in the path.

https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, the errors of each
operation there, and error answers as recorded in public cassettes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.dialects import aws_events
from cachesaver.rehearsal.values import RejectedError, digest, dumps

__all__ = ["BedrockApi", "frame", "model_in"]

_ERRORS = MappingProxyType(
    {
        400: "ValidationException",
        401: "UnrecognizedClientException",
        403: "AccessDeniedException",
        404: "ResourceNotFoundException",
        408: "ModelTimeoutException",
        424: "ModelErrorException",
        429: "ThrottlingException",
        500: "InternalServerException",
        503: "ServiceUnavailableException",
    }
)

_IN_STREAMS = frozenset({400, 429, 500, 503})
"""Statuses whose errors may come in a stream: the exceptions of `ConverseStreamOutput`."""


class BedrockApi:
    """The half of `Api` that does not depend on the operation."""

    content_type = "application/json"
    event_stream = aws_events.MEDIA_TYPE
    pretty = False
    overloaded = 503

    def error(self, error: RejectedError) -> Mapping[str, Any]:
        """Return `{"message": ...}`: which error it is stands in a header."""
        return {"message": error.message}

    def error_headers(self, error: RejectedError) -> Mapping[str, str]:
        """Return the name of the error, with the namespace that AWS hangs on it."""
        namespace = "http://internal.amazon.com/coral/com.amazon.bedrock/"
        return {"x-amzn-errortype": f"{_name(error)}:{namespace}"}

    def error_frame(self, error: RejectedError, place: int) -> bytes:
        """Return an exception frame."""
        name = _name(error) if error.status in _IN_STREAMS else "InternalServerException"
        payload = dumps({"message": error.message}).encode()
        return aws_events.encode(aws_events.failure(name[0].lower() + name[1:], payload))

    def headers(self, serial: int) -> Mapping[str, str]:
        """Return what Bedrock sends beside the body; the second is what a stream's chunks are."""
        return {
            "x-amzn-requestid": digest("bedrock", serial)[:32],
            "x-amzn-bedrock-content-type": "application/json",
        }


def frame(name: str, content: Mapping[str, Any]) -> bytes:
    """Return the event *name*, padded as Bedrock pads them."""
    padding = digest(name, content)[: 1 + int(digest(content)[0], 16)]
    payload = dumps({**content, "p": padding}).encode()
    return aws_events.encode(aws_events.event(name, payload))


def model_in(path: str) -> str:
    """Return the model that *path* (percent-decoded) names."""
    found = re.search(r"/model/(.+)/", path)
    return found[1] if found else ""


def _name(error: RejectedError) -> str:
    return _ERRORS.get(error.status, "InternalServerException")
