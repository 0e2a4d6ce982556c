"""The local endpoint needs torch and transformers, which CI's own environment may lack."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = [name for name in ("torch", "transformers") if find_spec(name) is None]

if not MISSING:
    import torch

    torch.set_num_threads(1)  # tiny models: more threads only wait for each other


ALWAYS = {
    "test_bridge.py",
    "test_engine_values.py",
    "test_errors.py",
    "test_init.py",
    "test_listening.py",
    "test_opening.py",
    "test_params.py",
    "test_streams.py",
}
"""They test what can be imported without."""


class Absent(pytest.Module):
    """A test module whose imports would fail."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(f"needs cachesaver[local]: no {' and '.join(MISSING)}", allow_module_level=True)


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    is_absent = MISSING and module_path.name not in ALWAYS
    return Absent.from_parent(parent, path=module_path) if is_absent else None
