"""How a model makes one vector of a text's tokens, as it says in the files of sentence-transformers.

https://www.sbert.net/docs/package_reference/sentence_transformer/models.html
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from huggingface_hub import hf_hub_download, is_offline_mode, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

from cachesaver.errors import ConfigurationError
from cachesaver.local.errors import UnsupportedModelError

__all__ = ["Habits", "Pooling", "read_habits"]

_LOG = logging.getLogger(__name__)

Pooling: TypeAlias = Literal["mean", "cls"]
"""How the vectors of a text's tokens become one: their mean, or the first."""

_MODES: dict[str, Pooling] = {
    "cls": "cls",
    "cls_token": "cls",
    "mean": "mean",
    "mean_tokens": "mean",
}
"""What they are called, with `pooling_mode_` before or as the value of `pooling_mode`."""

_CHAINS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
"""Kinds of modules, in their order."""


_ABOUT_TEXTS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Where the first module says what it does with texts: the first of these that there is."""


class Habits(NamedTuple):
    """How vectors are made.

    Attributes:
        pooling: Of the tokens of a text.
        is_unit: Whether vectors are scaled to length 1.
        room: Tokens that a text may have; `None`: as many as the model reads.
        lowers: Whether a text is written in small letters before it is read.
    """

    pooling: Pooling
    is_unit: bool
    room: int | None = None
    lowers: bool = False


def read_habits(model: str) -> Habits:
    """Return how *model* makes vectors; without the files: the mean, of length 1.

    Args:
        model: A folder, or the id of a model on the hub.

    Raises:
        UnsupportedModelError: It makes them in another way, or does more than that.
        ConfigurationError: The hub cannot be asked.
    """
    modules = _read(model, "modules.json")
    if modules is None:
        return Habits("mean", True)
    kinds = [_kind_of(each) for each in modules]
    if kinds not in _CHAINS:
        raise _unsupported(model, f"its modules are {', '.join(kinds)}")
    settings = _read(model, f"{modules[1]['path']}/config.json")
    folder = modules[0]["path"]
    texts = _read(model, *(f"{folder}/{each}".lstrip("/") for each in _ABOUT_TEXTS)) or {}
    return Habits(
        pooling=_mode_of(model, settings or {}),
        is_unit="Normalize" in kinds,
        room=_room_of(model, texts.get("max_seq_length")),
        lowers=bool(texts.get("do_lower_case")),
    )


def _room_of(model: str, said: object) -> int | None:
    """Return how long a text may be: what follows, sentence-transformers would leave out."""
    if said is None or (isinstance(said, int) and said > 0):
        return said
    raise ConfigurationError(
        f"the model {model!r} cannot be loaded: its max_seq_length is {said!r}, and no "
        "number of tokens"
    )


def _mode_of(model: str, settings: Mapping[str, Any]) -> Pooling:
    modes = [*_modes(settings)]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise _unsupported(model, f"its pooling is {', '.join(modes) or 'not said'}")
    return _MODES[modes[0]]


def _modes(settings: Mapping[str, Any]) -> Iterable[str]:
    """Yield the modes that are on, in the older form and in the newer one."""
    for name, value in settings.items():
        if name == "pooling_mode":
            yield from [value] if isinstance(value, str) else cast("Sequence[str]", value)
        elif name.startswith("pooling_mode_") and value:
            yield name.removeprefix("pooling_mode_")


def _kind_of(module: Mapping[str, Any]) -> str:
    return str(module["type"]).rpartition(".")[2]


def _unsupported(model: str, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the model {model!r} cannot be served: {what}, and vectors are made only by the mean of all "
        "tokens or by the first one (cls), scaled to length 1 or not"
    )


def _read(model: str, *names: str) -> Any:
    """Return what the first file says that there is of *names*; `None`: there is none."""
    if Path(model).is_dir():
        found = next(
            (each for each in (Path(model, name) for name in names) if each.is_file()), None
        )
    elif is_offline_mode():
        found = _kept(model, names)
    else:
        found = next((each for name in names if (each := _fetched(model, name))), None)
    return None if found is None else json.loads(found.read_text(encoding="utf-8"))


def _kept(model: str, names: Sequence[str]) -> Path | None:
    """Return the first that is here; if there may be one that is not, say so."""
    kept = [try_to_load_from_cache(model, name) for name in names]
    if found := next((each for each in kept if isinstance(each, str)), None):
        return Path(found)
    if None in kept:
        message = "%s has no %s here, and the hub is not asked: its vectors are made without"
        _LOG.warning(message, model, names[0])
    return None


def _fetched(model: str, name: str) -> Path | None:
    try:
        return Path(hf_hub_download(model, name))
    except LocalEntryNotFoundError as error:
        raise _unknown(model, name, error) from error
    except EntryNotFoundError:
        return None
    except HfHubHTTPError as error:
        raise _unknown(model, name, error) from error


def _unknown(model: str, name: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"the model {model!r} cannot be loaded: whether it has {name}, which says how its vectors are "
        f"made, is not known: {error}"
    )
