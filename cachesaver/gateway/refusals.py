"""What the gateway says when it does not answer: status and reason, in the shape a provider's errors have.

No refusal holds a header, a query or a body: there are keys and prompts in them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from cachesaver.errors import (
    BudgetError,
    CachesaverError,
    ConfigurationError,
    NotRecordedError,
    ReplayError,
)
from cachesaver.exchange import Headers

__all__ = ["SHAPES", "Refusal", "refusal_of", "shape_of"]


class Refusal(Exception):  # noqa: N818  # it is an answer
    """A request that is not answered from the store or by a provider.

    Attributes:
        status: 400 to 599.
        code: One word for a program.
        message: One sentence for a person.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(message)

    def body(self, shape: str) -> bytes:
        """Return the body, a JSON object in the *shape* of a provider's errors."""
        return orjson.dumps(SHAPES[shape](self))

    def headers(self, shape: str) -> Headers:
        """Return what the answer's head says beside its length."""
        named = (("x-amzn-errortype", f"cachesaver_{self.code}"),) if shape == "aws" else ()
        return (
            ("content-type", "application/json"),
            # openai 3.57 and anthropic 2.14, _base_client.py, _should_retry(): they obey this first.
            ("x-should-retry", "false"),
            ("cache-status", f"cachesaver; fwd=bypass; detail={self.code}"),
            *named,
        )


def refusal_of(error: CachesaverError) -> Refusal:
    """Return how a client is told of *error*, one of ours."""
    for kind, status, code in _STATUSES:
        if isinstance(error, kind):
            return Refusal(status, code, str(error))
    raise TypeError(f"no refusal for {error!r}")


_STATUSES: tuple[tuple[type[CachesaverError], int, str], ...] = (
    # 412, RFC 9110, section 15.5.13: a condition of the request, that it be recorded, does not hold.
    # No SDK tries it again (they do 408, 409, 425, 429, 5xx), and none makes more of it (as of 400,
    # "the prompt is too long"; 401, "log in again"; 404, "another model"; 422, "mend the fields").
    (NotRecordedError, 412, "not_recorded"),
    (ReplayError, 412, "not_replayable"),
    (BudgetError, 402, "budget"),
    (ConfigurationError, 400, "bad_request"),
    (CachesaverError, 500, "failed"),  # the store, by strict=True
)


def _openai(refusal: Refusal) -> dict[str, Any]:
    code = f"cachesaver_{refusal.code}"
    return {
        "error": {
            "message": refusal.message,
            "type": "cachesaver_error",
            "param": None,
            "code": code,
        }
    }


def _anthropic(refusal: Refusal) -> dict[str, Any]:
    told = {"type": f"cachesaver_{refusal.code}", "message": refusal.message}
    return {"type": "error", "error": told}


def _google(refusal: Refusal) -> dict[str, Any]:
    status = _GOOGLE.get(refusal.status, "UNKNOWN")
    return {"error": {"code": refusal.status, "message": refusal.message, "status": status}}


def _message(refusal: Refusal) -> dict[str, Any]:
    return {"message": refusal.message}


def _text(refusal: Refusal) -> dict[str, Any]:
    return {"error": refusal.message, "error_type": f"cachesaver_{refusal.code}"}


SHAPES: Mapping[str, Callable[[Refusal], dict[str, Any]]] = MappingProxyType(
    {
        # https://platform.openai.com/docs/guides/error-codes, and who is compatible with it
        "openai": _openai,
        # https://docs.anthropic.com/en/api/errors
        "anthropic": _anthropic,
        # https://cloud.google.com/apis/design/errors
        "google": _google,
        # https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
        "aws": _message,
        # https://docs.cohere.com/reference/errors
        "cohere": _message,
        # Ollama (https://github.com/ollama/ollama/blob/main/docs/api.md) and Text Generation Inference
        "text": _text,
    }
)

_GOOGLE: Mapping[int, str] = MappingProxyType(
    {
        # https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        402: "FAILED_PRECONDITION",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        412: "FAILED_PRECONDITION",
        413: "INVALID_ARGUMENT",
        500: "INTERNAL",
        501: "UNIMPLEMENTED",
        502: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
    }
)

_FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        # the first part of a dialect's name: the shape of its errors
        "anthropic": "anthropic",
        "bedrock": "aws",
        "cohere": "cohere",
        "gemini": "google",
        "ollama": "text",
        "tgi": "text",
    }
)


def shape_of(dialect: str) -> str:
    """Return the shape of errors in *dialect*, such as `"openai.chat"`; OpenAI's if nothing is known."""
    return _FAMILIES.get(dialect.partition(".")[0], "openai")
