"""What the endpoint says no to, in the shape of OpenAI's errors."""

from __future__ import annotations

from typing import Any

from cachesaver.errors import CachesaverError
from cachesaver.local.errors import (
    EngineClosedError,
    EngineError,
    EngineFailedError,
    ParameterError,
    PromptTooLongError,
)

__all__ = ["Refusal", "refusal_of", "unsupported"]

_FAULT = 500
"""From this status on the fault is ours."""


class Refusal(CachesaverError):  # noqa: N818  # it is an answer
    """A request that gets an error for an answer.

    Attributes:
        status: 400 to 599.
        param: The part of the body that is to blame, such as `messages[0].content`.
        code: For programs, such as `context_length_exceeded`.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        self.status = status
        self.param = param
        self.code = code
        super().__init__(message)

    @property
    def body(self) -> dict[str, Any]:
        """https://platform.openai.com/docs/guides/error-codes, as the SDKs read it."""
        kind = "server_error" if self.status >= _FAULT else "invalid_request_error"
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
        case EngineClosedError():
            return Refusal(503, "the server is going down", code="shutting_down")
        case EngineFailedError():
            return Refusal(500, str(error), code="model_failed")
        case _:
            return Refusal(500, f"the engine failed: {type(error).__name__}", code="engine_failed")
