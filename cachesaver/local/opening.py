"""The door to the engines, which can be imported where nothing of the extra is installed."""

from __future__ import annotations

from typing import Any

from cachesaver.errors import ConfigurationError
from cachesaver.local.engine import Engine, GraphsChoice, Kind, Sizes

__all__ = ["open_engine"]

_NEEDED = ("torch", "transformers")

_DEFAULT = Sizes()


def open_engine(
    model: Any, *, kind: Kind = "auto", sizes: Sizes = _DEFAULT, graphs: GraphsChoice = "auto"
) -> Engine:
    """Return an engine that runs *model*, which is on its device and used by nobody else.

    It tries the model on two short texts first: what does not answer as the model does is not used.

    Args:
        model: Of transformers, for continuing a text, such as `AutoModelForCausalLM` gives.
        kind: "auto" takes slots if the model can be run so, and a group if not; "cb" is for who has
            flash attention.
        sizes: How much it may hold.
        graphs: Whether steps are graphs of CUDA, where they can be; then memory is taken at once.

    Raises:
        ConfigurationError: torch or transformers is not installed, or *sizes* has more context than the
            model can be served with.
        UnsupportedModelError: No engine, or not the one asked for, gives what the model gives.
    """
    try:
        from cachesaver.local.choosing import choose_engine
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        raise ConfigurationError(
            f"a local model needs {error.name}, which is not installed. Install it with:\n"
            "    pip install 'cachesaver[local]'"
        ) from error
    return choose_engine(model, kind, sizes, graphs)
