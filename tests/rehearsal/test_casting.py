"""Voices by name."""

from __future__ import annotations

import pytest

from cachesaver.errors import ConfigurationError
from cachesaver.rehearsal.casting import VOICES, find_voice
from cachesaver.rehearsal.voices import echo


def test_a_voice_is_found_by_name_or_is_one() -> None:
    assert find_voice("echo") is echo
    assert find_voice(echo) is echo


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'nobody'.*echo, game24, prose"):
        find_voice("nobody")
    assert set(VOICES) == {"echo", "game24", "prose"}
