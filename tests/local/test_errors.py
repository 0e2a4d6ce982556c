"""What an error says, and carries."""

from __future__ import annotations

import pickle

from cachesaver.errors import CachesaverError
from cachesaver.local import ParameterError, PromptTooLongError


def test_a_prompt_too_long_says_what_fits() -> None:
    error = PromptTooLongError(prompt=90, answer=20, room=100)

    assert isinstance(error, CachesaverError)
    assert (error.prompt, error.answer, error.room) == (90, 20, 100)
    assert "maximum context length is 100 tokens" in str(error)
    assert "110" in str(error)


def test_a_parameter_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(ParameterError("top_p", "no")))  # noqa: S301  # our own

    assert (error.parameter, str(error)) == ("top_p", "no")
