"""A program that installs and just ends: what it leaves behind, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cachesaver.rehearsal import Rehearsal

PROGRAM = """
import cachesaver, openai
cachesaver.install(namespace="exit", store={store!r})
client = openai.OpenAI(base_url={url!r}, api_key="any")
answer = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "?"}}])
print(answer.choices[0].message.content)
"""


@pytest.mark.parametrize("scheme", ["", "memory://"])
def test_a_program_that_just_ends_ends_quietly(
    scheme: str, rehearsal: Rehearsal, tmp_path: Path
) -> None:
    """Given a store that closes itself at exit, then the session has taken its leave before."""
    program = PROGRAM.format(store=scheme or str(tmp_path), url=rehearsal.openai_url)

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CACHESAVER_QUIET": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip()
    assert done.stderr == ""
