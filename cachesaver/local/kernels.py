"""A kernel of Triton is used where it was seen to be right, and done without elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

__all__ = ["find"]

_LOG = logging.getLogger(__name__)

Kernel = TypeVar("Kernel")


def find(
    what: str, load: Callable[[], Kernel], is_right: Callable[[Kernel], bool]
) -> Kernel | None:
    """Return the kernel if it was seen to be right; else say why not, as a warning, and return `None`.

    Args:
        what: What is done with it, or without: "attention is".
        load: Returns it. It may raise: there is no Triton.
        is_right: Tries it. It may raise: there is no compiler, or a device that Triton does not know.
    """
    try:
        kernel = load()
        if is_right(kernel):
            return kernel
    except Exception as error:  # noqa: BLE001  # whatever it is, there is another way
        _LOG.warning("%s without a kernel of Triton: %s: %s", what, type(error).__name__, error)
        return None
    _LOG.warning("%s without a kernel of Triton: it gave something else", what)
    return None
