"""Which voice is meant by which name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.game24 import game24
from cachesaver.rehearsal.values import Voice
from cachesaver.rehearsal.voices import echo, prose

__all__ = ["VOICES", "find_voice"]

VOICES: Mapping[str, Voice] = MappingProxyType({"echo": echo, "game24": game24, "prose": prose})


def find_voice(voice: str | Voice) -> Voice:
    """Return the voice called *voice*, or *voice* itself if it is one.

    Raises:
        ConfigurationError: There is none of that name.
    """
    if callable(voice):
        return voice
    if voice not in VOICES:
        known = ", ".join(sorted(VOICES))
        raise ConfigurationError(f"there is no voice {voice!r}; say one of: {known}")
    return VOICES[voice]
