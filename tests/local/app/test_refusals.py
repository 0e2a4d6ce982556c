from __future__ import annotations

import pytest

from cachesaver.local.app.refusals import Refusal, refusal_of, unsupported
from cachesaver.local.errors import (
    EngineClosedError,
    EngineError,
    EngineFailedError,
    EngineFullError,
    ParameterError,
    PromptTooLongError,
    UnsupportedModelError,
)


def test_a_refusal_has_openais_shape() -> None:
    refusal = Refusal(404, "no such model", param="model", code="model_not_found")

    assert refusal.body == {
        "error": {
            "message": "no such model",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (ParameterError("n", "n is wrong"), 400, "invalid_request_error", "invalid_value"),
        (
            PromptTooLongError(prompt=5, answer=6, room=7),
            400,
            "invalid_request_error",
            "context_length_exceeded",
        ),
        (EngineFullError(waiting=5, most=4), 429, "requests", "rate_limit_exceeded"),
        (EngineClosedError("closed"), 503, "server_error", "shutting_down"),
        (EngineFailedError("broken"), 500, "server_error", "model_failed"),
        (UnsupportedModelError("odd"), 500, "server_error", "engine_failed"),
    ],
)
def test_each_error_of_an_engine_has_its_status(
    error: EngineError, status: int, kind: str, code: str
) -> None:
    refusal = refusal_of(error)

    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.body["error"]["type"] == kind


def test_who_is_to_come_back_is_told_when() -> None:
    assert refusal_of(EngineFullError(waiting=5, most=4)).headers == {"retry-after": "1"}


def test_a_wrong_parameter_is_named() -> None:
    assert refusal_of(ParameterError("top_k", "wrong")).param == "top_k"


def test_what_is_unsupported_says_what() -> None:
    refusal = unsupported("audio", "no audio")

    assert (refusal.status, refusal.param, refusal.code) == (400, "audio", "unsupported_parameter")
