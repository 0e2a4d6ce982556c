"""What an engine refuses or suffers. An app turns the first two into answers with status 400.

EngineError
├── ParameterError          a parameter out of bounds
├── PromptTooLongError      prompt and answer do not fit the model's context, or the engine's cache
├── EngineFullError         as many as may are waiting: ask later
├── UnsupportedModelError   no engine can run this model
├── EngineClosedError       asked after `close()`, or closed before the answer was complete
└── EngineFailedError       the model raised, or gave no numbers; the engine lives on
"""

from __future__ import annotations

from cachesaver.errors import CachesaverError

__all__ = [
    "EngineClosedError",
    "EngineError",
    "EngineFailedError",
    "EngineFullError",
    "ParameterError",
    "PromptTooLongError",
    "UnsupportedModelError",
]


class EngineError(CachesaverError):
    """Root of what an engine raises by itself."""


class ParameterError(EngineError):
    """A parameter is out of its bounds, or not of its type.

    Attributes:
        parameter: Its name, as in `Params` or `Engine.submit`.
    """

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(message)


class PromptTooLongError(EngineError):
    """Prompt and answer do not fit.

    Attributes:
        prompt: Tokens of the prompt.
        answer: Tokens that were asked for.
        room: Tokens that fit, prompt and answer together.
    """

    def __init__(self, *, prompt: int, answer: int, room: int) -> None:
        self.prompt = prompt
        self.answer = answer
        self.room = room
        super().__init__(
            f"this model's maximum context length is {room} tokens, and {prompt} in the prompt with "
            f"{answer} for the answer make {prompt + answer}: shorten the prompt or ask for less"
        )


class EngineFullError(EngineError):
    """As many samples as may are waiting: the same can be asked later.

    Attributes:
        waiting: Those that wait, or are drawn now.
        most: How many there may be before one prompt more is taken.
    """

    def __init__(self, *, waiting: int, most: int) -> None:
        self.waiting = waiting
        self.most = most
        super().__init__(
            f"{waiting} samples are being drawn or waiting, and from {most} on no request is taken: "
            "ask again later, or start the server with a larger --max-waiting"
        )


class UnsupportedModelError(EngineError):
    """The model is of a kind that no engine can run; the message says which kind."""


class EngineClosedError(EngineError):
    """The engine was closed."""


class EngineFailedError(EngineError):
    """The model failed under this request; its own error is the cause. Others may go on."""
