"""What the endpoint says no to, in the shape of OpenAI's errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from cachesaver.errors import CachesaverError
from cachesaver.local.errors import (
    EngineClosedError,
    EngineError,
    EngineFailedError,
    EngineFullError,
    ParameterError,
    PromptTooLongError,
)

__all__ = ["Refusal", "refusal_of", "unsupported"]

_FAULT = 500
"""From this status on the fault is ours."""

_WRONG = "invalid_request_error"
_KINDS = {429: "requests"}
"""https://platform.openai.com/docs/guides/rate-limits: what there were too many of."""

_SOON = MappingProxyType({"retry-after": "1"})
"""Seconds: places become free at every step."""


class Refusal(CachesaverError):  # noqa: N818  # it is an answer
    """A request that gets an error for an answer.

    Attributes:
        status: 400 to 599.
        param: The part of the body that is to blame, such as `messages[0].content`.
        code: For programs, such as `context_length_exceeded`.
        headers: That say more, in lower case.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.headers = headers
        self.status = status
        self.param = param
        self.code = code
        super().__init__(message)

    @property
    def body(self) -> dict[str, Any]:
        """https://platform.openai.com/docs/guides/error-codes, as the SDKs read it."""
        kind = "server_error" if self.status >= _FAULT else _KINDS.get(self.status, _WRONG)
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


def unsupported(param: str, message: str) -> Refusal:
    """Return the refusal of something that OpenAI has and a local model has not."""
    return Refusal(400, message, param=param, code="unsupported_parameter")


def refusal_of(error: EngineError) -> Refusal:
    """Return what a client is told of *error*."""
    match error:
        case ParameterError():
            return Refusal(400, str(error), param=error.parameter, code="invalid_value")
        case PromptTooLongError():
            return Refusal(400, str(error), param="messages", code="context_length_exceeded")
        case EngineFullError():
            return Refusal(429, str(error), code="rate_limit_exceeded", headers=_SOON)
        case EngineClosedError():
            return Refusal(503, "the server is going down", code="shutting_down")
        case EngineFailedError():
            return Refusal(500, str(error), code="model_failed")
        case _:
            return Refusal(500, f"the engine failed: {type(error).__name__}", code="engine_failed")
